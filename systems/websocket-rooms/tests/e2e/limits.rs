//! The limits of the program, each reached by its setting.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tests::raw::{Request, WebSocket, soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::start_with;

/// Whether the server closes a new connection without a word.
async fn is_closed_at_once(addr: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    soon(stream.read(&mut [0])).await.unwrap_or(0) == 0
}

/// Whether a new connection becomes a WebSocket.
async fn is_open(addr: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    // A connection that is closed at once may fail here or at the read.
    let mut head = [0; 12];
    let asked = stream.write_all(request.as_bytes()).await;
    asked.is_ok() && soon(stream.read_exact(&mut head)).await.is_ok() && head.ends_with(b" 101")
}

async fn refused(operators: SocketAddr, cause: &str) -> bool {
    let line = format!("websocket_rooms_refused_total{{cause=\"{cause}\"}} ");
    Request::new("GET", "/metrics").send(operators).await.text().contains(&line)
}

#[tokio::test]
async fn connections_have_a_limit() {
    let (_program, addr, operators) = start_with(&[("MAX_CONNECTIONS", "1")]).await;
    let mut ws = WebSocket::open(addr, "/").await.unwrap();
    assert_eq!(WebSocket::open(addr, "/").await.err(), Some(503));
    assert!(refused(operators, "unavailable").await);
    ws.send("hello").await;
    while ws.text().await != "Echo: hello" {}
}

#[tokio::test]
async fn connections_of_an_address_have_a_limit() {
    let (_program, addr, operators) = start_with(&[("MAX_CONNECTIONS_PER_ADDRESS", "1")]).await;
    let mut ws = WebSocket::open(addr, "/").await.unwrap();
    assert!(is_closed_at_once(addr).await && refused(operators, "address_connections").await);
    ws.send("hello").await;
    while ws.text().await != "Echo: hello" {}
    // The place is free when the connection has ended.
    ws.close().await;
    until(async || is_open(addr).await).await;
}

#[tokio::test]
async fn handshakes_have_a_limit_and_a_deadline() {
    let (_program, addr, operators) =
        start_with(&[("MAX_HANDSHAKES", "1"), ("HANDSHAKE_SECONDS", "1")]).await;
    let mut silent = TcpStream::connect(addr).await.unwrap();
    assert!(is_closed_at_once(addr).await && refused(operators, "handshakes").await);
    assert_eq!(soon(silent.read(&mut [0])).await.unwrap_or(0), 0);
    until(async || refused(operators, "handshake_timeout").await).await;
    WebSocket::open(addr, "/").await.unwrap();
}

#[tokio::test]
async fn messages_and_rooms_have_a_limit() {
    let (_program, addr, _) = start_with(&[("MAX_MESSAGE_BYTES", "100"), ("MAX_ROOMS", "2")]).await;
    let mut ws = WebSocket::open(addr, "/").await.unwrap();
    let mut quiet = WebSocket::open(addr, "/").await.unwrap();
    // The chat adds each client to its lobby.
    for (room, expected) in [("tea", "joined"), ("milk", "error")] {
        ws.send(&json!({"type": "join", "room": room}).to_string()).await;
        let answer = async {
            loop {
                let answer: Value = serde_json::from_str(&ws.text().await).unwrap();
                if ["joined", "error"].contains(&answer["type"].as_str().unwrap()) {
                    return answer;
                }
            }
        };
        assert_eq!(soon(answer).await["type"], expected);
    }
    ws.send(&"x".repeat(101)).await;
    assert_eq!(ws.closed().await, Some(1009));
    quiet.send("hello").await;
    while quiet.text().await != "Echo: hello" {}
}

/// A client that does not read is disconnected, and the others go on.
#[tokio::test]
async fn queues_have_a_limit() {
    let (_program, addr, operators) = start_with(&[("MAX_QUEUED_BYTES", "10000")]).await;
    let _deaf = WebSocket::open(addr, "/").await.unwrap();
    let mut ws = WebSocket::open(addr, "/").await.unwrap();
    let announcement = json!({"type": "announce", "text": "x".repeat(100_000)}).to_string();
    let closed = "websocket_rooms_connections_closed_total{reason=\"slow_consumer\"} 1";
    let announce = async || {
        ws.send(&announcement).await;
        while !ws.text().await.starts_with("{\"type\":\"reached\"") {}
        Request::new("GET", "/metrics").send(operators).await.text().contains(closed)
    };
    until(announce).await;
}

#[tokio::test]
async fn wrong_limits_are_named() {
    for name in ["MAX_CONNECTIONS", "MAX_QUEUED_BYTES", "DRAIN_MS", "PING_TIMEOUT_SECONDS"] {
        let mut program = tokio::process::Command::new(crate::PROGRAM);
        let output = soon(program.env(name, "many").output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), error),
            (Some(1), format!("{name}: \"many\" is not a number that fits\n"))
        );
    }
}
