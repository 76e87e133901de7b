//! Nodes on loopback, with records in place of servers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::super::{Owner, PeerId, PeerInbox, PeerLink, PeerMessage, Peers, Receive};
use super::{Listener, NodeState, NodeStatus, TcpPeers};

const KEY: &str = "a key of 16 bytes, or more";
/// The longest wait for something that happens.
const SOON: Duration = Duration::from_secs(20);

/// An event that a server receives from its medium.
#[derive(Debug, PartialEq)]
enum Heard {
    Message(PeerId, PeerMessage),
    Lost(PeerId),
}

struct Record(UnboundedSender<Heard>);

impl Receive for Record {
    fn receive(&self, from: PeerId, message: PeerMessage, _: bool) {
        let _ = self.0.send(Heard::Message(from, message));
    }

    fn lost(&self, peer: &PeerId) {
        let _ = self.0.send(Heard::Lost(peer.clone()));
    }
}

struct Node {
    link: Arc<dyn PeerLink>,
    heard: UnboundedReceiver<Heard>,
    _record: Arc<Record>,
}

impl Node {
    fn start(peers: &TcpPeers) -> Self {
        let (sender, heard) = unbounded_channel();
        let record = Arc::new(Record(sender));
        let weak: Weak<dyn Receive> = Arc::downgrade(&record) as _;
        Self { link: peers.open(PeerInbox::new(weak)), heard, _record: record }
    }

    async fn next(&mut self) -> Heard {
        timeout(SOON, self.heard.recv()).await.unwrap().unwrap()
    }

