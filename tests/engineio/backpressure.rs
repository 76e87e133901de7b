//! Slow clients, full outboxes and busy handlers.

use std::task::{Context, Poll};
use std::time::Duration;

use engineio::{CloseReason, Fault, Handler, Message, Prepared, SendError, Server, Session, SlowConsumer};
use tests::raw::{LONG, Polling, Request, Response, Running, WebSocket, soon, start, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Waits until the transport has taken all messages of the outbox.
async fn taken(session: &Session) {
    until(async || session.queued_bytes() == 0).await;
}

/// A response that is being written holds memory as long as a message in the outbox does.
#[tokio::test]
async fn an_unread_response_counts_towards_the_outbox_limit() {
    let builder = Server::builder().max_buffered(1 << 20, SlowConsumer::Refuse).http_compression(None);
    let mut running = start(builder).await;
    let client = running.polling().await;
    let session = running.opened().await;
    // More than the kernel buffers; a single message may have any size.
    session.send("x".repeat(32 << 20)).unwrap();
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    stream.write_all(&Request::new("GET", &client.target).bytes()).await.unwrap();
    taken(&session).await;
    assert_eq!(session.send("y".repeat(32 << 20)), Err(SendError::Full));
    assert_eq!(Response::read(&mut stream).await.body.len(), 1 + (32 << 20));
    soon(session.send_when_ready("z".repeat(32 << 20))).await.unwrap();
}

/// Waits until the server counts this many queued bytes.
async fn queued(running: &Running, is: impl Fn(usize) -> bool) {
    until(async || is(running.server.stats().queued_bytes)).await;
}

/// Clients that read nothing hold at most the budget of the server, and the other clients still receive their
/// messages.
#[tokio::test]
async fn clients_that_read_nothing_stay_within_the_server_budget() {
    let mut running = start(Server::builder().max_queued_bytes(4_000_000)).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        running.polling().await;
        sessions.push(running.opened().await);
    }
    let victim = running.polling().await;
    let little = running.opened().await;
    let text = "x".repeat(100_000);
    // The client of the last session is slow too, but little data waits for it.
    sessions[3].send("little").unwrap();
    for session in &sessions[..2] {
        for _ in 0..8 {
            session.send(text.as_str()).unwrap();
        }
    }
    let refused = loop {
        if let Err(error) = sessions[2].send(text.as_str()) {
            break error;
        }
    };
    assert_eq!(refused, SendError::ServerFull);
    let queued_bytes = running.server.stats().queued_bytes;
    assert!((2_800_000..=3_000_000).contains(&queued_bytes), "{queued_bytes}");
    little.send(text.as_str()).unwrap();
    sessions[3].send("more").unwrap();
    assert_eq!(victim.poll().await, format!("4{text}"));
    // The session with the most queued data is closed, which frees budget.
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::SlowConsumer));
    queued(&running, |bytes| bytes < 2_000_000).await;
    sessions[1].send(text.as_str()).unwrap();
    assert_eq!(running.server.stats().sessions, 4);
    running.server.close();
    running.emptied().await;
    drop((sessions, little));
    assert_eq!(running.server.stats().queued_bytes, 0);
}

/// A response that the client does not read counts after its session has ended, until the connection ends.
#[tokio::test]
async fn an_unread_response_counts_after_the_end_of_its_session() {
    let mut running = start(Server::builder().http_compression(None)).await;
    let client = running.polling().await;
    let session = running.opened().await;
    session.send("x".repeat(32 << 20)).unwrap();
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    stream.write_all(&Request::new("GET", &client.target).bytes()).await.unwrap();
    taken(&session).await;
    session.abort();
    running.closed().await;
    drop(session);
    assert!(running.server.stats().queued_bytes >= 32 << 20);
    assert_eq!(Response::read(&mut stream).await.body.len(), 1 + (32 << 20));
    queued(&running, |bytes| bytes == 0).await;
}

/// The policies that drop messages keep the session open and within its limit, and count what they drop.
#[tokio::test]
async fn messages_for_a_slow_client_are_dropped_by_policy() {
    let key = |key: u32| std::num::NonZeroU32::new(key).unwrap();
    for (policy, expected) in [
        (SlowConsumer::DropNewest, ["40", "41", "42"]),
        (SlowConsumer::DropOldest, ["497", "498", "499"]),
        (SlowConsumer::Conflate, ["497", "498", "499"]),
    ] {
        // Space for three messages.
        let mut running = start(Server::builder().max_buffered(450, policy)).await;
        let client = running.polling().await;
        let session = running.opened().await;
        for number in 0..100 {
            session.send(number.to_string()).unwrap();
        }
        assert_eq!((session.queued_messages(), session.dropped_messages()), (3, 97), "{policy:?}");
        let drained = session.drained();
        assert_eq!(client.poll().await.split('\u{1e}').collect::<Vec<_>>(), expected, "{policy:?}");
        soon(drained).await.unwrap();
        for number in 0..50 {
            session.send(Prepared::text(&number.to_string()).conflate_by(key(1 + number % 2))).unwrap();
        }
        let latest = if policy == SlowConsumer::Conflate { 2 } else { 3 };
        assert_eq!(session.queued_messages(), latest, "{policy:?}");
        assert_eq!(running.server.stats().dropped_messages, 97 + 50 - latest, "{policy:?}");
        assert!(client.poll().await.ends_with(if policy == SlowConsumer::DropNewest {
            "42"
        } else {
            "\u{1e}449"
        }));
        // A tracked message is not dropped silently.
        for _ in 0..3 {
            drop(session.send_tracked("a").unwrap());
        }
        assert_eq!(session.send_tracked("b").err(), Some(SendError::Full), "{policy:?}");
        assert_eq!(client.poll().await, "4a\u{1e}4a\u{1e}4a", "{policy:?}");
    }
}

