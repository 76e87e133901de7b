//! Replies to all clients of a conversation.

use std::sync::Arc;

use socketio_server::EmitError;

use crate::delivery::{Delivery, Target};
use crate::reply::Reply;
use crate::tracker::{Entry, TrackerError};

/// Sends replies to the clients of one conversation. Clones send to the same conversation.
#[derive(Clone)]
pub struct Replies {
    delivery: Arc<Delivery>,
    target: Target,
}

impl Replies {
    pub(crate) fn new(delivery: Arc<Delivery>, target: Target) -> Self {
        Self { delivery, target }
    }

    /// The id of the conversation.
    pub fn sender(&self) -> &str {
        &self.target.conversation
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Sends a reply as one or more messages. If no client is connected and sessions persist, they wait for the return of
    /// a client; without persistent sessions they are dropped.
    pub async fn send(&self, reply: &Reply) -> Result<(), EmitError> {
        self.delivery.send(&self.target, reply.messages()).await
    }

    /// Messages of user and bot in this conversation, oldest first, as far as the tracker has kept them. The last message
    /// of the user is the one that the agent answers.
    pub async fn history(&self) -> Result<Vec<Entry>, TrackerError> {
        self.delivery.history(self.sender()).await
    }
}

impl std::fmt::Debug for Replies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replies").field("sender", &self.sender()).finish_non_exhaustive()
    }
}
