//! Where answers go: to everybody in a conversation.

use std::sync::Arc;

use socketio_server::{EmitError, Namespace, Room};

use crate::reply::Reply;

/// Says things to the clients of one conversation. Cloning gives another of the same.
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

    /// The conversation.
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// Sends a reply, in as many messages as it takes. Where nobody is left to hear it, it is lost.
    pub async fn send(&self, reply: &Reply) -> Result<(), EmitError> {
        for message in reply.messages() {
            self.namespace.to(Room::clone(&self.room)).emit(&self.event, &message).await?;
        }
        Ok(())
    }
}
