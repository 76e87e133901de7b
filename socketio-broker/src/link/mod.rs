//! The link of a namespace: what is the same in all formats.

mod member;
mod receive;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use socketio_cluster::{Message, NodeId};
use socketio_server::RoomEvent;
use socketio_server::cluster::{
    AdapterError, AdapterHealth, BoxFuture, ClusterLink, EchoId, Presence, SessionStore,
};
use tokio::sync::watch;

pub use self::member::{Member, adapter_error};
pub use self::receive::{Receiver, receive};
use crate::driver::Topic;
use crate::error::PublishError;

/// A format in one namespace, with its state there.
pub trait Format: Receiver {
    /// The state that all formats have.
    fn member(&self) -> &Member;

    /// Maximum wait for the answers of other nodes.
    fn requests_timeout(&self) -> Duration;

    /// How the other nodes are known. Default: the broker counts the subscribers of the topic of all nodes
    /// ([`Request::Subscribers`](crate::driver::Request::Subscribers)), and heartbeats are not sent.
    fn presence(&self) -> Presence {
        Presence::Counted
    }

    /// Queues a message for the other nodes.
    fn publish(&self, message: &Message) -> Result<(), PublishError>;

    /// Queues an answer.
    fn respond(&self, to: &NodeId, message: &Message) -> Result<(), PublishError>;

    /// Whether the message comes back to this node.
    fn echoes(&self, message: &Message) -> bool {
        let _ = message;
        false
    }

    /// Publishes a message that comes back, and waits until the broker has taken it.
    fn publish_echoed(
        &self,
        message: &Message,
        echo: EchoId,
    ) -> impl Future<Output = Result<(), PublishError>> + Send {
        let _ = echo;
        std::future::ready(self.publish(message))
    }

    /// The store of sessions.
    fn sessions(self: Arc<Self>) -> Option<Arc<dyn SessionStore>> {
        None
    }

    /// A room of this node is there, or is gone.
    fn on_room_event(&self, event: &RoomEvent) {
        let _ = event;
    }

    /// The link is closed or dropped.
    fn left(&self) {}
}

/// The link of a namespace. On drop its subscriptions end.
pub struct Link<F: Format>(Arc<F>);

impl<F: Format> Link<F> {
    /// Subscribes to these topics, and handles what arrives.
    pub fn open(format: F, topics: impl IntoIterator<Item = Topic>) -> Self {
        let format = Arc::new(format);
        let member = format.member();
        member.medium.router().subscribe(topics, &member.mailbox);
        member.report_gaps();
        let (medium, mailbox) = (member.medium.clone(), Arc::clone(&member.mailbox));
        receive(medium, Arc::clone(&member.namespace), mailbox, Arc::clone(&format));
        Self(format)
    }

    fn leave(&self) {
        self.0.left();
        self.0.member().leave();
    }
}

impl<F: Format> ClusterLink for Link<F> {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move {
            match message {
                // The broker counts the nodes.
                Message::InitialHeartbeat | Message::Heartbeat | Message::Close
                    if self.0.presence() == Presence::Counted =>
                {
                    Ok(())
                }
                message => self.0.publish(message).map_err(adapter_error),
            }
        })
    }

    fn echoes(&self, message: &Message) -> bool {
        self.0.echoes(message)
    }

    fn publish_echoed<'a>(
        &'a self,
        message: &'a Message,
        echo: EchoId,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.0.publish_echoed(message, echo).await.map_err(adapter_error) })
    }

    fn sessions(&self) -> Option<Arc<dyn SessionStore>> {
        Arc::clone(&self.0).sessions()
    }

    fn respond<'a>(
        &'a self,
        to: &'a NodeId,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.0.respond(to, message).map_err(adapter_error) })
    }

    fn presence(&self) -> Presence {
        self.0.presence()
    }

    fn count_others(&self) -> BoxFuture<'_, Result<usize, AdapterError>> {
        Box::pin(self.0.member().count_others())
    }

    fn request_timeout(&self) -> Duration {
        self.0.requests_timeout()
    }

    fn health(&self) -> watch::Receiver<AdapterHealth> {
        self.0.member().health()
    }

    fn on_room_event(&self, event: &RoomEvent) {
        self.0.on_room_event(event);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.leave();
        Box::pin(self.0.member().medium.flush_in_time())
    }
}

impl<F: Format> Drop for Link<F> {
    fn drop(&mut self) {
        self.leave();
    }
}
