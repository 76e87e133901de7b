//! The node at which requests for a session of another node arrive. The test is the owner.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::Fault;
use crate::server::peers::PeerStats;

fn unknown() -> (u16, String) {
    (400, r#"{"code":1,"message":"Session ID unknown"}"#.to_owned())
}

impl Node {
    /// The next request for a lock: its number, its direction, and the packets in it.
    async fn asked(&mut self) -> (u64, Access, Vec<Packet>) {
        match self.sent().await {
            PeerMessage::AcquireLock { request, sid, transport: Transport::Polling, access, packets } => {
                assert_eq!(sid, elsewhere());
                (request, access, packets)
            }
            message => panic!("{message:?}"),
        }
    }

    fn answer(&self, request: u64, success: bool) {
        self.receive(PeerMessage::AcquireLockResponse { request, success });
    }

    fn drain(&self, packets: &[Packet]) {
        self.receive(PeerMessage::Drain { sid: elsewhere(), packets: packets.to_vec() });
    }

    /// The reason with which the owner is told to end the session.
    async fn told_to_close(&mut self) -> CloseReason {
        match self.sent().await {
            PeerMessage::Close { sid, reason } if sid == elsewhere() => reason,
            message => panic!("{message:?}"),
        }
    }

    /// A GET that waits for packets of the owner.
    async fn parked(&mut self) -> JoinHandle<(u16, String)> {
        let parked = park(&self.server, &elsewhere());
        let (request, access, packets) = self.asked().await;
        assert_eq!((access, packets), (Access::Read, vec![]));
        self.answer(request, true);
        settle().await;
        parked
    }

    fn assert_idle(&self) {
        assert_eq!(self.server.peer_stats(), PeerStats::default());
        assert_eq!(self.server.stats().sessions, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_get_waits_for_the_packets_of_the_owner() {
    let mut node = node();
    let parked = node.parked().await;
    assert_eq!(node.server.peer_stats(), PeerStats { open_requests: 0, relayed: 1 });
    node.drain(&[text("one"), Packet::Message(vec![1, 2, 3, 4].into())]);
    assert_eq!(parked.await.unwrap(), (200, "4one\x1ebAQIDBA==".to_owned()));
    assert_eq!(node.sent().await, delivered(&elsewhere()));
    node.assert_idle();
    // The packets may follow the lock at once.
    let parked = park(&node.server, &elsewhere());
    let (request, ..) = node.asked().await;
    node.answer(request, true);
    node.drain(&[Packet::Noop, Packet::Close]);
    assert_eq!(parked.await.unwrap(), (200, "6\x1e1".to_owned()));
    node.assert_idle();
    node.silent().await;
}

#[tokio::test(start_paused = true)]
async fn a_get_is_answered_in_the_form_that_it_asks_for() {
    let mut node = node_with(Server::builder().jsonp(true), PeerSettings::new(), Owner::Node(b()), true);
    let (server, target) = (node.server.clone(), format!("{}&j=3", polling(&elsewhere())));
    let parked = tokio::spawn(async move { ask(&server, "GET", &target, "").await });
    let (request, ..) = node.asked().await;
    node.answer(request, true);
    node.drain(&[text("\"")]);
    assert_eq!(parked.await.unwrap(), (200, r#"___eio[3]("4\"");"#.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_refused_or_unanswered_request_is_one_for_an_unknown_session() {
    let mut node = node();
    let parked = park(&node.server, &elsewhere());
    let (request, ..) = node.asked().await;
    node.answer(request, false);
    assert_eq!(parked.await.unwrap(), unknown());
    let begun = Instant::now();
    assert_eq!(park(&node.server, &elsewhere()).await.unwrap(), unknown());
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    node.assert_idle();
    // An owner that answers too late learns that the client has left. It may have sent packets before that.
    let (request, ..) = node.asked().await;
    node.answer(request, true);
    assert_eq!(node.told_to_close().await, CloseReason::TransportError(Fault::PollAborted));
    node.silent().await;
    node.drain(&[text("lost")]);
    assert_eq!(node.told_to_close().await, CloseReason::TransportError(Fault::Remote));
    node.drain(&[Packet::Close]);
    node.silent().await;
}

#[tokio::test(start_paused = true)]
async fn all_nodes_are_asked_or_none() {
    for (owner, asks) in [(Owner::Unknown, true), (Owner::Nobody, false)] {
        let mut node = node_with(Server::builder(), PeerSettings::new(), owner, true);
        assert_eq!(park(&node.server, &elsewhere()).await.unwrap(), unknown());
        assert_eq!(node.sent.try_recv().is_ok_and(|(to, _)| to.is_none()), asks);
        // The medium reads the id.
        assert_eq!(park(&node.server, &Sid::from("short")).await.unwrap(), unknown());
        assert!(node.sent.try_recv().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_its_session() {
    let mut node = node();
    let lost = CloseReason::TransportError(Fault::PollAborted);
    node.parked().await.abort();
    assert_eq!(node.told_to_close().await, lost);
    node.assert_idle();
    // The packets were on their way.
    let parked = node.parked().await;
    node.drain(&[text("lost")]);
    parked.abort();
    assert_eq!(node.told_to_close().await, lost);
    // Both were, the lock and the packets.
    let parked = park(&node.server, &elsewhere());
    let (request, ..) = node.asked().await;
    node.answer(request, true);
    node.drain(&[text("lost")]);
    parked.abort();
    assert_eq!(node.told_to_close().await, lost);
    // Without a lock the owner knows nothing of the client.
    let parked = park(&node.server, &elsewhere());
    node.asked().await;
    parked.abort();
    node.silent().await;
    node.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn the_packets_of_a_post_go_with_the_lock() {
    let mut node = node();
    let server = node.server.clone();
    let posted = tokio::spawn(async move { post(&server, &elsewhere(), "4one\x1e3\x1ebAQI=").await });
    let (request, access, packets) = node.asked().await;
    let expected = [text("one"), Packet::Pong(crate::Text::new()), Packet::Message(vec![1, 2].into())];
    assert_eq!((access, &packets[..]), (Access::Write, &expected[..]));
    assert!(!posted.is_finished());
    node.answer(request, true);
    assert_eq!(posted.await.unwrap(), (200, "ok".to_owned()));
    node.assert_idle();
}

/// The answer waits for the handler of the session. Without it the packets may have arrived or not.
#[tokio::test(start_paused = true)]
async fn a_post_waits_longer_than_other_requests() {
    let mut node = node();
    let server = node.server.clone();
    let posted = tokio::spawn(async move { post(&server, &elsewhere(), "4x").await });
    let (request, ..) = node.asked().await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    node.answer(request, true);
    assert_eq!(posted.await.unwrap().0, 200);
    let begun = Instant::now();
    assert_eq!(post(&node.server, &elsewhere(), "4x").await, unknown());
    assert_eq!(begun.elapsed().as_secs(), 30);
    node.asked().await;
    assert_eq!(node.told_to_close().await, CloseReason::TransportError(Fault::PostAborted));
    // A refused one leaves the session alone.
    let server = node.server.clone();
    let posted = tokio::spawn(async move { post(&server, &elsewhere(), "4x").await });
    let (request, ..) = node.asked().await;
    node.answer(request, false);
    assert_eq!(posted.await.unwrap(), unknown());
    node.silent().await;
}

#[tokio::test(start_paused = true)]
async fn the_packets_of_a_post_follow_the_lock_of_the_official_engine() {
    let mut node = node_with(Server::builder(), PeerSettings::new(), Owner::Node(b()), false);
    let server = node.server.clone();
    let posted = tokio::spawn(async move { post(&server, &elsewhere(), "4one\x1e4two").await });
    let (request, access, packets) = node.asked().await;
    assert_eq!((access, packets), (Access::Write, vec![]));
    node.silent().await;
    node.answer(request, true);
    assert_eq!(posted.await.unwrap(), (200, "ok".to_owned()));
    for expected in ["one", "two"] {
        let packet = PeerMessage::Packet { sid: elsewhere(), packet: text(expected) };
        assert_eq!(node.sent().await, packet);
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_cannot_be_read_ends_the_session() {
    let builder = Server::builder().max_payload(10).body_timeout(Duration::from_secs(5));
    let mut node = node_with(builder, PeerSettings::new(), Owner::Node(b()), true);
    for (body, status, reason) in [
        ("x", 400, CloseReason::ParseError),
        ("", 400, CloseReason::ParseError),
        ("4xxxxxxxxxx", 413, CloseReason::TransportError(Fault::PayloadTooLarge)),
    ] {
        assert_eq!(post(&node.server, &elsewhere(), body).await.0, status);
        assert_eq!(node.told_to_close().await, reason);
    }
    for (name, value, status, reason) in [
        ("content-encoding", "gzip", 415, CloseReason::ParseError),
        ("content-type", "application/octet-stream", 400, CloseReason::TransportError(Fault::InvalidContent)),
    ] {
        let request = Request::post(polling(&elsewhere())).header(name, value);
        let response = node.server.handle(request.body(Full::new(Bytes::from("4x"))).unwrap()).await;
        assert_eq!(response.status(), status);
        assert_eq!(node.told_to_close().await, reason);
    }
    // A body that does not come.
    let never = http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<http_body::Frame<Bytes>, std::convert::Infallible>,
    >());
    let request = Request::post(polling(&elsewhere())).body(never).unwrap();
    assert_eq!(node.server.handle(request).await.status(), 408);
    assert_eq!(node.told_to_close().await, CloseReason::TransportError(Fault::PostAborted));
    node.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_limits_are_answered_with_503() {
    let settings = PeerSettings::new().max_open_requests(1).max_relayed(2);
    let mut node = node_with(Server::builder(), settings, Owner::Node(b()), true);
    let first = park(&node.server, &elsewhere());
    let (request, ..) = node.asked().await;
    assert_eq!(park(&node.server, &elsewhere()).await.unwrap().0, 503);
    assert_eq!(post(&node.server, &elsewhere(), "4x").await.0, 503);
    assert_eq!(Socket::open(&node.server, &elsewhere(), 1000).await.err(), Some(503));
    assert_eq!(node.server.peer_stats(), PeerStats { open_requests: 1, relayed: 1 });
    node.answer(request, true);
    settle().await;
    let second = park(&node.server, &Sid::from("abcdefghijabcdefghij"));
    let PeerMessage::AcquireLock { request, .. } = node.sent().await else { panic!("no request") };
    node.answer(request, true);
    settle().await;
    assert_eq!(park(&node.server, &elsewhere()).await.unwrap().0, 503);
    assert_eq!(Socket::open(&node.server, &elsewhere(), 1000).await.err(), Some(503));
    drop((first, second));
}

#[tokio::test(start_paused = true)]
async fn a_lost_owner_ends_its_requests_at_once() {
    let mut node = node();
    let begun = Instant::now();
    let parked = node.parked().await;
    let asking = park(&node.server, &elsewhere());
    node.asked().await;
    node.inbox.lost(&b());
    assert_eq!(parked.await.unwrap(), (200, "1".to_owned()));
    assert_eq!(asking.await.unwrap(), unknown());
    assert!(begun.elapsed().as_millis() < 10);
    node.silent().await;
    node.assert_idle();
}

/// On a medium that does not notice, an owner that is gone has sent no ping.
#[tokio::test(start_paused = true)]
async fn a_silent_owner_does_not_keep_a_get() {
    let mut node = node();
    let begun = Instant::now();
    let parked = node.parked().await;
    assert_eq!(parked.await.unwrap(), (200, "1".to_owned()));
    assert_eq!(begun.elapsed().as_secs(), 46);
    assert_eq!(node.told_to_close().await, CloseReason::TransportError(Fault::PollAborted));
}

#[tokio::test(start_paused = true)]
async fn a_closed_server_relays_nothing() {
    let mut node = node();
    let parked = node.parked().await;
    node.server.close();
    assert_eq!(parked.await.unwrap(), (200, "1".to_owned()));
    assert_eq!(node.told_to_close().await, CloseReason::TransportError(Fault::PollAborted));
    assert_eq!(park(&node.server, &elsewhere()).await.unwrap().0, 503);
    node.silent().await;
}
