//! HTTP/1.1 of `serve`: several requests per connection, all forms of bodies, and clients that disconnect
//! early or violate the protocol.

use std::time::Duration;

use engineio::{CloseReason, Fault, Message, Server};
use http::StatusCode;
use tests::raw::{Polling, Response, Running, soon, start, start_echo, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.addr).await.unwrap()
}

async fn ask(stream: &mut TcpStream, request: &str) -> Response {
    stream.write_all(request.as_bytes()).await.unwrap();
    Response::read_one(stream).await
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n")
}

fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Reads until the server ends the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    soon(stream.read_to_end(&mut rest)).await.unwrap();
    String::from_utf8(rest).unwrap()
}

async fn polling() -> (Running, Polling, TcpStream) {
    let running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    let stream = connect(&running).await;
    (running, client, stream)
}

#[tokio::test]
async fn a_session_works_over_one_connection() {
    let (_running, client, mut stream) = polling().await;
    for round in 0..10 {
        assert_eq!(ask(&mut stream, &post(&client.target, &format!("4{round}"))).await.text(), "ok");
        assert_eq!(ask(&mut stream, &get(&client.target)).await.text(), format!("4{round}"));
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_running, client, mut stream) = polling().await;
    let (post, get) = (post(&client.target, "4a"), get(&client.target));
    let all = format!("\r\n{post}{get}{post}{get}");
    let (first, second) = all.split_at(all.len() / 2 + 10);
    stream.write_all(first.as_bytes()).await.unwrap();
    assert_eq!(Response::read_one(&mut stream).await.text(), "ok");
    stream.write_all(second.as_bytes()).await.unwrap();
    assert_eq!(Response::read_one(&mut stream).await.text(), "4a");
    assert_eq!(Response::read_one(&mut stream).await.text(), "ok");
    assert_eq!(Response::read_one(&mut stream).await.text(), "4a");
}

#[tokio::test]
async fn a_body_is_read_in_chunks_and_byte_by_byte() {
    let (_running, client, mut stream) = polling().await;
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\n", client.target);
    let chunked =
        format!("{head}transfer-encoding: chunked\r\n\r\n3;a=b\r\n4ab\r\n2\r\ncd\r\n0\r\nt: r\r\n\r\n");
    let counted = format!("{head}content-length: 5\r\n\r\n4efgh");
    for (request, text) in [(&chunked, "4abcd"), (&counted, "4efgh")] {
        assert_eq!(ask(&mut stream, request).await.text(), "ok");
        assert_eq!(ask(&mut stream, &get(&client.target)).await.text(), text);
        for byte in request.as_bytes() {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(Response::read_one(&mut stream).await.text(), "ok");
        assert_eq!(ask(&mut stream, &get(&client.target)).await.text(), text);
    }
}

#[tokio::test]
async fn expect_100_continue_is_answered() {
    let (_running, client, mut stream) = polling().await;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n",
        client.target
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    soon(stream.read_exact(&mut told)).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(ask(&mut stream, "4a").await.text(), "ok");

    // A refused request with a body gets the refusal, and the connection is not reused.
    let unknown = head.replace(client.sid(), "unknown");
    let refused = ask(&mut stream, &unknown).await;
    assert_eq!((refused.status, refused.header("connection")), (400, Some("close")));
    assert_eq!(rest(&mut stream).await, "");
}

/// The rest of an unread body must not be parsed as a request.
#[tokio::test]
async fn an_unread_body_is_skipped() {
    let (_running, client, mut stream) = polling().await;
    let unknown = client.target.replace(client.sid(), "unknown");
    let hidden = get("/engine.io/?EIO=4&transport=hidden");
    assert_eq!(
        ask(&mut stream, &post(&unknown, &hidden)).await.both(),
        (400, r#"{"code":1,"message":"Session ID unknown"}"#)
    );
    assert_eq!(ask(&mut stream, &post(&client.target, "4a")).await.text(), "ok");

    let long = format!("POST {unknown} HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n{hidden}");
    assert_eq!(ask(&mut stream, &long).await.header("connection"), Some("close"));
    stream.write_all(hidden.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

/// RFC 9112, 11.2: a message with two lengths ends the connection.
#[tokio::test]
async fn an_ambiguous_request_is_refused() {
    let (running, client, _) = polling().await;
    let smuggled = get("/engine.io/?EIO=4&transport=smuggled");
    for headers in [
        "content-length: 2\r\ncontent-length: 3\r\n",
        "content-length: 2\r\ntransfer-encoding: chunked\r\n",
        "content-length: +2\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "x: y\nz: a\r\n",
        "x : y\r\n",
        "host: b\r\n",
    ] {
        let mut stream = connect(&running).await;
        let request = format!("POST {} HTTP/1.1\r\nhost: a\r\n{headers}\r\n4a{smuggled}", client.target);
        let refused = ask(&mut stream, &request).await;
        assert_eq!((refused.status, refused.header("connection")), (400, Some("close")), "{headers:?}");
        stream.shutdown().await.unwrap();
        assert_eq!(rest(&mut stream).await, "");
    }
}

#[tokio::test]
async fn invalid_chunks_end_the_session() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let mut stream = connect(&running).await;
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", client.target);
    let refused = ask(&mut stream, &format!("{head}2\r\n4abc\r\n0\r\n\r\n{}", get("/"))).await;
    assert_eq!((refused.status, refused.header("connection")), (400, Some("close")));
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::PostAborted));
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn an_incomplete_body_ends_the_session() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let mut stream = connect(&running).await;
    stream.write_all(post(&client.target, "4abc").trim_end_matches('c').as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::PostAborted));
    running.emptied().await;
}

