//! Who answers.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use crate::message::UserMessage;
use crate::replies::Replies;

/// An agent could not answer. The user gets an apology, the log the reason.
pub type AgentError = Box<dyn Error + Send + Sync>;

/// What an agent is at.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<(), AgentError>> + Send + 'a>>;

/// Answers what users say. The messages of a conversation come one after the other: the next when this is done.
pub trait Agent: Send + Sync + 'static {
    /// Answers a message, as soon as there is something to say and as often as there is.
    fn answer(&self, message: UserMessage, replies: Replies) -> Answering<'_>;
}

/// Functions are agents too.
impl<F, Fut> Agent for F
where
    F: Fn(UserMessage, Replies) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), AgentError>> + Send + 'static,
{
    fn answer(&self, message: UserMessage, replies: Replies) -> Answering<'_> {
        Box::pin(self(message, replies))
    }
}

impl Agent for Box<dyn Agent> {
    fn answer(&self, message: UserMessage, replies: Replies) -> Answering<'_> {
        (**self).answer(message, replies)
    }
}
