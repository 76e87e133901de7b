//! Several servers that share their sessions: a client may send each request to any of them.
//!
//! Terms: the *owner* of a session is the node that has it, the *edge* is the node at which a request for
//! it arrives. The edge asks the owner for a lock, and relays the packets of the request: those of a POST
//! to the owner, those for a waiting GET or a WebSocket to the client. A load balancer in front of the
//! nodes then needs no sticky sessions.
//!
//! The nodes talk through a *medium*, which implements [`Peers`]. The messages are those of the official
//! `@socket.io/cluster-engine`, so a medium can be shared with nodes that run it.
//!
//! A polling session stays unannounced for [`PeerSettings::delayed_connection_timeout`]: if its client
//! upgrades at another node within that time, the session moves there, and the WebSocket is local. A client
//! that upgrades later keeps its session where it is, and its WebSocket is relayed.
//!
//! - Until it is announced, a session is in [`Server::sessions`](crate::Server::sessions) all the same. What
//!   is sent to it then is lost if it moves.
//! - A session that moves is a new one at its node: its request is that of the WebSocket, its heartbeat starts
//!   anew, and it counts in the limits there. `allow_request` has decided where it opened.
//! - A relayed WebSocket has no back-pressure: packets that wait for a busy handler are bounded by
//!   `max_payload`, and those that wait for a slow client by `max_buffered`. Beyond that the session ends.
//! - [`Prepared::compress`](crate::Prepared::compress) has no effect on what is relayed.
//!
//! Only protocol revision 4 is relayed. Clients of revision 3 need sticky sessions. All nodes need the same
//! heartbeat, since a connection that is relayed ends when the owner is silent for longer than it allows.
//!
//! Nodes trust each other: a node can read, send and end every session of the others. Session ids travel in
//! the messages, so a medium has to keep them from all others.

pub(crate) mod edge;
mod message;
pub(crate) mod packets;
pub(crate) mod relayed;
mod reply;
mod settings;
mod tcp;

use std::borrow::Borrow;
use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use self::edge::Edge;
pub use self::message::{Access, PeerMessage};
pub(crate) use self::reply::{PeerCommand, Reply};
pub use self::settings::{PeerSettings, PeerStats};
pub use self::tcp::{Listener, NodeState, NodeStatus, TcpPeers};
use crate::protocol::sid::Sid;

/// The number of random bytes in a session id. With the official engine they make 20 characters.
const RANDOM_BYTES: usize = 15;

/// The name of a node on a medium. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(Arc<str>);

impl PeerId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PeerId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for PeerId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl Borrow<str> for PeerId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({})", self.0)
    }
}

/// The node that has a session, as far as its id says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// If any node has the session, then this one.
    Node(PeerId),
    /// Any node may have it, so all are asked.
    Unknown,
    /// No node has it: the id was not made by this medium, or by a node that is gone. The request is refused
    /// at once.
    Nobody,
}

/// A medium between the nodes. See [`ServerBuilder::peers`](crate::ServerBuilder::peers).
pub trait Peers: Send + Sync + 'static {
    /// Opens the link of one server, once, when the server is built. The medium passes messages of other
    /// nodes to `inbox`; messages of this node go through the returned link.
    fn open(&self, inbox: PeerInbox) -> Arc<dyn PeerLink>;
}

