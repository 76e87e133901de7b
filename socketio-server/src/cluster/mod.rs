//! Who gets a broadcast: the sockets of this server by their rooms, and those of the other servers of a cluster.
//!
//! An [`Adapter`] connects servers. It moves [`Message`]s and knows nothing of sockets; what they mean is decided
//! here, the same for every adapter. Without one nothing leaves the process, and nothing is spent on it.

mod details;
mod inbox;
mod link;
mod message;
mod node;
mod requests;
pub(crate) mod server_events;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use self::details::{HandshakeDetails, SocketDetails};
pub use self::inbox::Inbound;
pub use self::message::{Flags, Message};
pub(crate) use self::node::Hub;
pub(crate) use self::requests::{Answer, Gathered};
pub use crate::error::AdapterError;
pub use crate::id::{NodeId, RequestId};
use crate::rooms::RoomEvent;

/// A future as a trait object can return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Connects this server with the others of a cluster. Given to
/// [`ServerBuilder::adapter`](crate::ServerBuilder::adapter).
pub trait Adapter: Send + Sync + 'static {
    /// Opens the way to the other nodes for one namespace. What they say is handed to `inbound`, in the order in
    /// which it comes; what this node says goes through the link that is returned.
    ///
    /// It is called by whoever names the namespace first, with nothing locked: it may use the server, and name further
    /// namespaces. What is handed to `inbound`, or sent to other nodes, before it returns waits for its return, and so
    /// do clients that want to join; it must not wait for any of these itself.
    fn open(&self, inbound: Inbound) -> Arc<dyn Link>;
}

/// The way from one namespace of this node to the same namespace of the others.
pub trait Link: Send + Sync + 'static {
    /// Says something to all other nodes. Two messages of one task arrive in the order in which they were published.
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>>;

    /// Answers the node that asked. Default: to all, of whom all others ignore it.
    fn respond<'a>(
        &'a self,
        to: &'a NodeId,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        let _ = to;
        self.publish(message)
    }

    /// How this node knows who the others are.
    fn presence(&self) -> Presence {
        Presence::default()
    }

    /// How many other nodes there are, for [`Presence::Counted`].
    fn count_others(&self) -> BoxFuture<'_, Result<usize, AdapterError>> {
        Box::pin(async { Ok(0) })
    }

    /// A room came, went, or changed on this node. For adapters with a channel for each room.
    fn on_room_event(&self, event: &RoomEvent) {
        let _ = event;
    }

    /// The namespace is closed: nothing more comes, and nothing is to be handed in.
    fn close(&self) {}
}

/// How a node knows who the others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// Nodes tell each other that they are there. One that was silent for `timeout` is not waited for.
    Heartbeats {
        /// How long a node may say nothing before it says that it is there. Default 5 s.
        interval: Duration,
        /// How long others believe it. Default 10 s.
        timeout: Duration,
    },
    /// The medium knows how many there are: see [`Link::count_others`].
    Counted,
}

impl Default for Presence {
    fn default() -> Self {
        Self::Heartbeats { interval: Duration::from_secs(5), timeout: Duration::from_secs(10) }
    }
}