    /// Waits until this node can ask the one that made this id.
    async fn knows(&self, sid: &str) -> PeerId {
        let known = async {
            loop {
                if let Owner::Node(peer) = self.link.owner_of(sid) {
                    return peer;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON, known).await.unwrap()
    }
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn peers(listener: impl Into<Listener>, key: &str, nodes: &[&str]) -> TcpPeers {
    TcpPeers::new(listener, key)
        .unwrap()
        .nodes(nodes.iter().copied())
        .refresh_interval(Duration::from_millis(10))
}

fn question(request: u64) -> PeerMessage {
    PeerMessage::Upgrade { request, sid: "sid".into(), success: true }
}

fn answer(request: u64) -> PeerMessage {
    PeerMessage::AcquireLockResponse { request, success: true }
}

/// Asks and answers, in both directions.
async fn talk(one: &mut Node, other: &mut Node) {
    ask(one, other).await;
    ask(other, one).await;
}

async fn ask(asking: &mut Node, asked: &mut Node) {
    let sid = asked.link.session_id().unwrap();
    let owner = asking.knows(sid.as_str()).await;
    for request in 0..100 {
        asking.link.send(Some(&owner), question(request));
    }
    for request in 0..100 {
        let Heard::Message(from, message) = asked.next().await else { panic!("a node is lost") };
        assert_eq!(message, question(request));
        asked.link.send(Some(&from), answer(request));
    }
    for request in 0..100 {
        assert_eq!(asking.next().await, Heard::Message(owner.clone(), answer(request)));
    }
}

#[tokio::test]
async fn nodes_ask_and_answer_over_tcp() {
    let ((first, first_address), (second, second_address)) = (listener().await, listener().await);
    let nodes = [&*first_address, &*second_address];
    let (mut one, mut other) =
        (Node::start(&peers(first, KEY, &nodes)), Node::start(&peers(second, KEY, &nodes)));
    talk(&mut one, &mut other).await;
    // A node does not ask itself.
    let own = one.link.session_id().unwrap();
    assert_eq!(one.link.owner_of(own.as_str()), Owner::Nobody);
}

#[cfg(unix)]
#[tokio::test]
async fn nodes_ask_and_answer_over_unix_sockets() {
    let folder = std::env::temp_dir().join(format!("peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let nodes = ["one", "other"].map(|name| format!("unix:{}", folder.join(name).display()));
    let [first, second] =
        ["one", "other"].map(|name| tokio::net::UnixListener::bind(folder.join(name)).unwrap());
    let nodes = [&*nodes[0], &*nodes[1]];
    let (mut one, mut other) =
        (Node::start(&peers(first, KEY, &nodes)), Node::start(&peers(second, KEY, &nodes)));
    talk(&mut one, &mut other).await;
    std::fs::remove_dir_all(folder).unwrap();
}

fn status(address: &str, state: NodeState) -> NodeStatus {
    NodeStatus { address: address.to_owned(), state }
}

/// A node that has just started can be asked for its sessions when it is ready, though the others may try its address late.
#[tokio::test]
async fn the_others_know_a_node_that_is_ready() {
    let ((first, first_address), (second, second_address)) = (listener().await, listener().await);
    let nodes = [&*first_address, &*second_address];
    // The first node does not open a connection to the second one in this test.
    let one = peers(first, KEY, &[&first_address]);
    let (mut first, other) = (Node::start(&one), peers(second, KEY, &nodes));
    timeout(SOON, one.ready()).await.unwrap();
    assert_eq!(one.status(), [status(&first_address, NodeState::Own)]);
    let mut second = Node::start(&other);
    timeout(SOON, other.ready()).await.unwrap();
    let sid = second.link.session_id().unwrap();
    assert!(matches!(first.link.owner_of(sid.as_str()), Owner::Node(_)));
    talk(&mut first, &mut second).await;
    let mut expected =
        [status(&first_address, NodeState::Connected), status(&second_address, NodeState::Own)];
    expected.sort_by(|one, other| one.address.cmp(&other.address));
    assert_eq!(other.status(), expected);
    first.link.close();
    let is_away = || other.status().iter().any(|node| matches!(node.state, NodeState::Unreachable(_)));
    let noticed = async {
        while !is_away() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, noticed).await.unwrap();
}

/// Nodes that cannot be reached, or do not greet, are waited for once.
#[tokio::test]
async fn a_node_that_is_away_does_not_keep_the_others_from_being_ready() {
    let ((listening, address), (silent, silent_address)) = (listener().await, listener().await);
    let (closed, closed_address) = listener().await;
    drop(closed);
    let node = peers(listening, KEY, &[&address, &silent_address, &closed_address, "name.invalid:1"]);
    let _node = Node::start(&node);
    timeout(SOON, node.ready()).await.unwrap();
    let away: Vec<_> = node.status();
    let away = away.iter().filter(|node| matches!(node.state, NodeState::Unreachable(_))).count();
    assert_eq!((node.status().len(), away), (4, 3));
    drop(silent);
}

#[tokio::test]
async fn a_node_that_ends_is_lost_at_once_and_its_successor_is_found() {
    let ((first, first_address), (second, second_address)) = (listener().await, listener().await);
    let nodes = [&*first_address, &*second_address];
    let mut one = Node::start(&peers(first, KEY, &nodes));
    let other = Node::start(&peers(second, KEY, &nodes));
    let sid = other.link.session_id().unwrap();
    let owner = one.knows(sid.as_str()).await;
    // The last messages are written.
    one.link.send(Some(&owner), question(1));
    let Node { link, mut heard, _record } = other;
    let asked = timeout(SOON, heard.recv()).await.unwrap();
    let Some(Heard::Message(from, _)) = asked else { panic!("{asked:?}") };
    link.send(Some(&from), answer(1));
    link.close();
    assert_eq!(one.next().await, Heard::Message(owner.clone(), answer(1)));
    // Both connections end, the one to it and the one from it.
    let mut lost = [one.next().await, one.next().await];
    lost.sort_by_key(|heard| *heard != Heard::Lost(owner.clone()));
    assert_eq!(lost[0], Heard::Lost(owner));
    assert!(matches!(&lost[1], Heard::Lost(_)), "{lost:?}");
    assert_eq!(one.link.owner_of(sid.as_str()), Owner::Nobody);

    let second = until_bound(&second_address).await;
    let mut successor = Node::start(&peers(second, KEY, &nodes));
    talk(&mut one, &mut successor).await;
}

/// Binds an address again that was in use.
async fn until_bound(address: &str) -> TcpListener {
    let bound = async {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    };
    timeout(SOON, bound).await.unwrap()
}

#[tokio::test]
async fn a_node_with_another_key_is_refused() {
    let ((first, first_address), (second, second_address)) = (listener().await, listener().await);
    let nodes = [&*first_address, &*second_address];
    let one = Node::start(&peers(first, KEY, &nodes));
    let stranger = Node::start(&peers(second, "another key of 16 bytes", &nodes));
    // A connection of our own shows that the first node greets, and with it that it has had the time to let the other in.
    let mut stream = TcpStream::connect(&first_address).await.unwrap();
    stream.write_all(&[&b"eiopeer1"[..], &[1; 32]].concat()).await.unwrap();
    let mut challenge = [0; 70];
    timeout(SOON, stream.read_exact(&mut challenge)).await.unwrap().unwrap();
    stream.write_all(&[0; 38]).await.unwrap();
    assert_eq!(
        timeout(SOON, stream.read(&mut challenge)).await.unwrap().unwrap(),
        0,
        "the connection is closed"
    );
    let [ours, theirs] = [&one, &stranger].map(|node| node.link.session_id().unwrap());
    assert_eq!(one.link.owner_of(theirs.as_str()), Owner::Nobody);
    assert_eq!(stranger.link.owner_of(ours.as_str()), Owner::Nobody);
}

#[tokio::test]
async fn connections_that_are_not_greeted_are_limited() {
    let (listener, address) = listener().await;
    let _node = Node::start(&peers(listener, KEY, &[]));
    let mut silent = Vec::new();
    for _ in 0..super::nodes::MAX_GREETINGS {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // The node greets this one, so it counts.
        stream.write_all(&[&b"eiopeer1"[..], &[1; 32]].concat()).await.unwrap();
        let mut challenge = [0; 70];
        timeout(SOON, stream.read_exact(&mut challenge)).await.unwrap().unwrap();
        silent.push(stream);
    }
    let mut refused = TcpStream::connect(&address).await.unwrap();
    let closed = timeout(SOON, refused.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    // The place of one that leaves is free.
    silent.pop();
    let greeted = async {
        loop {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            let hello = [&b"eiopeer1"[..], &[1; 32]].concat();
            if stream.write_all(&hello).await.is_ok() && stream.read_exact(&mut [0; 70]).await.is_ok() {
                return;
            }
        }
    };
    timeout(SOON, greeted).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_greeting_has_a_deadline() {
    let (listener, address) = listener().await;
    let _node = Node::start(&peers(listener, KEY, &[]));
    let mut silent = TcpStream::connect(&address).await.unwrap();
    assert_eq!(timeout(SOON, silent.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_short_key_is_refused() {
    let error = TcpPeers::new(listener().await.0, "a key of 15 byt").unwrap_err();
    assert_eq!(error.to_string(), "a key of 15 bytes is too short: 16 are needed");
}
