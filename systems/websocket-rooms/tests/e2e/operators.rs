//! The port for operators, and the end of the program.

use serde_json::Value;
use tests::raw::{Request, Response, WebSocket, soon, until};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::{PROGRAM, signal, start_with};

async fn get(addr: std::net::SocketAddr, path: &str) -> Response {
    Request::new("GET", path).send(addr).await
}

#[tokio::test]
async fn health_and_metrics_have_a_port_of_their_own() {
    let (_program, addr, operators) = start_with(&[]).await;
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(get(operators, path).await.both(), (200, r#"{"status":"ok"}"#));
    }
    let mut ws = WebSocket::open(addr, "/?user=ada").await.unwrap();
    ws.send("hello").await;
    while ws.text().await != "Echo: hello" {}
    let metrics = get(operators, "/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "# TYPE websocket_rooms_connections gauge",
        "websocket_rooms_connections 1",
        "websocket_rooms_rooms 1",
        "websocket_rooms_users 1",
        "websocket_rooms_connections_opened_total 1",
        "websocket_rooms_received_messages_total 1",
        "websocket_rooms_received_bytes_total 5",
    ] {
        assert!(metrics.text().lines().any(|known| known == line), "{line}: {}", metrics.text());
    }
    ws.close().await;
    ws.closed().await;
    let closed = "websocket_rooms_connections_closed_total{reason=\"remote\"} 1";
    until(async || get(operators, "/metrics").await.text().contains(closed)).await;
    assert_eq!(get(operators, "/nothing").await.status, 404);
    assert_eq!(Request::new("POST", "/metrics").send(operators).await.status, 405);
    // The port of the clients has none of it.
    assert_eq!(get(addr, "/metrics").await.both(), (426, "this is a WebSocket server"));
}

#[tokio::test]
async fn the_port_for_operators_is_a_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").env("OPERATOR_ADDRESS", &addr);
    let output = soon(program.output()).await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains(&format!("OPERATOR_ADDRESS: cannot listen on {addr}: ")), "{error}");
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").env("OPERATOR_ADDRESS", "off").env("RUST_LOG", "off");
    let mut program = tests::program::Program::start(&mut program, "it is built");
    assert!(program.line().await.starts_with("listening on ws://"));
    signal(&program.process, "-TERM").await;
    assert_eq!(soon(program.lines.next_line()).await.unwrap(), None);
    assert!(soon(program.process.wait()).await.unwrap().success());
}

/// During the waves the program is not ready and refuses clients; a second signal ends it at once.
#[tokio::test]
async fn a_second_signal_cuts_the_waves_short() {
    let (mut program, addr, operators) = start_with(&[("DRAIN_MS", "600000")]).await;
    let (mut one, mut other) =
        (WebSocket::open(addr, "/").await.unwrap(), WebSocket::open(addr, "/").await.unwrap());
    for ws in [&mut one, &mut other] {
        ws.send(r#"{"type":"me"}"#).await;
        while serde_json::from_str::<Value>(&ws.text().await).unwrap()["type"] != "me" {}
    }
    signal(&program, "-TERM").await;
    until(async || get(operators, "/health/ready").await.both() == (503, r#"{"status":"draining"}"#)).await;
    assert_eq!(get(operators, "/health/live").await.status, 200);
    assert_eq!(WebSocket::open(addr, "/").await.err(), Some(503));
    let first = soon(async {
        tokio::select! {
            code = one.closed() => code,
            code = other.closed() => code,
        }
    });
    assert_eq!(first.await, Some(1001));
    signal(&program, "-TERM").await;
    assert_eq!(soon(program.wait()).await.unwrap().code(), Some(1));
}

/// A client that does not answer its close frame is cut off at the end of `DRAIN_MS`.
#[tokio::test]
async fn the_end_has_a_deadline() {
    let (mut program, addr, _) = start_with(&[("DRAIN_MS", "100"), ("RUST_LOG", "off")]).await;
    let mut ws = WebSocket::open(addr, "/").await.unwrap();
    ws.send("hello").await;
    while ws.text().await != "Echo: hello" {}
    signal(&program, "-TERM").await;
    assert!(soon(program.wait()).await.unwrap().success());
    drop(ws);
}
