//! WebSockets for a session of another node: sessions that move, and WebSockets that are relayed. The test
//! is the owner.

use tokio::time::Instant;

use super::*;
use crate::Fault;
use crate::protocol::text::Text;
use crate::server::peers::PeerStats;

impl Node {
    /// Grants the lock of a WebSocket, whose client holds this many bytes.
    async fn probing(&mut self, buffer: usize) -> Socket {
        let server = self.server.clone();
        let opening = tokio::spawn(async move { Socket::open(&server, &elsewhere(), buffer).await });
        let PeerMessage::AcquireLock { request, sid, transport, access, packets } = self.sent().await else {
            panic!("no request")
        };
        assert_eq!((sid, transport, access), (elsewhere(), Transport::WebSocket, Access::Read));
        assert!(packets.is_empty());
        self.receive(PeerMessage::AcquireLockResponse { request, success: true });
        opening.await.unwrap().unwrap_or_else(|status| panic!("{status}"))
    }

    /// The number of the next message, which says that a probe has ended.
    async fn upgraded(&mut self, expected: bool) -> u64 {
        match self.sent().await {
            PeerMessage::Upgrade { request, sid, success } if success == expected => {
                assert_eq!(sid, elsewhere());
                request
            }
            message => panic!("{message:?}"),
        }
    }

    /// A WebSocket that is relayed.
    async fn relayed(&mut self, buffer: usize) -> Socket {
        let mut socket = self.probing(buffer).await;
        socket.upgrade().await;
        let request = self.upgraded(true).await;
        self.respond(request, false, &[]);
        settle().await;
        socket
    }

    fn respond(&self, request: u64, take_over: bool, packets: &[Packet]) {
        self.receive(PeerMessage::UpgradeResponse { request, take_over, packets: packets.to_vec() });
    }

    fn push(&self, packets: &[Packet]) {
        self.receive(PeerMessage::Drain { sid: elsewhere(), packets: packets.to_vec() });
    }

    async fn told(&mut self) -> CloseReason {
        match self.sent().await {
            PeerMessage::Close { sid, reason } if sid == elsewhere() => reason,
            message => panic!("{message:?}"),
        }
    }

