//! Replies to all clients of a conversation.

use std::sync::Arc;

use socketio_server::{EmitError, Namespace, Room};

use crate::reply::Reply;

/// Sends replies to the clients of one conversation. Clones send to the same conversation.
#[derive(Clone, Debug)]
pub struct Replies {
    namespace: Namespace,
    event: Arc<str>,
    sender: Arc<str>,
    room: Room,
}

impl Replies {
    pub(crate) fn new(namespace: Namespace, event: Arc<str>, sender: Arc<str>, room: Room) -> Self {
        Self { namespace, event, sender, room }
    }

    /// The id of the conversation.
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// Sends a reply as one or more messages. The reply is lost if no client is connected.
    pub async fn send(&self, reply: &Reply) -> Result<(), EmitError> {
        for message in reply.messages() {
            self.namespace.to(Room::clone(&self.room)).emit(&self.event, &message).await?;
        }
        Ok(())
    }
}
