//! Limits on values that a peer chooses, and the response when a limit is exceeded.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use engineio::{CloseReason, Config, Fault, Message, Server, Sid};
use http_body::Frame;
use http_body_util::StreamBody;
use tests::raw::{Request, Response, ServerEvent, WebSocket, soon, start, start_echo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Barrier;

/// EIO-SRV-112, EIO-SRV-114
#[tokio::test]
async fn a_post_over_the_limit_is_refused_and_ends_the_session() {
    for chunked in [false, true] {
        let mut running = start(Server::builder().max_payload(5)).await;
        let client = running.polling().await;
        assert_eq!(client.post("4abcd").await.both(), (200, "ok"), "the limit itself is fine");
        assert_eq!(running.message().await, Message::from("abcd"));
        let parked = client.park(&running).await;
        let status = if chunked {
            // The length is known only from the bytes themselves.
            let mut stream = TcpStream::connect(running.addr).await.unwrap();
            let target = &client.target;
            let head = format!("POST {target} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(b"3\r\n4ab\r\n").await.unwrap();
            stream.write_all(b"3\r\ncde\r\n").await.unwrap();
            Response::read(&mut stream).await.status
        } else {
            client.post("4abcde").await.status
        };
        assert_eq!(status, 413);
        let ended = running.find(|seen| match seen {
            ServerEvent::Close(reason, _) => Some(reason),
            ServerEvent::Message(_, message) => panic!("{message:?} was delivered"),
            _ => None,
        });
        assert_eq!(ended.await, CloseReason::TransportError(Fault::PayloadTooLarge));
        assert_eq!(parked.await.unwrap().both(), (200, "1"));
        assert_eq!(client.get().await.both(), (400, r#"{"code":1,"message":"Session ID unknown"}"#));
    }
}

/// The pieces of a body are counted as the HTTP server passes them on.
#[tokio::test]
async fn the_chunks_of_a_post_are_bounded() {
    let mut config = Config::default();
    assert_eq!(config.max_chunks, 10_000);
    config.max_chunks = 3;
    let mut running = start(Server::builder().config(config)).await;
    let client = running.polling().await;
    let post = |pieces: usize| {
        let pieces = (0..pieces).map(|piece| {
            let data = Bytes::from_static(if piece == 0 { b"4a" } else { b"b" });
            Ok::<_, Infallible>(Frame::data(data))
        });
        let body = StreamBody::new(futures_util::stream::iter(pieces));
        running.server.handle(http::Request::post(&client.target).body(body).unwrap())
    };
    assert_eq!(soon(post(3)).await.status(), 200);
    assert_eq!(soon(post(4)).await.status(), 413);
    assert_eq!(running.message().await, Message::from("abb"));
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::TooManyChunks));
    assert_eq!(running.server.stats().received_bytes, 0);
}

/// EIO-SRV-113
#[tokio::test]
async fn a_websocket_message_over_the_limit_closes_with_1009() {
    let mut running = start(Server::builder().max_payload(5)).await;
    let mut ws = running.websocket().await;
    ws.send("4abcde").await;
    assert_eq!(ws.closed().await, Some(1009));
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::WebSocket));
}

/// EIO-PROTO-12
#[tokio::test]
async fn a_second_poll_ends_the_session() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let parked = client.park(&running).await;
    assert_eq!(client.get().await.status, 400);
    assert_eq!(parked.await.unwrap().both(), (200, "1"));
    assert_eq!(client.get().await.status, 400);
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::PollOverlap));
}

/// A second POST while the first one is being read.
#[tokio::test]
async fn a_second_post_ends_the_session() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n4abc", client.target);
    stream.write_all(head.as_bytes()).await.unwrap();
    // The second POST is an overlap only after the first one has reached the session.
    let second = soon(async {
        loop {
            let response = client.post("4x").await;
            if response.status != 200 {
                return response;
            }
        }
    });
    assert_eq!(second.await.status, 400);
    assert_eq!(Response::read(&mut stream).await.status, 400);
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::PostOverlap));
}

/// EIO-SRV-091
#[tokio::test]
async fn an_octet_stream_is_refused_in_revision_4() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let request =
        Request::new("POST", &client.target).header("content-type", "application/octet-stream").body("4a");
    assert_eq!(request.send(running.addr).await.status, 400);
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::InvalidContent));
}

