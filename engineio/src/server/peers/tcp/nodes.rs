//! The tasks that keep a connection to each node, and accept those of the others.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::super::{PeerId, PeerInbox};
use super::frame::Frame;
use super::hello::{Identity, TAG};
use super::link::{Link, accepted, dialed};
use super::queue::Queue;
use super::status::{FirstAttempt, NodeState};
use super::stream::{Address, Listener, Stream, resolve};
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

/// The end of an attempt to keep a connection to an address.
enum Attempt {
    /// This node itself was found there.
    Own,
    /// There is a connection to the node, under another address.
    Connected,
    Ended,
}

/// The state that the tasks of a node share.
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
            let Ok(stream) = listener.accept().await else {
                // Too many open files, or a connection that is lost already.
                sleep(DELAYS[0]).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&self.greetings).try_acquire_owned() else { continue };
            let nodes = Arc::clone(self);
            connections.spawn(async move {
                let greeted = timeout(GREETING, nodes.greet(stream)).await;
                drop(permit);
                match greeted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                    Ok((stream, tag)) => {
                        let number = nodes.accepted.fetch_add(1, Ordering::Relaxed);
                        nodes.carry(stream, accepted(&tag, number), None, || {}).await;
                    }
                    // A node that has found itself, or one to which it is connected.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                    Err(error) => trace::refused(&error),
                }
            });
        }
    }

    async fn greet(&self, stream: Stream) -> io::Result<(Stream, [u8; TAG])> {
        let mut stream = stream.accept_tls(&self.settings).await?;
        let tag = hello::accept(&mut stream, &self.identity).await?;
        Ok((stream, tag))
    }

    /// Keeps a connection to each address of the nodes, while these change.
    async fn discover(self: &Arc<Self>, dialed: &mut JoinSet<()>) {
        let mut kept: HashMap<Address, AbortHandle> = HashMap::new();
        let mut known: HashMap<&str, Vec<Address>> = HashMap::new();
        let mut first = Some(FirstAttempt::new(&self.link.addresses));
        loop {
            for name in &self.settings.nodes {
                match resolve(name).await {
                    Ok(addresses) => {
                        if known.insert(name, addresses).is_none() {
                            self.link.addresses.set(name, None);
                        }
                    }
                    // The addresses of before are as good as none.
                    Err(error) => {
                        trace::unreachable(name, &error);
                        if !known.contains_key(name.as_str()) {
                            self.link.addresses.set(name, Some(NodeState::Unreachable(error.to_string())));
                        }
                    }
                }
            }
            *self.addresses.lock() = known.values().flatten().cloned().collect();
            while dialed.try_join_next().is_some() {}
            kept.retain(|_, task| !task.is_finished());
            for address in known.values().flatten() {
                kept.entry(address.clone()).or_insert_with(|| {
                    let (nodes, address, first) = (Arc::clone(self), address.clone(), first.clone());
                    dialed.spawn(async move { nodes.keep(&address, first).await })
                });
            }
            first = None;
            sleep(self.settings.refresh).await;
        }
    }

    /// Keeps a connection to an address, as long as a node has it. `first` is dropped after the first attempt.
    async fn keep(&self, address: &Address, mut first: Option<FirstAttempt>) {
        let name = address.to_string();
        let _listed = Listed { nodes: self, name: &name };
        self.link.addresses.set(&name, Some(NodeState::Connecting));
        let mut backoff = Backoff::new(DELAYS[0], DELAYS[1]);
        while !self.link.is_closed() && self.addresses.lock().contains(address) {
            let ended = self.dial(address, &name, &mut backoff, &mut first).await;
            first = None;
            let (state, delay) = match ended {
                Ok(Attempt::Own) => (Some(NodeState::Own), self.settings.refresh),
                Ok(Attempt::Connected) => (None, self.settings.refresh),
                Ok(Attempt::Ended) => {
                    let why = "the connection has ended".to_owned();
                    (Some(NodeState::Unreachable(why)), backoff.next_delay())
                }
                Err(error) => {
                    trace::unreachable(&name, &error);
                    (Some(NodeState::Unreachable(error.to_string())), backoff.next_delay())
                }
            };
            self.link.addresses.set(&name, state);
            sleep(delay).await;
        }
    }

    async fn dial(
        &self,
        address: &Address,
        name: &str,
        backoff: &mut Backoff,
        first: &mut Option<FirstAttempt>,
    ) -> io::Result<Attempt> {
        let greeted = async {
            let mut stream = address.connect(&self.settings).await?;
            let mut found = Attempt::Connected;
            let is_wanted = |tag: &[u8; TAG]| {
                if *tag == self.identity.tag {
                    found = Attempt::Own;
                }
                *tag != self.identity.tag && !self.link.has(&dialed(tag))
            };
            let tag = hello::dial(&mut stream, &self.identity, is_wanted).await?;
            io::Result::Ok(tag.map(|tag| (stream, tag)).ok_or(found))
        };
        let greeted = timeout(GREETING, greeted).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let (stream, tag) = match greeted {
            Ok(connected) => connected,
            Err(found) => return Ok(found),
        };
        backoff.connected();
        let connected = || self.link.addresses.set(name, Some(NodeState::Connected));
        let is_new = self.carry(stream, dialed(&tag), first.take(), connected).await;
        Ok(if is_new { Attempt::Ended } else { Attempt::Connected })
    }

    /// Passes messages on until the connection ends. `false` if there is a connection to this node.
    ///
    /// The other node knows this one when it has sent its first frame, so `first` is dropped then.
    async fn carry(
        &self,
        stream: Stream,
        peer: PeerId,
        mut first: Option<FirstAttempt>,
        connected: impl FnOnce(),
    ) -> bool {
        let queue = Arc::new(Queue::new(self.settings.max_queued, self.settings.max_frame));
        queue.push_alive();
        if !self.link.add(&peer, &queue) {
            return false;
        }
        let leaving = Leaving { nodes: self, peer: &peer };
        trace::connected(&peer);
        connected();
        let receive = |frame| {
            first = None;
            if let Frame::Message(message) = frame {
                self.inbox.receive(peer.clone(), message);
            }
        };
        let ended =
            connection::run(stream, &queue, self.settings.max_frame, self.settings.silence, receive).await;
        trace::disconnected(&peer, ended.err().as_ref());
        drop(leaving);
        true
    }
}

/// Removes the state of an address, also when the task is cancelled.
struct Listed<'a> {
    nodes: &'a Nodes,
    name: &'a str,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.nodes.link.addresses.set(self.name, None);
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