/// The default policy: a slow client is closed, and the close carries the reason.
#[tokio::test]
async fn a_slow_consumer_is_disconnected() {
    let mut running = start(Server::builder().max_buffered(1000, SlowConsumer::Disconnect)).await;
    let client = running.polling().await;
    let session = running.opened().await;
    session.send("x".repeat(900)).unwrap();
    assert_eq!(session.send("x".repeat(900)), Err(SendError::Full));
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::SlowConsumer));
    assert_eq!(client.get().await.status, 400);

    let mut ws = running.websocket().await;
    let session = running.opened().await;
    // Faster than the session's task can write.
    while session.send("x".repeat(600)).is_ok() {}
    assert_eq!(ws.closed().await, Some(1008));
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::SlowConsumer));
}

/// The other policy: the sender decides.
#[tokio::test]
async fn a_full_outbox_refuses_messages_or_delays_the_sender() {
    let mut running = start(Server::builder().max_buffered(1000, SlowConsumer::Refuse)).await;
    let client = running.polling().await;
    let session = running.opened().await;
    session.send("a".repeat(900)).unwrap();
    assert_eq!(session.send("b".repeat(900)), Err(SendError::Full));
    assert_eq!(session.send_volatile("c"), Ok(false));
    let waiting = session.clone();
    let waiter = tokio::spawn(async move { waiting.send_when_ready("d".repeat(900)).await });
    assert_eq!(client.poll().await, format!("4{}", "a".repeat(900)));
    soon(waiter).await.unwrap().unwrap();
    assert_eq!(client.poll().await, format!("4{}", "d".repeat(900)));
}

/// A handler that is busy from its first message until it is released.
struct Busy {
    taken: usize,
    release: tokio::sync::oneshot::Receiver<()>,
}

impl Busy {
    async fn serve() -> (std::net::SocketAddr, tokio::sync::oneshot::Sender<()>) {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let receiver = std::sync::Mutex::new(Some(receiver));
        let accept = move |_: &Session| Self {
            taken: 0,
            release: receiver.lock().unwrap().take().expect("one session"),
        };
        let server = Server::builder().build(accept).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move { server.serve(listener).await });
        (addr, sender)
    }
}

impl Handler for Busy {
    fn on_message(&mut self, session: &Session, _: Message) {
        self.taken += 1;
        let _ = session.send(self.taken.to_string());
    }
    fn poll(&mut self, _: &Session, cx: &mut Context<'_>) -> Poll<()> {
        if self.taken == 1 && std::pin::Pin::new(&mut self.release).poll(cx).is_ready() {
            self.taken = 10;
        }
        Poll::Ready(())
    }
    fn is_ready(&self) -> bool {
        self.taken != 1
    }
}

/// A handler that is not ready blocks the peer: with polling, the response to its POST is delayed.
#[tokio::test]
async fn a_busy_handler_delays_the_response_to_a_post() {
    let (addr, sender) = Busy::serve().await;
    let client = Polling::open(addr, "/engine.io/?EIO=4&transport=polling").await;
    let posting = client.clone();
    let posted = tokio::spawn(async move { posting.post("4a\u{1e}4b\u{1e}4c").await });
    assert_eq!(client.poll().await, "41", "the rest of the payload waits");
    sender.send(()).unwrap();
    assert_eq!(soon(posted).await.unwrap().both(), (200, "ok"));
    assert_eq!(client.poll().await, "411\u{1e}412");
}

/// The same over WebSocket, where nothing is read.
#[tokio::test]
async fn a_busy_handler_stops_the_reading() {
    let (addr, sender) = Busy::serve().await;
    let mut ws = WebSocket::open(addr, "/engine.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    ws.send("4a").await;
    assert_eq!(ws.text().await, "41");
    ws.send("4b").await;
    // The second message is not read before the handler is released.
    assert!(tokio::time::timeout(Duration::from_millis(50), ws.next()).await.is_err());
    sender.send(()).unwrap();
    assert_eq!(tokio::time::timeout(LONG, ws.text()).await.unwrap(), "411");
}
