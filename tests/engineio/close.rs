//! Close of a session.

use std::time::Duration;

use engineio::{CloseReason, Config, Fault, Server};
use tests::raw::{Request, Response, ServerEvent, start, start_echo, start_greeting, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// EIO-PROTO-20
#[tokio::test]
async fn a_close_packet_releases_the_waiting_poll_with_a_noop() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let parked = client.park(&running).await;
    assert_eq!(client.post("1").await.both(), (200, "ok"));
    assert_eq!(parked.await.unwrap().both(), (200, "6"));
    assert_eq!(client.get().await.status, 400);
    assert_eq!(running.closed().await, CloseReason::TransportClose);
}

/// EIO-PROTO-21
#[tokio::test]
async fn a_close_packet_closes_the_websocket() {
    let mut running = start(Server::builder()).await;
    let mut ws = running.websocket().await;
    ws.send("1").await;
    assert_eq!(ws.closed().await, None);
    assert_eq!(running.closed().await, CloseReason::TransportClose);
    running.emptied().await;
}

/// EIO-PROTO-11, EIO-PROTO-15, EIO-SRV-098, EIO-SRV-099
#[tokio::test]
async fn invalid_packets_end_the_session() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    assert_eq!(client.post("abc").await.status, 400);
    assert_eq!(client.get().await.status, 400);
    assert_eq!(running.closed().await, CloseReason::ParseError);

    let mut ws = running.websocket().await;
    ws.send("invalid").await;
    assert_eq!(ws.closed().await, None);
    assert_eq!(running.closed().await, CloseReason::ParseError);
    running.emptied().await;
}

/// EIO-SRV-080
#[tokio::test]
async fn packets_behind_a_close_packet_are_not_delivered() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    client.post("4a\u{1e}1\u{1e}4b").await;
    let mut messages = 0;
    let reason = running.find(|seen| match seen {
        ServerEvent::Message(..) => {
            messages += 1;
            None
        }
        ServerEvent::Close(reason, _) => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, CloseReason::TransportClose);
    assert_eq!(messages, 1);
}

/// The reasons at the client are those of `engineio_client::close`.
#[tokio::test]
async fn a_close_by_the_server_is_orderly() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let parked = client.park(&running).await;
    running.opened().await.close();
    assert_eq!(parked.await.unwrap().both(), (200, "1"));
    assert_eq!(running.closed().await, CloseReason::ForcedClose);
    assert_eq!(CloseReason::ForcedClose.to_string(), "forced close");

    let mut ws = running.websocket().await;
    running.opened().await.close();
    assert_eq!(ws.closed().await, None);
    assert_eq!(running.closed().await, CloseReason::ForcedClose);
    running.emptied().await;
}

/// A poll that arrives after the close gets a noop before the close packet, as from the official server.
#[tokio::test]
async fn a_poll_after_the_close_receives_a_noop_and_the_close_packet() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    running.opened().await.close();
    assert_eq!(client.poll().await, "6\u{1e}1");
    assert_eq!(running.closed().await, CloseReason::ForcedClose);
}

/// EIO-SRV-106, EIO-SRV-117
#[tokio::test]
async fn messages_sent_before_a_close_are_delivered() {
    let running = start_greeting(Server::builder(), |session| {
        for message in ["a", "b", "c"] {
            session.send(message).unwrap();
        }
        session.close();
        assert_eq!(session.send("d"), Err(engineio::SendError::Closed));
    })
    .await;
    let client = running.polling().await;
    assert_eq!(client.poll().await, "4a\u{1e}4b\u{1e}4c");
    // In a payload of its own: the official Socket.IO client loses the events of a payload that ends with the
    // close packet.
    assert_eq!(client.poll().await, "6\u{1e}1");
    let mut ws = running.websocket().await;
    for message in ["4a", "4b", "4c"] {
        assert_eq!(ws.text().await, message);
    }
    assert_eq!(ws.closed().await, None);
    running.emptied().await;
}