/// A request that directly follows the end of a session is refused as unknown session, as a later one is.
#[tokio::test]
async fn requests_after_the_end_of_a_session_are_refused() {
    let running = start(Server::builder()).await;
    for next in ["POST", "GET"] {
        let client = running.polling().await;
        let target = &client.target;
        let requests = format!(
            "POST {target} HTTP/1.1\r\nhost: a\r\ncontent-type: application/octet-stream\r\ncontent-length: 2\r\n\r\n4a\
             {next} {target} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
        );
        let mut stream = TcpStream::connect(running.addr).await.unwrap();
        stream.write_all(requests.as_bytes()).await.unwrap();
        assert_eq!(Response::read_one(&mut stream).await.status, 400);
        let answer = Response::read_one(&mut stream).await;
        assert_eq!(answer.both(), (400, r#"{"code":1,"message":"Session ID unknown"}"#), "{next}");
    }
}

/// A body with an unsupported content coding is not parsed as text.
#[tokio::test]
async fn a_compressed_post_is_refused() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let request = Request::new("POST", &client.target).header("content-encoding", "gzip").body("4a");
    assert_eq!(request.send(running.addr).await.status, 415);
    assert_eq!(running.closed().await, CloseReason::ParseError);
}

/// Too many packets in one payload.
#[tokio::test]
async fn the_packets_of_a_payload_are_bounded() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let many = vec!["4a"; 16_384].join("\u{1e}");
    assert_eq!(client.post(&many).await.status, 200);
    assert_eq!(client.post(format!("{many}\u{1e}4a")).await.status, 400);
    assert_eq!(running.closed().await, CloseReason::ParseError);
}

/// Too many frames in one message; the limit is a setting.
#[tokio::test]
async fn the_fragments_of_a_message_are_bounded() {
    let parts = |count: usize| (0..count).map(|part| if part % 1000 == 0 { vec![7] } else { Vec::new() });
    let mut more = Config::default();
    more.max_fragments = 65_536;
    for (config, limit) in [(Config::default(), 16_384), (more, 65_536)] {
        let mut running = start(Server::builder().config(config)).await;
        let mut client = running.websocket().await;
        client.send_fragments(parts(limit)).await;
        assert_eq!(running.message().await, Message::from(vec![7; limit.div_ceil(1000)]));
        client.send_fragments(parts(limit + 1)).await;
        assert_eq!(client.closed().await, Some(1008));
        assert_eq!(running.closed().await, CloseReason::TransportError(Fault::WebSocket));
    }
}

/// A body that does not arrive.
#[tokio::test]
async fn a_slow_post_times_out() {
    let mut running = start(Server::builder().body_timeout(Duration::from_millis(20))).await;
    let client = running.polling().await;
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n4abc", client.target);
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(Response::read(&mut stream).await.status, 408);
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::PostAborted));
}

/// A head that does not arrive.
#[tokio::test]
async fn a_slow_head_times_out() {
    let running = start(Server::builder().head_timeout(Duration::from_millis(20))).await;
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    stream.write_all(b"GET /engine.io/?EIO=4").await.unwrap();
    assert_eq!(Response::read(&mut stream).await.status, 408);
    drop(stream);
    running.emptied().await;
}

/// The server refuses sessions above its limit.
#[tokio::test]
async fn sessions_over_the_limit_are_refused() {
    let running = start(Server::builder().max_sessions(1)).await;
    running.polling().await;
    let refused = running.get("/engine.io/?EIO=4&transport=polling").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert_eq!(WebSocket::open(running.addr, "/engine.io/?EIO=4&transport=websocket").await.err(), Some(503));
}

/// The limit also holds for requests that arrive while ids are being generated.
#[tokio::test]
async fn the_session_limit_applies_during_id_generation() {
    let both = Arc::new(Barrier::new(2));
    let next = AtomicUsize::new(0);
    let running = start(Server::builder().max_sessions(1).generate_id(move |_| {
        let (both, id) = (Arc::clone(&both), next.fetch_add(1, Ordering::Relaxed));
        async move {
            both.wait().await;
            Ok::<_, std::io::Error>(Sid::from(id.to_string()))
        }
    }))
    .await;
    let target = "/engine.io/?EIO=4&transport=polling";
    let (one, two) = tokio::join!(running.get(target), running.get(target));
    let mut answers = [one.status, two.status];
    answers.sort_unstable();
    assert_eq!(answers, [200, 503]);
    assert_eq!(running.server.stats().sessions, 1);
}

/// Ended sessions leave nothing, even without a close packet of the client.
#[tokio::test]
async fn ended_sessions_leave_no_state() {
    let builder =
        Server::builder().ping_interval(Duration::from_millis(30)).ping_timeout(Duration::from_millis(30));
    let mut running = start_echo(builder).await;
    for _ in 0..20 {
        running.polling().await;
        running.websocket().await.cut();
        running.polling().await.probe().await.unwrap().cut();
        running.polling().await.upgrade().await.cut();
    }
    for _ in 0..80 {
        running.find(|seen| matches!(seen, ServerEvent::Close(..)).then_some(())).await;
    }
    running.emptied().await;
    assert_eq!(running.server.stats().outboxes, 0);
}
