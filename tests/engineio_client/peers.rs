//! Peers that violate Engine.IO: none of them crashes or blocks a client.

use std::net::SocketAddr;
use std::time::Duration;

use engineio::client::{ClientBuilder, Closed, FrameError, HttpError, OpenError, TransportError};
use engineio::websocket::inbound::WsError;
use engineio::{Message, Server, Transport};
use futures_util::{FutureExt, SinkExt};
use http::HeaderValue;
use tests::raw::{fragments, soon, start};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use crate::support::{builder, closed, connect_on, message, ok, peer};

const OPEN: &str = r#"0{"sid":"abc","upgrades":[],"pingInterval":30,"pingTimeout":30,"maxPayload":1000}"#;

/// With a heartbeat that does not end the session during a test.
const PATIENT: &str =
    r#"0{"sid":"abc","upgrades":[],"pingInterval":60000,"pingTimeout":60000,"maxPayload":1000}"#;

async fn refused(answer: String) -> TransportError {
    let addr = peer(move |_| answer.clone()).await;
    match soon(builder(addr).connect()).await {
        Err(OpenError::Transport(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_response_without_open_packet_is_a_handshake_error() {
    for body in
        ["", "4hello", "0", "0{", "0{}", "0null", r#"0{"sid":""}"#, r#"0{"sid":"a"}"#, "2", "x", "\u{1e}"]
    {
        let error = refused(ok(body)).await;
        assert!(matches!(error, TransportError::Handshake), "{body:?} {error:?}");
    }
    let negative = OPEN.replace("30", "-1");
    assert!(matches!(refused(ok(&negative)).await, TransportError::Handshake));
}

#[tokio::test]
async fn an_invalid_http_response_is_an_error() {
    let error = refused("SSH-2.0-OpenSSH_9.2\r\n".to_owned()).await;
    assert!(matches!(error, TransportError::Poll(HttpError::Http(_))), "{error:?}");
    let error =
        refused("HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_owned())
            .await;
    assert_eq!(error.status().unwrap(), 301);
}

#[tokio::test]
async fn an_endless_response_is_an_error() {
    let endless = format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}", "a".repeat(200_000));
    let addr = peer(move |_| endless.clone()).await;
    let builder = builder(addr).configure(|config| config.max_payload = 1000);
    let error = soon(builder.connect()).await.unwrap_err();
    assert!(matches!(error, OpenError::Transport(TransportError::Poll(HttpError::TooLarge))), "{error:?}");
}

#[tokio::test]
async fn an_invalid_websocket_response_is_an_error() {
    for accept in ["", "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"] {
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{accept}\r\n"
        );
        let addr = peer(move |_| answer.clone()).await;
        let error = soon(builder(addr).transports([Transport::WebSocket]).connect()).await.unwrap_err();
        assert!(
            matches!(error, OpenError::Transport(TransportError::WebSocket(HttpError::NotWebSocket))),
            "{error:?}"
        );
    }
}

/// The request of a polling client that is never answered.
#[tokio::test]
async fn a_request_times_out() {
    let addr = peer(|head| if head.contains("sid=") { String::new() } else { ok(PATIENT) }).await;
    let timeout = |builder: ClientBuilder| {
        builder.configure(|config| config.request_timeout = Some(Duration::from_millis(20)))
    };
    let mut client = soon(timeout(builder(addr)).connect()).await.unwrap();
    let Closed::TransportError(error) = closed(&mut client).await else { panic!("no transport error") };
    assert!(matches!(error, TransportError::Poll(HttpError::TimedOut)), "{error:?}");
    // The handshake has the same timeout.
    let silent = peer(|_| String::new()).await;
    let error = soon(timeout(builder(silent)).connect()).await.unwrap_err();
    assert!(matches!(error, OpenError::Transport(TransportError::Poll(HttpError::TimedOut))), "{error:?}");
}

/// The server selects one of the subprotocols that the client offers.
#[tokio::test]
async fn subprotocols_are_offered_and_checked() {
    let offering = |addr: SocketAddr, protocols: &[&'static str]| {
        let protocols = protocols.iter().map(|name| HeaderValue::from_static(name)).collect();
        builder(addr).transports([Transport::WebSocket]).configure(|config| config.protocols = protocols)
    };
    let running = start(Server::builder()).await;
    drop(soon(offering(running.addr, &["a", "b"]).connect()).await.unwrap());
    let (seen, heads) = std::sync::mpsc::channel();
    let selecting = |selected: &'static str| {
        let seen = seen.clone();
        peer(move |head| {
            seen.send(head.to_owned()).unwrap();
            let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
            let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {selected}\r\n\r\n"
            )
        })
    };
    for (offered, selected) in [(&["a", "b"][..], "c"), (&[], "a")] {
        let error = soon(offering(selecting(selected).await, offered).connect()).await.unwrap_err();
        assert!(
            matches!(error, OpenError::Transport(TransportError::WebSocket(HttpError::Subprotocol))),
            "{error:?}"
        );
        let head = heads.try_recv().unwrap();
        let offers: Vec<_> =
            head.lines().filter_map(|line| line.strip_prefix("sec-websocket-protocol: ")).collect();
        assert_eq!(offers, offered);
    }
}

/// EIO-SRV-073
#[tokio::test]
async fn a_silent_server_times_out() {
    // The peer answers only the handshake.
    let addr = peer(|head| if head.contains("sid=") { String::new() } else { ok(OPEN) }).await;
    let mut client = soon(builder(addr).connect()).await.unwrap();
    assert!(matches!(closed(&mut client).await, Closed::PingTimeout));
}

/// EIO-CLI-034: the clock of the runtime drives the heartbeat, and a test can advance it.
#[tokio::test]
async fn the_heartbeat_follows_the_clock_of_the_runtime() {
    let addr = peer(|head| if head.contains("sid=") { String::new() } else { ok(PATIENT) }).await;
    let mut client = soon(builder(addr).connect()).await.unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert!(matches!(client.recv().await, Err(Closed::PingTimeout)));
    // 60 s each for interval and timeout, less the time since the handshake.
    assert!((100..=120).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

/// The client answers the heartbeats of such a server, but the answers do not fill its memory.
#[tokio::test]
async fn repeated_pings_of_a_server_that_reads_nothing_queue_one_pong() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut server = tokio_tungstenite::accept_async(stream).await.unwrap();
        server.send(WsMessage::text(OPEN.replace("30", "25000"))).await.unwrap();
        let ping = format!("2{}", "x".repeat(60_000));
        for _ in 0..600 {
            server.send(WsMessage::text(ping.clone())).await.unwrap();
        }
        server.send(WsMessage::text("4done")).await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut client = connect_on(addr, Transport::WebSocket).await;
    assert_eq!(message(&mut client).await, Message::from("done"));
    let waiting = client.sender().queued_bytes();
    assert!(waiting < 200_000, "{waiting}");
}

#[tokio::test]
async fn an_invalid_packet_ends_the_session() {
    let addr = peer(|_| ok(&format!("{OPEN}\u{1e}4first\u{1e}9"))).await;
    let mut client = soon(builder(addr).connect()).await.unwrap();
    assert_eq!(message(&mut client).await, "first".into());
    let closed = closed(&mut client).await;
    assert!(matches!(closed, Closed::TransportError(TransportError::Packet(_))), "{closed:?}");
    assert_eq!(closed.to_string(), "transport error");
}

#[tokio::test]
async fn unexpected_packets_of_the_server_are_ignored() {
    let addr = peer(|_| ok(&format!("{OPEN}\u{1e}6\u{1e}3x\u{1e}5\u{1e}0{{}}\u{1e}4hello\u{1e}1"))).await;
    let mut client = soon(builder(addr).connect()).await.unwrap();
    assert_eq!(message(&mut client).await, "hello".into());
    assert!(matches!(closed(&mut client).await, Closed::TransportClose(None)));
}

/// Too many frames in one message; the limit is a setting.
#[tokio::test]
async fn the_fragments_of_a_server_message_are_bounded() {
    for (setting, limit) in [(None, 16_384), (Some(65_536), 65_536)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut server =
                tokio_tungstenite::accept_async(listener.accept().await.unwrap().0).await.unwrap();
            server.send(WsMessage::text(OPEN)).await.unwrap();
            for count in [limit, limit + 1] {
                for frame in fragments((0..count).map(|_| Vec::new())) {
                    server.feed(frame).await.unwrap();
                }
                server.flush().await.unwrap();
            }
            server
        });
        let builder = builder(addr)
            .transports([Transport::WebSocket])
            .configure(|config| config.max_fragments = setting.unwrap_or(config.max_fragments));
        let mut client = soon(builder.connect()).await.unwrap();
        assert_eq!(message(&mut client).await, Message::from(Vec::new()));
        let closed = closed(&mut client).await;
        let expected = FrameError::Protocol(WsError::TooManyFragments);
        assert!(
            matches!(&closed, Closed::TransportError(TransportError::Frame(error)) if error.to_string() == expected.to_string()),
            "{closed:?}"
        );
        drop(soon(server).await.unwrap());
    }
}

/// A server can make the client hold one response to a poll; the number of packets in it is limited.
#[tokio::test]
async fn the_packets_of_a_poll_response_are_bounded() {
    let addr = peer(|_| ok(&format!("{OPEN}{}", "\u{1e}4a".repeat(10)))).await;
    let builder = builder(addr).configure(|config| config.max_packets_per_payload = 5);
    let mut client = soon(builder.connect()).await.unwrap();
    for _ in 0..4 {
        assert_eq!(message(&mut client).await, "a".into());
    }
    let closed = closed(&mut client).await;
    assert!(matches!(closed, Closed::TransportError(TransportError::Packet(_))), "{closed:?}");
}

/// Messages that a server sent before a reset are delivered, although writes to the server fail.
#[tokio::test]
async fn messages_before_a_reset_are_delivered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut server = tokio_tungstenite::accept_async(listener.accept().await.unwrap().0).await.unwrap();
        server.send(WsMessage::text(OPEN.replace("30", "25000"))).await.unwrap();
        // A connection that is dropped with unread bytes in it is reset.
        server.get_ref().readable().await.unwrap();
        for text in ["4first", "4last"] {
            server.feed(WsMessage::text(text)).await.unwrap();
        }
        // In one write: what the system holds back is not sent before a reset.
        server.flush().await.unwrap();
    });
    let mut client = connect_on(addr, Transport::WebSocket).await;
    // Nothing is read before the connection is reset.
    client.set_reading(false);
    client.sender().send("unread").unwrap();
    assert!(client.recv().now_or_never().is_none());
    soon(server).await.unwrap();
    client.sender().send("lost").unwrap();
    assert!(client.recv().now_or_never().is_none());
    client.set_reading(true);
    for text in ["first", "last"] {
        assert_eq!(message(&mut client).await, Message::from(text));
    }
    let closed = closed(&mut client).await;
    assert!(matches!(closed, Closed::TransportError(TransportError::Frame(FrameError::Io(_)))), "{closed:?}");
}
