//! Clients that do not read their responses.

use serde_json::json;
use tests::raw::{Request, soon, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Running, start};

/// A gateway with a short heartbeat and a short limit for responses.
async fn impatient() -> Running {
    start(json!({
        "transport": {"ping_interval_ms": 300, "ping_timeout_ms": 200, "body_timeout_ms": 200},
        "server": {"max_connections": 64},
    }))
    .await
}

async fn connect(running: &Running) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // A small window: the response waits in the server and not in the kernel.
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(running.addr).await.unwrap()
}

#[tokio::test]
async fn unread_responses_close_their_connections() {
    let running = impatient().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&running).await;
        let request = "GET /page.js HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200);
        stream.write_all(request.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    until(async || running.gateway.connections() == 20).await;
    until(async || running.gateway.connections() == 0).await;
    drop(streams);
}

#[tokio::test]
async fn unread_polls_close_their_connections() {
    let running = impatient().await;
    let opened = Request::new("GET", "/socket.io/?EIO=4&transport=polling").send(running.addr).await;
    let sid = opened.text().split('"').nth(3).unwrap().to_owned();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    Request::new("POST", &target).body("40").send(running.addr).await;
    let joined = Request::new("GET", &target).send(running.addr).await;
    assert!(joined.text().starts_with("40{"), "{}", joined.text());
    running.gateway.io().emit("large", &"x".repeat(6 << 20)).await.unwrap();
    let mut stream = connect(&running).await;
    stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
    until(async || running.gateway.connections() == 1).await;
    until(async || running.gateway.connections() == 0).await;
    soon(async { drop(stream) }).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let running = impatient().await;
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(connect(&running).await);
    }
    until(async || running.gateway.connections() == 64).await;
    let mut one_more = connect(&running).await;
    let mut byte = [0];
    let read = soon(tokio::io::AsyncReadExt::read(&mut one_more, &mut byte)).await;
    assert_eq!(read.unwrap_or(0), 0);
    drop(held.pop());
    until(async || running.gateway.connections() == 63).await;
    let (status, _) = running.get("/health/live").await;
    assert_eq!(status, 200);
}

/// Clients that do not send the announced body are disconnected too.
#[tokio::test]
async fn calls_without_their_body_time_out() {
    let running = impatient().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&running).await;
        let head = format!(
            "POST /api/broadcast HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{",
            running.key()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    until(async || running.gateway.connections() == 20).await;
    until(async || running.gateway.connections() == 0).await;
    drop(streams);
}
