//! The interface of agents.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use crate::message::UserMessage;
use crate::replies::Replies;

/// Error of an agent. The user receives an apology, and the log the error.
pub type AgentError = Box<dyn Error + Send + Sync>;

/// The future of an agent's answer.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<(), AgentError>> + Send + 'a>>;

/// Answers the messages of users. The messages of one conversation are processed in sequence: the next one
/// starts when this future completes.
pub trait Agent: Send + Sync + 'static {
    /// Answers a message with any number of replies, each sent as soon as it is ready.
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