/// As with the official server: a message written to the broken GET would be lost.
#[tokio::test]
async fn a_poll_whose_connection_breaks_ends_the_session() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let session = running.opened().await;
    let mut stream = connect(&running).await;
    // Followed by a request that is not expected.
    stream.write_all(format!("{}{}", get(&client.target), get("/")).as_bytes()).await.unwrap();
    // A message can be sent at once only while a GET waits.
    until(async || session.can_send_now()).await;
    drop(stream);
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::PollAborted));
    running.emptied().await;
}

#[tokio::test]
async fn http_1_0_connections_are_closed_unless_keep_alive_is_requested() {
    let (running, client, mut stream) = polling().await;
    client.post("4a").await;
    let request = format!("GET {} HTTP/1.0\r\n\r\n", client.target);
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("\r\n\r\n4a"), "{answer}");

    let mut stream = connect(&running).await;
    let request = "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let first = Response::read_one(&mut stream).await;
    assert_eq!((first.status, first.header("connection")), (501, Some("keep-alive")));
    assert!(rest(&mut stream).await.contains("connection: close"));
}

#[tokio::test]
async fn a_head_request_receives_no_body() {
    let running = start(Server::builder()).await;
    let mut stream = connect(&running).await;
    let request = "HEAD /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 43\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    let running = start(Server::builder().outside_path(StatusCode::NOT_FOUND)).await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n", "a".repeat(17_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "a: b\r\n".repeat(100));
    for (request, status) in [
        ("\u{16}\u{3}\u{1}", 400),
        ("GET\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nhost: a\r\nexpect: tea\r\n\r\n", 417),
        (&long, 431),
        (&many, 431),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", 404),
    ] {
        let mut stream = connect(&running).await;
        assert_eq!(ask(&mut stream, request).await.status, status, "{:.40}", request);
    }
    // A target that is not a URI reaches the code that reports the error.
    let mut stream = connect(&running).await;
    let refused = ask(&mut stream, &get("/engine.io/?EIO=4&transport=<script>")).await;
    assert_eq!(refused.both(), (400, r#"{"code":0,"message":"Transport unknown"}"#));
}

/// An idle connection is closed without a response.
#[tokio::test]
async fn an_idle_connection_is_closed() {
    let running = start(Server::builder().head_timeout(Duration::from_millis(20))).await;
    let mut stream = connect(&running).await;
    assert_eq!(ask(&mut stream, &get("/")).await.status, 501);
    assert_eq!(rest(&mut stream).await, "");
    running.emptied().await;
}

/// A client cannot hold a connection open with a response that it does not read.
#[tokio::test]
async fn an_unread_response_closes_the_connection() {
    let builder = Server::builder().body_timeout(Duration::from_millis(50)).http_compression(None);
    let mut running = start(builder.max_buffered(64 << 20, engineio::SlowConsumer::Disconnect)).await;
    let client = running.polling().await;
    let session = running.opened().await;
    session.send(Message::from("x".repeat(32 << 20))).unwrap();
    let mut stream = connect(&running).await;
    stream.write_all(get(&client.target).as_bytes()).await.unwrap();
    until(async || running.server.stats().connections > 0).await;
    until(async || running.server.stats().connections == 0).await;
    drop(stream);
}

/// Frames that directly follow the request for a WebSocket are not lost.
#[tokio::test]
async fn frames_that_follow_the_upgrade_request_are_read() {
    let mut running = start(Server::builder()).await;
    let mut stream = connect(&running).await;
    let head = concat!(
        "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\n",
        "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // A masked text frame with "4hi"; the mask is zero.
    let mut bytes = head.as_bytes().to_vec();
    bytes.extend_from_slice(b"\x81\x83\0\0\0\x004hi");
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(running.message().await, Message::from("hi"));
}
