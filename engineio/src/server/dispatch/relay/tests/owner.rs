//! The owner of a session whose client sends its requests to another node.

use std::time::Duration;

use super::*;
use crate::Fault;
use crate::protocol::text::Text;

/// A session whose WebSocket is at the other node.
async fn relayed(node: &mut Node) -> Sid {
    let sid = announced(node).await;
    node.receive(probe(1, &sid));
    assert_eq!(node.sent().await, answer(1, true));
    node.receive(PeerMessage::Upgrade { request: 2, sid: sid.clone(), success: true });
    let response = PeerMessage::UpgradeResponse { request: 2, take_over: false, packets: vec![] };
    assert_eq!(node.sent().await, response);
    assert_eq!(node.seen().await, Seen::Upgrade(Transport::WebSocket));
    sid
}

#[tokio::test(start_paused = true)]
async fn a_get_at_another_node_is_answered_once() {
    let mut node = node();
    let sid = announced(&mut node).await;
    node.receive(read(1, &sid));
    assert_eq!(node.sent().await, answer(1, true));
    // Another one is refused, and the session goes on.
    node.receive(read(2, &sid));
    assert_eq!(node.sent().await, answer(2, false));
    let session = node.server.session(sid.as_str()).unwrap();
    assert!(session.can_send_now());
    session.send("one").unwrap();
    session.send(vec![1, 2]).unwrap();
    let binary = Packet::Message(vec![1, 2].into());
    assert_eq!(node.sent().await, drain(&sid, &[text("one"), binary]));
    assert_eq!(node.seen.recv().await, Some(Seen::Flush(2)));
    session.send("two").unwrap();
    assert!(!session.can_send_now());
    node.silent().await;
    // What waits is sent right behind the lock, when the client has the answer before.
    node.receive(delivered(&sid));
    node.receive(read(3, &sid));
    assert_eq!(node.sent().await, answer(3, true));
    assert_eq!(node.sent().await, drain(&sid, &[text("two")]));
    node.receive(delivered(&sid));
    // The next one waits here.
    let parked = park(&node.server, &sid);
    settle().await;
    node.receive(read(4, &sid));
    assert_eq!(node.sent().await, answer(4, false));
    session.send("three").unwrap();
    assert_eq!(parked.await.unwrap(), (200, "4three".to_owned()));
    assert_eq!((node.server.stats().queued_bytes, session.queued_messages()), (0, 0));
}

/// A proxy may send a GET again when the node that had messages for it has ended. The messages are gone then, so the session
/// must not go on.
#[tokio::test(start_paused = true)]
async fn messages_wait_until_the_client_has_those_before() {
    for is_here in [false, true] {
        for is_lost in [false, true] {
            let mut node = node();
            let sid = announced(&mut node).await;
            node.receive(read(1, &sid));
            assert_eq!(node.sent().await, answer(1, true));
            let session = node.server.session(sid.as_str()).unwrap();
            session.send("one").unwrap();
            assert_eq!(node.sent().await, drain(&sid, &[text("one")]));
            session.send("two").unwrap();
            let parked = if is_here {
                Some(park(&node.server, &sid))
            } else {
                node.receive(read(2, &sid));
                assert_eq!(node.sent().await, answer(2, true));
                None
            };
            settle().await;
            assert!(!session.can_send_now());
            assert_eq!(session.queued_messages(), 1);
            if is_lost {
                node.inbox.lost(&b());
                let seen = [node.seen().await];
                assert_eq!(seen, [Seen::Close(CloseReason::TransportError(Fault::Remote))]);
            } else {
                node.receive(delivered(&sid));
            }
            match (parked, is_lost) {
                (Some(parked), false) => assert_eq!(parked.await.unwrap(), (200, "4two".to_owned())),
                (Some(parked), true) => assert_eq!(parked.await.unwrap(), (200, "1".to_owned())),
                (None, false) => assert_eq!(node.sent().await, drain(&sid, &[text("two")])),
                (None, true) => {}
            }
        }
    }
}

