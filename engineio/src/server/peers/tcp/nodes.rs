//! The tasks that keep a connection to each node, and accept those of the others.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::super::{PeerId, PeerInbox};
use super::hello::{Identity, TAG};
use super::link::{Link, accepted, dialed};
use super::queue::Queue;
use super::{Settings, connection, hello, trace};
use crate::backoff::Backoff;
use crate::sync::Mutex;

/// Connections that are not greeted yet. Further ones are closed at once.
pub(super) const MAX_GREETINGS: usize = 64;
/// The longest time until a connection is open and greeted.
const GREETING: Duration = Duration::from_secs(3);
/// The time in which the last messages are written, when the server is closed.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Delay between attempts to connect to an address, at first and at most.
const DELAYS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// What accepts the connections of other nodes.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a Unix socket, for nodes on one host.
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// Where a node can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The end of an attempt to keep a connection to an address.
enum Attempt {
    /// This node itself, or one to which there is a connection, was found there.
    Needless,
    Ended,
}

/// What the tasks of a node share.
pub(super) struct Nodes {
    identity: Identity,
    settings: Settings,
    link: Arc<Link>,
    inbox: PeerInbox,
    /// The number of connections that were accepted.
    accepted: AtomicU64,
    greetings: Arc<Semaphore>,
    /// The addresses that the nodes have now.
    addresses: Mutex<HashSet<Address>>,
}

impl Nodes {
    pub(super) fn new(
        identity: Identity,
        settings: Settings,
        link: Arc<Link>,
        inbox: PeerInbox,
    ) -> Arc<Self> {
        Arc::new(Self {
            identity,
            settings,
            link,
            inbox,
            accepted: AtomicU64::new(0),
            greetings: Arc::new(Semaphore::new(MAX_GREETINGS)),
            addresses: Mutex::default(),
        })
    }

    /// Accepts and opens connections until the link is closed.
    pub(super) async fn run(self: Arc<Self>, listener: Listener) {
        let (mut accepted, mut dialed) = (JoinSet::new(), JoinSet::new());
        tokio::select! {
            () = self.link.closed() => {}
            () = self.accept(listener, &mut accepted) => {}
            () = self.discover(&mut dialed) => {}
        }
        self.link.close_all();
        let ended = async {
            while accepted.join_next().await.is_some() {}
            while dialed.join_next().await.is_some() {}
        };
        let _ = timeout(LAST_WORDS, ended).await;
    }

    async fn accept(self: &Arc<Self>, listener: Listener, connections: &mut JoinSet<()>) {
        loop {
            while connections.try_join_next().is_some() {}
            let stream: io::Result<Box<dyn Stream>> = match &listener {
                Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                    let _ = stream.set_nodelay(true);
                    Box::new(stream) as Box<dyn Stream>
                }),
                Listener::Unix(listener) => {
                    listener.accept().await.map(|(stream, _)| Box::new(stream) as Box<dyn Stream>)
                }
            };
            let stream = match stream {
                Ok(stream) => stream,
                // Too many open files, or a connection that is lost already.
                Err(_) => {
                    sleep(DELAYS[0]).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&self.greetings).try_acquire_owned() else { continue };
            let nodes = Arc::clone(self);
            connections.spawn(async move {
                let mut stream = stream;
                let greeted = timeout(GREETING, hello::accept(&mut stream, &nodes.identity)).await;
                drop(permit);
                match greeted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                    Ok(tag) => {
                        let number = nodes.accepted.fetch_add(1, Ordering::Relaxed);
                        nodes.carry(stream, accepted(&tag, number)).await;
                    }
                    // A node that has found itself, or one to which it is connected.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                    Err(error) => trace::refused(&error),
                }
            });
        }
    }

    /// Keeps a connection to each address of the nodes, while these change.
    async fn discover(self: &Arc<Self>, dialed: &mut JoinSet<()>) {
        let mut kept: HashMap<Address, AbortHandle> = HashMap::new();
        let mut known: HashMap<&str, Vec<Address>> = HashMap::new();
        loop {
            for name in &self.settings.nodes {
                match resolve(name).await {
                    Ok(addresses) => drop(known.insert(name, addresses)),
                    // The addresses of before are as good as none.
                    Err(error) => trace::unreachable(name, &error),
                }
            }
            *self.addresses.lock() = known.values().flatten().cloned().collect();
            while dialed.try_join_next().is_some() {}
            kept.retain(|_, task| !task.is_finished());
            for address in known.values().flatten() {
                kept.entry(address.clone()).or_insert_with(|| {
                    let (nodes, address) = (Arc::clone(self), address.clone());
                    dialed.spawn(async move { nodes.keep(&address).await })
                });
            }
            sleep(self.settings.refresh).await;
        }
    }

    /// Keeps a connection to an address, as long as a node has it.
    async fn keep(&self, address: &Address) {
        let mut backoff = Backoff::new(DELAYS[0], DELAYS[1]);
        while !self.link.is_closed() && self.addresses.lock().contains(address) {
            let delay = match self.dial(address, &mut backoff).await {
                Ok(Attempt::Ended) => backoff.next_delay(),
                Ok(Attempt::Needless) => self.settings.refresh,
                Err(error) => {
                    trace::unreachable(&address.to_string(), &error);
                    backoff.next_delay()
                }
            };
            sleep(delay).await;
        }
    }

    async fn dial(&self, address: &Address, backoff: &mut Backoff) -> io::Result<Attempt> {
        let greeted = async {
            let mut stream: Box<dyn Stream> = match address {
                Address::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
                Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            };
            let is_wanted = |tag: &[u8; TAG]| *tag != self.identity.tag && !self.link.has(&dialed(tag));
            let tag = hello::dial(&mut stream, &self.identity, is_wanted).await?;
            io::Result::Ok((stream, tag))
        };
        let (stream, tag) = timeout(GREETING, greeted).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let Some(tag) = tag else { return Ok(Attempt::Needless) };
        backoff.connected();
        Ok(if self.carry(stream, dialed(&tag)).await { Attempt::Ended } else { Attempt::Needless })
    }

    /// Passes messages on until the connection ends. `false` if there is a connection to this node.
    async fn carry(&self, stream: Box<dyn Stream>, peer: PeerId) -> bool {
        let queue = Arc::new(Queue::new(self.settings.max_queued, self.settings.max_frame));
        if !self.link.add(&peer, &queue) {
            return false;
        }
        let leaving = Leaving { nodes: self, peer: &peer };
        trace::connected(&peer);
        let receive = |message| self.inbox.receive(peer.clone(), message);
        let ended =
            connection::run(stream, &queue, self.settings.max_frame, self.settings.silence, receive).await;
        trace::disconnected(&peer, ended.err().as_ref());
        drop(leaving);
        true
    }
}

/// Removes a connection, also when its task is cancelled.
struct Leaving<'a> {
    nodes: &'a Nodes,
    peer: &'a PeerId,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.nodes.link.remove(self.peer);
        self.nodes.inbox.lost(self.peer);
    }
}

/// The addresses of a name.
async fn resolve(name: &str) -> io::Result<Vec<Address>> {
    match name.strip_prefix("unix:") {
        Some(path) => Ok(vec![Address::Unix(path.into())]),
        None => Ok(tokio::net::lookup_host(name).await?.map(Address::Tcp).collect()),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
