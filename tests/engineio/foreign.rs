//! Streams that are not TCP: the server and hyper accept the streams of TLS or of any other wrapper.

use std::time::Duration;

use engineio::{Message, Server, Session, handler_fn};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::Message as WsMessage;

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
