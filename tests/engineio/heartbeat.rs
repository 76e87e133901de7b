//! Heartbeats, and sessions without them.

use std::time::Duration;

use engineio::packet::Packet;
use engineio::{CloseReason, PacketType, Server, ServerBuilder, Text, Transport};
use tests::raw::{ServerEvent, start, start_echo};

fn beating(interval: u64, timeout: u64) -> ServerBuilder {
    Server::builder()
        .ping_interval(Duration::from_millis(interval))
        .ping_timeout(Duration::from_millis(timeout))
}

/// EIO-PROTO-16
#[tokio::test]
async fn polling_receives_repeated_pings() {
    let running = start(beating(50, 10_000)).await;
    let client = running.polling().await;
    for _ in 0..3 {
        assert_eq!(client.poll().await, "2");
        assert_eq!(client.post("3").await.both(), (200, "ok"));
    }
}

/// EIO-PROTO-18
#[tokio::test]
async fn websocket_receives_repeated_pings() {
    let running = start(beating(50, 10_000)).await;
    let mut ws = running.websocket().await;
    for _ in 0..3 {
        assert_eq!(ws.text().await, "2");
        ws.send("3").await;
    }
}

/// EIO-PROTO-17
#[tokio::test]
async fn a_silent_polling_session_ends() {
    let mut running = start(beating(20, 20)).await;
    let client = running.polling().await;
    assert_eq!(running.closed().await, CloseReason::PingTimeout);
    assert_eq!(client.get().await.both(), (400, r#"{"code":1,"message":"Session ID unknown"}"#));
    running.emptied().await;
}

/// EIO-SRV-097
#[tokio::test]
async fn a_ping_timeout_closes_the_polling_transport() {
    let mut running = start(beating(20, 200)).await;
    let client = running.polling().await;
    assert_eq!(client.poll().await, "2");
    // The client polls on, but sends no pong.
    let parked = client.park(&running).await;
    assert_eq!(parked.await.unwrap().both(), (200, "1"), "the waiting poll is closed");
    assert_eq!(running.closed().await, CloseReason::PingTimeout);
    assert_eq!(client.post("3").await.both(), (400, r#"{"code":1,"message":"Session ID unknown"}"#));
    running.emptied().await;
}

/// EIO-PROTO-19, EIO-SRV-071, EIO-SRV-074, EIO-SRV-096
#[tokio::test]
async fn a_silent_websocket_is_closed() {
    let mut running = start(beating(5, 5)).await;
    let mut ws = running.websocket().await;
    assert_eq!(ws.closed().await, None, "an empty close frame");
    assert_eq!(running.closed().await, CloseReason::PingTimeout);
    assert_eq!(CloseReason::PingTimeout.to_string(), "ping timeout");
    running.emptied().await;
}

/// The times are those of `engineio::session::tests`.
#[tokio::test]
async fn a_session_lives_for_interval_and_timeout() {
    // The ping itself shows that the interval has passed and the session is alive.
    let mut running = start(beating(100, 100)).await;
    let mut ws = running.websocket().await;
    assert_eq!(ws.text().await, "2");
    assert_eq!(running.server.stats().sessions, 1);
    assert_eq!(running.closed().await, CloseReason::PingTimeout);
}

#[tokio::test]
async fn a_close_after_a_heartbeat_is_a_forced_close() {
    let mut running = start(beating(20, 60_000)).await;
    let mut ws = running.websocket().await;
    assert_eq!(ws.text().await, "2");
    ws.send("3").await;
    running.opened().await.close();
    assert_eq!(ws.closed().await, None);
    assert_eq!(running.closed().await, CloseReason::ForcedClose);
}

/// The pong of a ping that was sent on the old transport arrives on the new one.
#[tokio::test]
async fn an_upgrade_keeps_a_session_with_a_missing_pong() {
    let mut running = start(beating(20, 10_000)).await;
    let client = running.polling().await;
    assert_eq!(client.poll().await, "2");
    let mut ws = client.upgrade().await;
    assert_eq!(
        running.find(|seen| if let ServerEvent::Upgrade(to) = seen { Some(to) } else { None }).await,
        Transport::WebSocket
    );
    ws.send("3").await;
    assert_eq!(ws.text().await, "2", "the heartbeat goes on over the new transport");
}

#[tokio::test]
async fn hooks_receive_heartbeat_packets() {
    let mut running = start(beating(4, 10_000)).await;
    let mut ws = running.websocket().await;
    let sent = running.find(|seen| match seen {
        ServerEvent::Flush(kinds) if kinds.contains(&PacketType::Ping) => Some(kinds),
        _ => None,
    });
    assert_eq!(sent.await, [PacketType::Ping]);
    ws.send("3").await;
    let mut received = None;
    let heartbeat = running.find(|seen| match seen {
        ServerEvent::Packet(packet) => {
            received = Some(packet);
            None
        }
        ServerEvent::Heartbeat => Some(()),
        _ => None,
    });
    heartbeat.await;
    assert_eq!(received, Some(Packet::Pong(Text::new())));
}

/// EIO-SRV-072
#[tokio::test]
async fn a_client_that_disappears_during_the_close_times_out() {
    let mut running = start(beating(30, 30)).await;
    let client = running.polling().await;
    let session = running.opened().await;
    session.send("never fetched").unwrap();
    session.close();
    drop(client);
    assert_eq!(running.closed().await, CloseReason::PingTimeout);
    running.emptied().await;
}

/// A client of revision 4 must not send pings.
#[tokio::test]
async fn a_ping_from_the_client_is_a_fault() {
    let mut running = start_echo(Server::builder()).await;
    let mut ws = running.websocket().await;
    ws.send("2").await;
    assert_eq!(ws.closed().await, None);
    let fault = engineio::Fault::InvalidHeartbeatDirection;
    assert_eq!(running.closed().await, CloseReason::TransportError(fault));
}
