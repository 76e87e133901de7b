//! Nodes that reach each other directly: a connection from each node to each other one, over TCP or Unix sockets.
//!
//! Session ids begin with a tag of their node, so a request is sent to that node alone, and one for a node that is gone is
//! refused at once.

mod connection;
mod frame;
mod hello;
mod link;
mod nodes;
mod queue;
#[cfg(test)]
mod tests;
mod trace;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use self::hello::{Identity, TAG};
use self::link::Link;
pub use self::nodes::Listener;
use self::nodes::Nodes;
use super::{PeerInbox, PeerLink, Peers};
use crate::sync::Mutex;

/// The shortest key.
const MIN_KEY: usize = 16;

/// The direct connections between the nodes of a cluster.
///
/// ```no_run
/// # use engineio::{Server, handler_fn, peers::TcpPeers};
/// # async fn f(accept: impl engineio::Accept) -> Result<(), Box<dyn std::error::Error>> {
/// let listener = tokio::net::TcpListener::bind("10.0.0.1:4000").await?;
/// let key = std::env::var("PEERS_KEY")?;
/// let peers = TcpPeers::new(listener, key)?.nodes(["10.0.0.1:4000", "10.0.0.2:4000", "10.0.0.3:4000"]);
/// let server = Server::builder().peers(peers).build(accept)?;
/// # Ok(())
/// # }
/// ```
///
/// Both sides of a connection prove that they know the key. What follows is not encrypted, and contains session ids and
/// messages, so the network between the nodes has to be a private one.
pub struct TcpPeers {
    listener: Mutex<Option<Listener>>,
    identity: Identity,
    settings: Settings,
    runtime: Handle,
}

#[derive(Clone, Debug)]
struct Settings {
    nodes: Vec<String>,
    max_frame: usize,
    max_queued: usize,
    silence: Duration,
    refresh: Duration,
}

impl TcpPeers {
    /// Accepts connections of other nodes that know the key.
    ///
    /// # Errors
    ///
    /// The key has less than 16 bytes, there is no runtime, or the operating system gives no random numbers.
    pub fn new(listener: impl Into<Listener>, key: impl Into<Vec<u8>>) -> io::Result<Self> {
        let key = key.into();
        if key.len() < MIN_KEY {
            let why = format!("a key of {} bytes is too short: {MIN_KEY} are needed", key.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut tag = [0; TAG];
        getrandom::fill(&mut tag).map_err(io::Error::other)?;
        let settings = Settings {
            nodes: Vec::new(),
            max_frame: 64 << 20,
            max_queued: 128 << 20,
            silence: Duration::from_secs(6),
            refresh: Duration::from_secs(5),
        };
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        Ok(Self {
            listener: Mutex::new(Some(listener.into())),
            identity: Identity { key, tag },
            settings,
            runtime,
        })
    }

    /// The addresses of the nodes: `host:port`, or `unix:` and a path. All addresses of a name count, and names are
    /// resolved again all the time, so the name of a headless service is enough. The own address may be among them.
    /// Default: none. Cost: one connection for each.
    #[must_use]
    pub fn nodes<A: Into<String>>(mut self, addresses: impl IntoIterator<Item = A>) -> Self {
        self.settings.nodes = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// The longest message of a node, in bytes. Default 64 MiB. A poll is answered with all that waits, so it must be
    /// more than [`Config::max_buffered`](crate::Config::max_buffered). Cost: memory while a message arrives.
    #[must_use]
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_frame = bytes;
        self
    }

    /// The bytes that may wait for a node. Default 128 MiB. With more the connection ends, as the node does not keep up.
    /// Cost: memory.
    #[must_use]
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_queued = bytes;
        self
    }

    /// A node that says nothing for this time is gone. Default 6 s; each node says something after a third of it. The
    /// same on all nodes. Cost: a shorter time ends connections to nodes that are merely slow.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.settings.silence = time.max(Duration::from_millis(30));
        self
    }

    /// How often names are resolved, and addresses tried at which this node itself, or one that is connected already,
    /// was found. Default 5 s. Cost: a query of the name server.
    #[must_use]
    pub fn refresh_interval(mut self, time: Duration) -> Self {
        self.settings.refresh = time.max(Duration::from_millis(10));
        self
    }
}

impl Peers for TcpPeers {
    fn open(&self, inbox: PeerInbox) -> Arc<dyn PeerLink> {
        let link = Arc::new(Link::new(self.identity.tag));
        let nodes = Nodes::new(self.identity.clone(), self.settings.clone(), Arc::clone(&link), inbox);
        // A medium is opened once.
        if let Some(listener) = self.listener.lock().take() {
            self.runtime.spawn(nodes.run(listener));
        }
        link
    }
}

impl fmt::Debug for TcpPeers {
    /// The key is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpPeers").field("settings", &self.settings).finish_non_exhaustive()
    }
}