/// EIO-SRV-069, EIO-SRV-104, EIO-SRV-105, EIO-SRV-147, EIO-SRV-148
#[tokio::test]
async fn an_abort_drops_queued_messages() {
    for orderly_first in [false, true] {
        let mut running = start(Server::builder()).await;
        let client = running.polling().await;
        let session = running.opened().await;
        let sent = session.send_tracked("never").unwrap();
        if orderly_first {
            session.close();
        }
        session.abort();
        let (reason, unsent) =
            running.find(|seen| if let ServerEvent::Close(r, n) = seen { Some((r, n)) } else { None }).await;
        assert_eq!((reason, unsent), (CloseReason::ForcedClose, 1), "readable in the handler");
        assert_eq!(sent.await, Err(engineio::SendError::Closed));
        assert_eq!(session.queued_messages(), 0, "and dropped afterwards");
        assert_eq!(client.get().await.status, 400);
    }
}

/// EIO-SRV-083
#[tokio::test]
async fn a_broken_poll_ends_the_session() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    stream.write_all(&Request::new("GET", &client.target).bytes()).await.unwrap();
    let session = running.opened().await;
    until(async || session.can_send_now()).await;
    drop(stream);
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::PollAborted));
    assert_eq!(Fault::PollAborted.to_string(), "poll connection closed prematurely");
    assert_eq!(CloseReason::TransportError(Fault::PollAborted).to_string(), "transport error");
}

/// EIO-SRV-090
#[tokio::test]
async fn a_close_ends_the_post_in_flight() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n4abc", client.target);
    stream.write_all(head.as_bytes()).await.unwrap();
    running.opened().await.abort();
    assert_eq!(Response::read(&mut stream).await.status, 400);
    assert_eq!(running.closed().await, CloseReason::ForcedClose);
    running.emptied().await;
}

/// A POST whose connection breaks ends the session.
#[tokio::test]
async fn a_broken_post_ends_the_session() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n4abc", client.target);
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::PostAborted));
    assert_eq!(client.get().await.status, 400);
}

/// EIO-SRV-100
#[tokio::test]
async fn a_close_during_a_probe_closes_the_probe() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let mut probe = client.probe().await.unwrap();
    probe.send("2probe").await;
    assert_eq!(probe.text().await, "3probe");
    running.opened().await.close();
    assert_eq!(client.poll().await, "6\u{1e}1");
    assert_eq!(probe.closed().await, None);
    running.emptied().await;
}

/// EIO-SRV-081
#[tokio::test]
async fn a_broken_probe_does_not_affect_the_session() {
    let running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    client.probe().await.unwrap().cut();
    client.post("4a").await;
    assert_eq!(client.poll().await, "4a");
}

/// A panic of a handler ends only its own session.
#[tokio::test]
async fn a_handler_panic_ends_only_its_session() {
    struct Panicking;
    impl engineio::Handler for Panicking {
        fn on_message(&mut self, session: &engineio::Session, message: engineio::Message) {
            assert_ne!(message.as_bytes(), b"panic", "as asked");
            let _ = session.send(message);
        }
    }
    let server = Server::builder().build(|_: &engineio::Session| Panicking).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    let open = "/engine.io/?EIO=4&transport=websocket";
    let mut victim = tests::raw::WebSocket::open(addr, open).await.unwrap();
    let mut other = tests::raw::WebSocket::open(addr, open).await.unwrap();
    victim.text().await;
    other.text().await;
    victim.send("4panic").await;
    assert_eq!(victim.closed().await, Some(1011));
    other.send("4hello").await;
    assert_eq!(other.text().await, "4hello");
    assert_eq!((server.stats().sessions, server.stats().panics), (1, 1));
}

/// A client that does not read the messages sent before an orderly close delays the close, and holds memory,
/// only until the deadline.
#[tokio::test]
async fn an_orderly_close_has_a_deadline() {
    let mut config = Config::default();
    config.close_timeout = Duration::from_millis(20);
    let mut running = start(Server::builder().config(config)).await;
    running.polling().await;
    let session = running.opened().await;
    session.send("x".repeat(100_000)).unwrap();
    session.close();
    assert!(session.queued_bytes() >= 100_000);
    assert_eq!(running.closed().await, CloseReason::ForcedClose);
    drop(session);
    running.emptied().await;
    assert_eq!(running.server.stats().queued_bytes, 0);
}
