//! The time before a polling session is announced to the application.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_polling_session_is_announced_late_and_then_gets_its_messages() {
    let mut node = node();
    let begun = Instant::now();
    let sid = open(&node.server).await;
    assert_eq!(post(&node.server, &sid, "4one\x1e4two").await, (200, "ok".to_owned()));
    node.receive(write(1, &sid, &[text("three")]));
    assert_eq!(node.sent().await, answer(1, true));
    node.silent().await;
    assert_eq!(node.server.traffic().opened, 0);
    assert_eq!(node.seen().await, Seen::Open);
    assert_eq!(begun.elapsed().as_millis(), 300);
    for expected in ["one", "two", "three"] {
        assert_eq!(node.seen().await, Seen::Message(expected.into()));
    }
    assert_eq!(node.server.traffic().opened, 1);
    post(&node.server, &sid, "4four").await;
    assert_eq!(node.seen().await, Seen::Message("four".into()));
}

#[tokio::test(start_paused = true)]
async fn sessions_that_cannot_move_are_announced_at_once() {
    let begun = Instant::now();
    for builder in
        [Server::builder().allow_upgrades(false), Server::builder().transports([Transport::Polling])]
    {
        let mut node = node_with(builder, PeerSettings::new(), Owner::Unknown, true);
        announced(&mut node).await;
    }
    let settings = PeerSettings::new().delayed_connection_timeout(Duration::ZERO);
    announced(&mut node_with(Server::builder(), settings, Owner::Unknown, true)).await;
    assert!(begun.elapsed().is_zero());
}

/// A client may send as much as one POST holds before its session is announced.
#[tokio::test(start_paused = true)]
async fn many_kept_messages_announce_a_session_at_once() {
    let mut node = node_with(Server::builder().max_payload(1000), PeerSettings::new(), Owner::Unknown, true);
    let sid = open(&node.server).await;
    let begun = Instant::now();
    let body = format!("4{}", "x".repeat(600));
    post(&node.server, &sid, &body).await;
    node.silent().await;
    post(&node.server, &sid, &body).await;
    assert_eq!(node.seen().await, Seen::Open);
    assert!(begun.elapsed().as_millis() < 10);
    for _ in 0..2 {
        assert_eq!(node.seen().await, Seen::Message("x".repeat(600).into()));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_session_that_ends_early_are_not_lost() {
    let mut node = node();
    let sid = open(&node.server).await;
    post(&node.server, &sid, "4last\x1e1").await;
    assert_eq!(node.seen().await, Seen::Open);
    assert_eq!(node.seen().await, Seen::Message("last".into()));
    assert_eq!(node.seen().await, Seen::Close(CloseReason::TransportClose));
    // The application does not hear of a session without messages.
    let sid = open(&node.server).await;
    post(&node.server, &sid, "1").await;
    node.silent().await;
    assert_eq!((node.server.stats().sessions, node.server.traffic().opened), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_websocket_at_another_node_takes_an_unannounced_session_away() {
    let mut node = node();
    let sid = open(&node.server).await;
    node.receive(write(1, &sid, &[text("one")]));
    assert_eq!(node.sent().await, answer(1, true));
    let parked = park(&node.server, &sid);
    settle().await;
    node.receive(probe(2, &sid));
    assert_eq!(node.sent().await, answer(2, true));
    assert_eq!(parked.await.unwrap(), (200, "6".to_owned()), "the client leaves polling");
    node.receive(PeerMessage::Upgrade { request: 3, sid: sid.clone(), success: true });
    let packets = vec![text("one")];
    assert_eq!(node.sent().await, PeerMessage::UpgradeResponse { request: 3, take_over: true, packets });
    node.silent().await;
    let stats = node.server.stats();
    assert_eq!((stats.sessions, stats.tasks, stats.outboxes, node.server.traffic().opened), (0, 0, 0, 0));
    assert!(node.seen.is_empty(), "the application has not heard of it");
}

#[tokio::test(start_paused = true)]
async fn a_websocket_here_announces_the_session() {
    let mut node = node();
    let sid = open(&node.server).await;
    post(&node.server, &sid, "4one").await;
    let mut socket = Socket::open(&node.server, &sid, 1000).await.unwrap();
    socket.upgrade().await;
    socket.send("4two").await;
    assert_eq!(node.seen().await, Seen::Open);
    assert_eq!(node.seen().await, Seen::Message("one".into()));
    assert_eq!(node.seen().await, Seen::Upgrade(Transport::WebSocket));
    assert_eq!(node.seen().await, Seen::Message("two".into()));
}