/// The link of one server to the other nodes.
pub trait PeerLink: Send + Sync + 'static {
    /// Sends a message to a node, or to all other nodes.
    ///
    /// It must not block, and the medium bounds what it queues. Messages to a node arrive in the order of
    /// sending, or the node is [lost](PeerInbox::lost). A message for a node that cannot be reached is
    /// dropped; requests have a timeout.
    fn send(&self, to: Option<&PeerId>, message: PeerMessage);

    /// The node that has the session with this id, which this server does not have. The id comes from a
    /// client and may be any text.
    fn owner_of(&self, sid: &str) -> Owner;

    /// Makes the id of a new session: unguessable, and in the form that
    /// [`owner_of`](Self::owner_of) of all nodes reads. Default: 15 random bytes in 20 characters, as the
    /// official engine makes and expects them. A medium that knows its nodes puts a tag of this node in
    /// front: see [`session_id`].
    ///
    /// It is not called if [`ServerBuilder::generate_id`](crate::ServerBuilder::generate_id) is set.
    fn session_id(&self) -> io::Result<Sid> {
        session_id(&[])
    }

    /// Whether the nodes know what the official engine does not. Default true; a medium that it shares has to return
    /// `false`.
    ///
    /// - The packets of a POST are part of [`PeerMessage::AcquireLock`]. Otherwise each is a message behind the answer.
    /// - [`PeerMessage::Delivered`] tells the owner that the answer to a GET is on its way. Otherwise messages may be
    ///   lost when a node ends before it has passed them on, and a proxy sends the GET again to another one.
    fn has_extensions(&self) -> bool {
        true
    }

    /// The server has ended, and nothing follows. Default: nothing is done.
    fn close(&self) {}
}

/// A session id of 15 random bytes behind a tag. With a tag of three bytes it has 24 characters, of which
/// the first four are the tag.
///
/// # Errors
///
/// The operating system gives no random numbers.
pub fn session_id(tag: &[u8]) -> io::Result<Sid> {
    let mut bytes = tag.to_vec();
    bytes.resize(tag.len() + RANDOM_BYTES, 0);
    getrandom::fill(&mut bytes[tag.len()..]).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Sid::from(URL_SAFE_NO_PAD.encode(bytes)))
}

/// The receiving side of a server's link. It does not keep the server in memory.
#[derive(Clone)]
pub struct PeerInbox(Weak<dyn Receive>);

impl PeerInbox {
    pub(crate) fn new(server: Weak<dyn Receive>) -> Self {
        Self(server)
    }

    /// Takes a message that another node sent to this one. The messages of a node have to arrive in its
    /// order. It does not block.
    pub fn receive(&self, from: PeerId, message: PeerMessage) {
        if let Some(server) = self.0.upgrade() {
            server.receive(from, message, false);
        }
    }

    /// Takes a message that another node sent to all. Unlike [`receive`](Self::receive), a request for a
    /// session that this server does not have is not answered.
    pub fn receive_broadcast(&self, from: PeerId, message: PeerMessage) {
        if let Some(server) = self.0.upgrade() {
            server.receive(from, message, true);
        }
    }

    /// The link to a node has ended, or messages of it are lost. Its requests and relayed connections end at
    /// once, on both sides. Cost: a wake-up of each session.
    pub fn lost(&self, peer: &PeerId) {
        if let Some(server) = self.0.upgrade() {
            server.lost(peer);
        }
    }

    /// Whether the server has ended, so that the medium can stop.
    pub fn is_closed(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl fmt::Debug for PeerInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerInbox")
    }
}

/// A server as its link sees it.
pub(crate) trait Receive: Send + Sync {
    fn receive(&self, from: PeerId, message: PeerMessage, to_all: bool);
    fn lost(&self, peer: &PeerId);
}

/// The medium and the settings, as the builder collects them.
pub(crate) struct Medium(pub(crate) Box<dyn Peers>);

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Medium")
    }
}

/// The open link of a server, its settings, and the requests that it relays.
pub(crate) struct Linked {
    pub(crate) link: Arc<dyn PeerLink>,
    pub(crate) settings: PeerSettings,
    pub(crate) edge: Edge,
}

impl Linked {
    /// `max_relayed` is the limit if the settings name none.
    pub(crate) fn new(link: Arc<dyn PeerLink>, settings: PeerSettings, max_relayed: usize) -> Self {
        let max_relayed = settings.max_relayed.unwrap_or(max_relayed);
        let edge = Edge::new(settings.max_open_requests, max_relayed);
        Self { link, settings, edge }
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        self.link.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_official_length_or_a_tag_in_front() {
        let (one, other) = (session_id(&[]).unwrap(), session_id(&[]).unwrap());
        assert_eq!((one.as_str().len(), one == other), (20, false));
        let tagged = session_id(&[0xff; 3]).unwrap();
        assert_eq!((tagged.as_str().len(), &tagged.as_str()[..4]), (24, "____"));
    }
}