    async fn assert_left(&mut self) {
        self.silent().await;
        assert_eq!(self.server.peer_stats(), PeerStats::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_moves_to_the_node_of_its_websocket() {
    let mut node = node();
    let mut socket = node.probing(1000).await;
    socket.upgrade().await;
    // Packets behind the upgrade packet belong to the session.
    socket.send("4three").await;
    let request = node.upgraded(true).await;
    node.silent().await;
    assert_eq!(node.server.peer_stats(), PeerStats { open_requests: 1, relayed: 1 });
    node.respond(request, true, &[text("one"), text("two")]);
    assert_eq!(node.seen().await, Seen::Open);
    assert_eq!(node.seen().await, Seen::Upgrade(Transport::WebSocket));
    for expected in ["one", "two", "three"] {
        assert_eq!(node.seen().await, Seen::Message(expected.into()));
    }
    let session = node.server.session("01234567890123456789").unwrap();
    assert_eq!(session.transport(), Transport::WebSocket);
    session.send("out").unwrap();
    assert_eq!(socket.text().await, "4out");
    assert_eq!(node.server.peer_stats(), PeerStats::default());
    // It is a session like others: its heartbeat is here, and requests of other nodes are refused.
    assert_eq!(socket.text().await, "2");
    node.receive(PeerMessage::AcquireLock {
        request: 7,
        sid: elsewhere(),
        transport: Transport::Polling,
        access: Access::Write,
        packets: vec![],
    });
    assert_eq!(node.sent().await, PeerMessage::AcquireLockResponse { request: 7, success: false });
    drop(socket);
    assert_eq!(node.seen().await, Seen::Close(CloseReason::TransportClose));
    node.silent().await;
    assert_eq!(node.server.stats().sessions, 0);
}

/// The owner has given the session up, so it cannot go on there.
#[tokio::test(start_paused = true)]
async fn a_full_server_takes_no_session_over() {
    let mut node = node_with(Server::builder().max_sessions(1), PeerSettings::new(), Owner::Node(b()), true);
    let mut socket = node.probing(1000).await;
    let here = open(&node.server).await;
    socket.upgrade().await;
    let request = node.upgraded(true).await;
    node.respond(request, true, &[]);
    assert_eq!(socket.next().await, None);
    assert_eq!(node.server.peer_stats(), PeerStats::default());
    // It is refused from the start, and the client stays on polling.
    assert_eq!(Socket::open(&node.server, &elsewhere(), 1000).await.err(), Some(503));
    assert!(node.server.session(here.as_str()).is_some());
    assert!(node.sent.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn packets_are_relayed_in_both_directions() {
    let mut node = node();
    let mut socket = node.probing(1000).await;
    socket.upgrade().await;
    socket.send("4in").await;
    let request = node.upgraded(true).await;
    // The official owner sends what waits before its answer.
    node.push(&[text("early")]);
    node.respond(request, false, &[]);
    assert_eq!(socket.text().await, "4early");
    let packet = |packet| PeerMessage::Packet { sid: elsewhere(), packet };
    assert_eq!(node.sent().await, packet(text("in")));
    node.push(&[Packet::Ping(Text::new()), text("out"), Packet::Message(vec![1].into()), Packet::Noop]);
    assert_eq!(socket.text().await, "2");
    assert_eq!(socket.text().await, "4out");
    assert_eq!(socket.text().await, r#"b"\x01""#);
    socket.send("3").await;
    assert_eq!(node.sent().await, packet(Packet::Pong(Text::new())));
    socket.0.send(Frame::binary(vec![2])).await.unwrap();
    assert_eq!(node.sent().await, packet(Packet::Message(vec![2].into())));
    assert_eq!(node.server.peer_stats(), PeerStats { open_requests: 0, relayed: 1 });
    assert_eq!(node.server.stats().sessions, 0);
    node.push(&[text("last"), Packet::Close]);
    assert_eq!(socket.text().await, "4last");
    assert_eq!(socket.next().await, None);
    node.assert_left().await;
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_a_relayed_websocket_ends_the_session() {
    let mut node = node();
    drop(node.relayed(1000).await);
    assert_eq!(node.told().await, CloseReason::TransportClose);
    node.assert_left().await;
    let mut socket = node.relayed(1000).await;
    socket.send("x").await;
    assert_eq!(node.told().await, CloseReason::ParseError);
    assert_eq!(socket.next().await, None);
    node.assert_left().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_of_a_relayed_websocket_is_disconnected() {
    let builder = Server::builder().max_buffered(2000, crate::SlowConsumer::Disconnect);
    let mut node = node_with(builder, PeerSettings::new(), Owner::Node(b()), true);
    let _socket = node.relayed(100).await;
    node.push(&[Packet::Message("x".repeat(1000).into())]);
    node.silent().await;
    node.push(&[Packet::Message("x".repeat(1000).into())]);
    assert_eq!(node.told().await, CloseReason::TransportError(Fault::SlowConsumer));
    node.assert_left().await;
    assert_eq!(node.server.stats().queued_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn the_owner_hears_of_a_failed_probe() {
    let mut node = node();
    let mut socket = node.probing(1000).await;
    socket.send("4x").await;
    node.upgraded(false).await;
    assert_eq!(socket.next().await, None);
    drop(node.probing(1000).await);
    node.upgraded(false).await;
    let begun = Instant::now();
    let mut socket = node.probing(1000).await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    node.upgraded(false).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(socket.next().await, None);
    node.assert_left().await;
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_upgrade_closes_the_websocket() {
    let mut node = node();
    let mut socket = node.probing(1000).await;
    socket.upgrade().await;
    node.upgraded(true).await;
    assert_eq!(node.told().await, CloseReason::TransportClose);
    assert_eq!(socket.next().await, None);
    // A refusal is the same, but at once.
    let begun = Instant::now();
    let mut socket = node.probing(1000).await;
    socket.upgrade().await;
    let request = node.upgraded(true).await;
    node.receive(PeerMessage::AcquireLockResponse { request, success: false });
    assert_eq!(socket.next().await, None);
    assert!(begun.elapsed().as_millis() < 10);
    assert_eq!(node.told().await, CloseReason::TransportClose);
    node.assert_left().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_websocket_gets_no_101() {
    let mut node = node();
    let server = node.server.clone();
    let opening = tokio::spawn(async move { Socket::open(&server, &elsewhere(), 1000).await.err() });
    let PeerMessage::AcquireLock { request, .. } = node.sent().await else { panic!("no request") };
    node.receive(PeerMessage::AcquireLockResponse { request, success: false });
    assert_eq!(opening.await.unwrap(), Some(400));
    node.assert_left().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_or_silent_owner_ends_the_relay() {
    let mut node = node();
    let mut socket = node.relayed(1000).await;
    node.inbox.lost(&b());
    assert_eq!(socket.next().await, None);
    node.assert_left().await;
    let mut socket = node.relayed(1000).await;
    let begun = Instant::now();
    node.push(&[Packet::Ping(Text::new())]);
    assert_eq!(socket.text().await, "2");
    assert_eq!(socket.next().await, None);
    assert_eq!(begun.elapsed().as_secs(), 46);
    assert_eq!(node.told().await, CloseReason::TransportError(Fault::Remote));
    node.assert_left().await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_server_closes_relayed_websockets() {
    let mut node = node();
    let mut probe = node.probing(1000).await;
    let mut socket = node.relayed(1000).await;
    node.server.close();
    let mut sent = [node.sent().await, node.sent().await];
    sent.sort_by_key(|message| matches!(message, PeerMessage::Close { .. }));
    assert_eq!(sent[0], PeerMessage::Upgrade { request: 0, sid: elsewhere(), success: false });
    let reason = CloseReason::TransportClose;
    assert_eq!(sent[1], PeerMessage::Close { sid: elsewhere(), reason });
    assert_eq!((probe.next().await, socket.next().await), (None, None));
    drop((probe, socket));
    node.assert_left().await;
    assert_eq!(node.server.stats().tasks, 0);
}
