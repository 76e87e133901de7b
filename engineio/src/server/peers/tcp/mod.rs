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
mod status;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(feature = "peers-tls")]
mod tls;
mod trace;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use self::hello::{Identity, TAG};
use self::link::Link;
use self::nodes::Nodes;
pub use self::status::{NodeState, NodeStatus};
pub use self::stream::Listener;
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
/// let server = Server::builder().peers(peers.clone()).build(accept)?;
/// // Before requests are accepted.
/// peers.ready().await;
/// # Ok(())
/// # }
/// ```
///
/// Both sides of a connection prove that they know the key. Without [`tls`](Self::tls) what follows is not encrypted. It
/// contains session ids and messages, so the network between the nodes has to be a private one then.
///
/// A clone is the same node: one for the server, and one to ask for the [status](Self::status).
#[derive(Clone)]
pub struct TcpPeers {
    listener: Arc<Mutex<Option<Listener>>>,
    identity: Identity,
    settings: Settings,
    runtime: Handle,
    link: Arc<Link>,
}

#[derive(Clone, Debug)]
struct Settings {
    nodes: Vec<String>,
    max_frame: usize,
    max_queued: usize,
    silence: Duration,
    refresh: Duration,
    #[cfg(feature = "peers-tls")]
    tls: Option<tls::Tls>,
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
            #[cfg(feature = "peers-tls")]
            tls: None,
        };
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        Ok(Self {
            listener: Arc::new(Mutex::new(Some(listener.into()))),
            identity: Identity { key, tag },
            settings,
            runtime,
            link: Arc::new(Link::new(tag)),
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

    /// Time between two resolutions of names, and between two attempts to reach an address at which this node itself, or
    /// one that is connected already, was found. Default 5 s. Cost: a query of the name server.
    #[must_use]
    pub fn refresh_interval(mut self, time: Duration) -> Self {
        self.settings.refresh = time.max(Duration::from_millis(10));
        self
    }

    /// Encrypts the connections between the nodes. A node proves its name, which is the host of its address in
    /// [`nodes`](Self::nodes), by the certificate of `accept`; `connect` says which ones are trusted. The key is needed as
    /// well. Connections over Unix sockets are not encrypted. Default: no encryption.
    ///
    /// All nodes need it, or none. Cost: a handshake for each connection, and the encryption of what is relayed.
    #[cfg(feature = "peers-tls")]
    #[must_use]
    pub fn tls(
        mut self,
        accept: Arc<tokio_rustls::rustls::ServerConfig>,
        connect: Arc<tokio_rustls::rustls::ClientConfig>,
    ) -> Self {
        self.settings.tls = Some(tls::Tls::new(accept, connect));
        self
    }

    /// Returns when each node was tried once after the server was built: those that are reachable know this one then.
    /// A server should not accept requests before, since a node that does not know it refuses requests for its sessions.
    /// It takes three seconds at most, and the time of the name server.
    pub async fn ready(&self) {
        tokio::select! {
            () = self.link.addresses.ready() => {}
            () = self.link.closed() => {}
        }
    }

    /// The nodes by address, and whether there is a connection to each. A node with several addresses is listed with the
    /// one that is connected.
    pub fn status(&self) -> Vec<NodeStatus> {
        self.link.addresses.all()
    }
}

impl Peers for TcpPeers {
    fn open(&self, inbox: PeerInbox) -> Arc<dyn PeerLink> {
        let link = Arc::clone(&self.link);
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