/// An overlap of two GETs of which the later one is here ends the session, as with both of them here.
#[tokio::test(start_paused = true)]
async fn a_second_get_here_ends_the_session() {
    let mut node = node();
    let sid = announced(&mut node).await;
    node.receive(read(1, &sid));
    assert_eq!(node.sent().await, answer(1, true));
    assert_eq!(ask(&node.server, "GET", &polling(&sid), "").await.0, 400);
    assert_eq!(node.sent().await, drain(&sid, &[Packet::Close]));
    assert_eq!(node.seen().await, Seen::Close(CloseReason::TransportError(Fault::PollOverlap)));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_to_the_node_of_the_client() {
    let mut node = node();
    let sid = announced(&mut node).await;
    for request in 1..4 {
        node.receive(read(request, &sid));
        assert_eq!(node.sent().await, answer(request, true));
        assert_eq!(node.sent().await, drain(&sid, &[Packet::Ping(Text::new())]));
        node.receive(write(10 + request, &sid, &[Packet::Pong(Text::new())]));
        assert_eq!(node.sent().await, answer(10 + request, true));
    }
    node.receive(read(4, &sid));
    assert_eq!(node.sent().await, answer(4, true));
    assert_eq!(node.sent().await, drain(&sid, &[Packet::Ping(Text::new())]));
    assert_eq!(node.seen().await, Seen::Close(CloseReason::PingTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_post_is_answered_when_its_packets_are_handled() {
    let mut node = node();
    let sid = announced(&mut node).await;
    node.set_busy(true);
    node.receive(write(1, &sid, &[text("one"), text("two")]));
    node.silent().await;
    node.set_busy(false);
    assert_eq!(node.sent().await, answer(1, true));
    assert_eq!(node.seen().await, Seen::Message("one".into()));
    assert_eq!(node.seen().await, Seen::Message("two".into()));
    // Two at the same time are an overlap.
    node.set_busy(true);
    node.receive(write(2, &sid, &[text("three")]));
    node.receive(write(3, &sid, &[text("four")]));
    assert_eq!(node.sent().await, answer(2, false));
    assert_eq!(node.sent().await, answer(3, false));
    assert_eq!(node.seen().await, Seen::Close(CloseReason::TransportError(Fault::PostOverlap)));
}

/// The official engine asks for the lock, and sends each packet of its own accord then.
#[tokio::test(start_paused = true)]
async fn packets_behind_the_lock_wait_for_a_busy_handler() {
    let mut node = node_with(Server::builder().max_payload(1000), PeerSettings::new(), Owner::Unknown, false);
    let sid = announced(&mut node).await;
    let packet = |packet| PeerMessage::Packet { sid: sid.clone(), packet };
    node.receive(write(1, &sid, &[]));
    assert_eq!(node.sent().await, answer(1, true));
    node.receive(packet(text("one")));
    assert_eq!(node.seen().await, Seen::Message("one".into()));
    node.set_busy(true);
    node.receive(packet(text("two")));
    node.receive(packet(text("three")));
    node.silent().await;
    // A POST here waits behind them.
    let (server, here) = (node.server.clone(), sid.clone());
    let posted = tokio::spawn(async move { post(&server, &here, "4four").await });
    node.silent().await;
    node.set_busy(false);
    for expected in ["two", "three", "four"] {
        assert_eq!(node.seen().await, Seen::Message(expected.into()));
    }
    assert_eq!(posted.await.unwrap().0, 200);
    // Their memory is limited.
    node.set_busy(true);
    for _ in 0..3 {
        node.receive(packet(Packet::Message("x".repeat(300).into())));
        settle().await;
    }
    assert_eq!(node.seen().await, Seen::Close(CloseReason::TransportError(Fault::Backlog)));
}

#[tokio::test(start_paused = true)]
async fn only_requests_that_are_sent_to_one_node_are_refused_for_an_unknown_session() {
    let mut node = node();
    let sid = Sid::from("01234567890123456789");
    node.inbox.receive_broadcast(b(), read(1, &sid));
    node.silent().await;
    node.receive(read(2, &sid));
    assert_eq!(node.sent().await, answer(2, false));
    node.receive(PeerMessage::Upgrade { request: 3, sid: sid.clone(), success: true });
    assert_eq!(node.sent().await, answer(3, false));
    node.receive(PeerMessage::Upgrade { request: 4, sid: sid.clone(), success: false });
    node.receive(close(&sid, CloseReason::TransportClose));
    node.receive(PeerMessage::Packet { sid, packet: Packet::Close });
    node.silent().await;
}

/// Clients of revision 3 need sticky sessions.
#[tokio::test(start_paused = true)]
async fn requests_of_revision_3_are_not_relayed() {
    let mut node = node_with(Server::builder().allow_eio3(true), PeerSettings::new(), Owner::Node(b()), true);
    let (_, body) = ask(&node.server, "GET", "/engine.io/?EIO=3&transport=polling", "").await;
    assert_eq!(node.seen().await, Seen::Open);
    let open: serde_json::Value = serde_json::from_str(&body[body.find('{').unwrap()..]).unwrap();
    let sid = Sid::from(open["sid"].as_str().unwrap());
    node.receive(read(1, &sid));
    assert_eq!(node.sent().await, answer(1, false));
    let target = "/engine.io/?EIO=3&transport=polling&sid=01234567890123456789";
    assert_eq!(ask(&node.server, "GET", target, "").await.0, 400);
    node.silent().await;
}

#[tokio::test(start_paused = true)]
async fn a_close_of_another_node_ends_the_session_with_its_reason() {
    let mut node = node();
    let sid = announced(&mut node).await;
    node.receive(read(1, &sid));
    assert_eq!(node.sent().await, answer(1, true));
    let reason = CloseReason::TransportError(Fault::PollAborted);
    node.receive(close(&sid, reason));
    assert_eq!(node.seen().await, Seen::Close(reason));
    // That node has no connection any more, so nothing is sent to it.
    node.silent().await;
    // The application hears of a session that was not announced yet.
    let sid = open(&node.server).await;
    node.receive(close(&sid, CloseReason::TransportClose));
    assert_eq!(node.seen().await, Seen::Open);
    assert_eq!(node.seen().await, Seen::Close(CloseReason::TransportClose));
}

#[tokio::test(start_paused = true)]
async fn a_close_of_the_application_reaches_the_client() {
    let mut node = node();
    let sid = announced(&mut node).await;
    node.receive(read(1, &sid));
    assert_eq!(node.sent().await, answer(1, true));
    node.server.session(sid.as_str()).unwrap().close();
    assert_eq!(node.sent().await, drain(&sid, &[Packet::Close]));
    assert_eq!(node.seen().await, Seen::Close(CloseReason::ForcedClose));

    let sid = relayed(&mut node).await;
    let session = node.server.session(sid.as_str()).unwrap();
    session.send("last").unwrap();
    session.close();
    assert_eq!(node.sent().await, drain(&sid, &[text("last")]));
    assert_eq!(node.sent().await, drain(&sid, &[Packet::Close]));
    assert_eq!(node.seen().await, Seen::Close(CloseReason::ForcedClose));
    assert_eq!(node.server.stats().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_node_ends_the_sessions_of_its_clients() {
    let mut node = node();
    let lost = CloseReason::TransportError(Fault::Remote);
    let here = announced(&mut node).await;
    let relayed = relayed(&mut node).await;
    node.inbox.lost(&PeerId::from("c"));
    node.inbox.lost(&b());
    assert_eq!(node.seen().await, Seen::Close(lost));
    assert!(node.server.session(relayed.as_str()).is_none());
    // A GET there is lost too; a probe there is only given up.
    node.receive(probe(1, &here));
    assert_eq!(node.sent().await, answer(1, true));
    node.inbox.lost(&b());
    settle().await;
    node.receive(probe(2, &here));
    assert_eq!(node.sent().await, answer(2, true));
    node.receive(read(3, &here));
    assert_eq!(node.sent().await, answer(3, true));
    assert_eq!(node.sent().await, drain(&here, &[Packet::Noop]));
    node.receive(PeerMessage::Upgrade { request: 0, sid: here.clone(), success: false });
    node.receive(read(4, &here));
    assert_eq!(node.sent().await, answer(4, true));
    node.inbox.lost(&b());
    assert_eq!(node.seen().await, Seen::Close(lost));
    node.silent().await;
}

#[tokio::test(start_paused = true)]
async fn a_websocket_at_another_node_carries_an_announced_session() {
    let mut node = node();
    let sid = relayed(&mut node).await;
    let session = node.server.session(sid.as_str()).unwrap();
    assert_eq!(session.transport(), Transport::WebSocket);
    assert!(session.can_send_now());
    let sent = session.send_tracked("out").unwrap();
    assert_eq!(node.sent().await, drain(&sid, &[text("out")]));
    sent.await.unwrap();
    node.receive(PeerMessage::Packet { sid: sid.clone(), packet: text("in") });
    assert_eq!(node.seen().await, Seen::Message("in".into()));
    // No request is accepted any more, here or there.
    assert_eq!(post(&node.server, &sid, "4x").await.0, 400);
    for message in [read(5, &sid), write(5, &sid, &[]), write(5, &sid, &[text("x")]), probe(5, &sid)] {
        node.receive(message);
        assert_eq!(node.sent().await, answer(5, false));
    }
    assert_eq!(node.sent().await, drain(&sid, &[Packet::Ping(Text::new())]));
    assert_eq!(node.sent().await, drain(&sid, &[Packet::Close]));
    assert_eq!(node.seen().await, Seen::Close(CloseReason::PingTimeout));
}

/// The probe ends after the upgrade timeout here too, as messages may get lost.
#[tokio::test(start_paused = true)]
async fn a_failed_probe_leaves_the_session_on_polling() {
    let mut node = node();
    let sid = announced(&mut node).await;
    for success in [Some(false), None] {
        node.receive(probe(1, &sid));
        assert_eq!(node.sent().await, answer(1, true));
        node.receive(probe(2, &sid));
        assert_eq!(node.sent().await, answer(2, false), "one at a time");
        match success {
            Some(success) => node.receive(PeerMessage::Upgrade { request: 3, sid: sid.clone(), success }),
            None => tokio::time::sleep(Duration::from_secs(10)).await,
        }
        settle().await;
    }
    node.receive(PeerMessage::Upgrade { request: 4, sid: sid.clone(), success: true });
    assert_eq!(node.sent().await, answer(4, false));
    assert_eq!(node.server.session(sid.as_str()).unwrap().transport(), Transport::Polling);
}

#[tokio::test(start_paused = true)]
async fn a_closed_server_answers_the_requests_of_other_nodes() {
    let mut node = node();
    let sid = announced(&mut node).await;
    node.receive(read(1, &sid));
    assert_eq!(node.sent().await, answer(1, true));
    node.server.close();
    node.receive(read(2, &sid));
    assert_eq!(node.sent().await, drain(&sid, &[Packet::Close]));
    assert_eq!(node.sent().await, answer(2, false));
}
