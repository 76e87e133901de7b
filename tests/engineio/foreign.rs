//! Streams that are not TCP: the server and hyper accept the streams of TLS or of any other wrapper.

use std::time::Duration;

use engineio::{Message, OpenError, Server, Session, Transport, handler_fn};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use tests::raw::soon;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::{self, Message as WsMessage};

/// The HTTP implementation that serves a connection.
#[derive(Clone, Copy, Debug)]
enum By {
    Us,
    Hyper,
}

/// A pipe whose other end is served.
fn connect(server: &Server, by: By) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(1024);
    if let By::Us = by {
        server.connect(theirs, ([127, 0, 0, 1], 1).into());
        return ours;
    }
    let service = server.service();
    tokio::spawn(async move {
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
        let _ = connection.with_upgrades().await;
    });
    ours
}

fn echo() -> Server {
    let builder = Server::builder().ping_interval(Duration::from_secs(60));
    let accept = |_: &Session| {
        handler_fn(|session: &Session, message: Message| {
            let _ = session.send(message);
        })
    };
    builder.build(accept).unwrap()
}

async fn exchange(server: &Server, by: By, request: String) -> String {
    let mut stream = connect(server, by);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Polling over a pipe.
#[tokio::test]
async fn polling_works_without_tcp() {
    for by in [By::Us, By::Hyper] {
        let server = echo();
        let target = "/engine.io/?EIO=4&transport=polling";
        let close = "HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
        let opened = exchange(&server, by, format!("GET {target} {close}\r\n")).await;
        let sid = opened.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a sid");
        let target = format!("{target}&sid={sid}");
        let post = format!("POST {target} {close}content-length: 6\r\n\r\n4hello");
        assert!(exchange(&server, by, post).await.ends_with("\r\n\r\nok"));
        let got = exchange(&server, by, format!("GET {target} {close}\r\n")).await;
        assert!(got.ends_with("\r\n\r\n4hello"));
    }
}

/// WebSocket over a pipe whose buffer is smaller than one message.
#[tokio::test]
async fn websocket_works_without_tcp() {
    for by in [By::Us, By::Hyper] {
        let server = echo();
        let url = "ws://localhost/engine.io/?EIO=4&transport=websocket";
        let (mut ws, _) = tokio_tungstenite::client_async(url, connect(&server, by)).await.unwrap();
        assert!(ws.next().await.unwrap().unwrap().to_text().unwrap().starts_with("0{"));
        let (mut sink, mut stream) = ws.split();
        let sending = tokio::spawn(async move {
            for len in [1, 100, 5000, 100_000] {
                sink.send(WsMessage::text(format!("4{}", "x".repeat(len)))).await.unwrap();
                sink.send(WsMessage::binary(vec![7; len])).await.unwrap();
            }
            sink
        });
        for len in [1, 100, 5000, 100_000] {
            assert_eq!(stream.next().await.unwrap().unwrap().len(), len + 1);
            assert_eq!(stream.next().await.unwrap().unwrap(), WsMessage::binary(vec![7; len]));
        }
        drop(sending.await.unwrap());
    }
}

/// A client that repeats its probe before it has read the answer gets one answer; a queue of answers would
/// fill the memory.
#[tokio::test]
async fn repeated_probes_receive_one_response() {
    let server = echo();
    let target = "/engine.io/?EIO=4&transport=polling";
    let close = "HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    let opened = exchange(&server, By::Us, format!("GET {target} {close}\r\n")).await;
    let sid = opened.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a sid");
    let url = format!("ws://localhost/engine.io/?EIO=4&transport=websocket&sid={sid}");
    let (mut ws, _) = tokio_tungstenite::client_async(url, connect(&server, By::Us)).await.unwrap();
    // One write, so that one read receives them all.
    for _ in 0..3 {
        ws.feed(WsMessage::text("2probe")).await.unwrap();
    }
    for text in ["5", "4hello"] {
        ws.feed(WsMessage::text(text)).await.unwrap();
    }
    ws.flush().await.unwrap();
    assert_eq!(ws.next().await.unwrap().unwrap(), WsMessage::text("3probe"));
    assert_eq!(ws.next().await.unwrap().unwrap(), WsMessage::text("4hello"));
}

/// The opening handshake of a WebSocket, as another server has read it.
fn websocket_request(query: &str) -> http::Request<()> {
    http::Request::get(format!("/engine.io/?{query}"))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap()
}

/// Another server has answered with 101 and passes its stream on.
#[tokio::test]
async fn a_websocket_of_another_server_is_accepted() {
    let server = echo();
    let client = |stream| {
        tokio_tungstenite::WebSocketStream::from_raw_socket(stream, tungstenite::protocol::Role::Client, None)
    };
    let (ours, theirs) = tokio::io::duplex(1024);
    server.accept_upgraded(websocket_request("EIO=4&transport=websocket"), theirs).await.unwrap();
    let mut opened = client(ours).await;
    let text = soon(opened.next()).await.unwrap().unwrap().into_text().unwrap();
    assert!(text.starts_with("0{"), "{text}");
    opened.send(WsMessage::text("4hi")).await.unwrap();
    assert_eq!(soon(opened.next()).await.unwrap().unwrap(), WsMessage::text("4hi"));

    // The upgrade of a polling session.
    let request = http::Request::get("/engine.io/?EIO=4&transport=polling").body(String::new()).unwrap();
    assert_eq!(server.handle(request).await.status(), 200);
    let polling =
        server.sessions().into_iter().find(|session| session.transport() == Transport::Polling).unwrap();
    let (ours, theirs) = tokio::io::duplex(1024);
    let query = format!("EIO=4&transport=websocket&sid={}", polling.id().as_str());
    server.accept_upgraded(websocket_request(&query), theirs).await.unwrap();
    let mut upgraded = client(ours).await;
    upgraded.send(WsMessage::text("2probe")).await.unwrap();
    assert_eq!(soon(upgraded.next()).await.unwrap().unwrap(), WsMessage::text("3probe"));
    upgraded.send(WsMessage::text("5")).await.unwrap();
    upgraded.send(WsMessage::text("4over there")).await.unwrap();
    assert_eq!(soon(upgraded.next()).await.unwrap().unwrap(), WsMessage::text("4over there"));
    assert_eq!(polling.transport(), Transport::WebSocket);
}

#[tokio::test]
async fn a_refused_websocket_of_another_server_is_closed() {
    let server = echo();
    let without_upgrade = http::Request::get("/engine.io/?EIO=4&transport=websocket").body(()).unwrap();
    for request in [
        websocket_request("EIO=3&transport=websocket"),
        websocket_request("EIO=4&transport=websocket&sid=unknown"),
        without_upgrade,
    ] {
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let error = soon(server.accept_upgraded(request, theirs)).await.unwrap_err();
        assert!(matches!(error, OpenError::Refused(response) if response.status() == 400));
        assert_eq!(soon(ours.read(&mut [0])).await.unwrap(), 0);
    }
    assert_eq!(server.stats().sessions, 0);
}
