//! Sessions of clients whose WebSocket speaks another protocol than Engine.IO.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use engineio::frame::CloseCode;
use engineio::{
    Body, CloseReason, Delivery, Fault, FrameWriter, HttpServer, Message, OpenError, Prepared, RequestBody,
    Routes, SendError, Server, Session, SlowConsumer, TextBuf, Translator,
};
use http::{Request, Response, StatusCode};
use tests::raw::{LONG, Request as Raw, Running, WebSocket, soon, start, start_echo, until};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as WsMessage;

/// A translator that puts a prefix in front of each text.
#[derive(Default)]
struct PrefixTranslator {
    opening: Option<Message>,
    /// Receives the messages of the application.
    sent: Option<mpsc::UnboundedSender<Message>>,
}

impl Translator for PrefixTranslator {
    fn first_message(&mut self) -> Option<Message> {
        self.opening.take()
    }

    fn incoming(&mut self, session: &Session, message: Message, deliver: &mut dyn FnMut(Delivery<'_>)) {
        match message.as_bytes() {
            b"nothing" => {}
            b"leave" => session.close(),
            b"ask" => session.send("answer").unwrap(),
            b"twice" => (0..2).for_each(|_| deliver(message.clone().into())),
            text if matches!(message, Message::Text(_)) => {
                deliver(Message::from(format!("in {}", String::from_utf8_lossy(text))).into());
            }
            _ => deliver(message.into()),
        }
    }

    fn outgoing(&mut self, _: &Session, message: &Prepared, frames: &mut FrameWriter) {
        let messages: Vec<Message> = message.messages().collect();
        if let Some(sent) = &self.sent {
            messages.iter().for_each(|message| sent.send(message.clone()).unwrap_or_default());
        }
        let [first, attachments @ ..] = &messages[..] else { return };
        let text = match first {
            Message::Text(text) if text.as_str() == "in silence" => return,
            Message::Text(text) => text.as_str(),
            Message::Binary(data) => return frames.binary(data.clone()),
        };
        let note = message.note().map_or_else(String::new, |note| format!(" ({})", note.as_str()));
        frames.text(|out| out.extend_from_slice(format!("out {text}{note}").as_bytes()));
        attachments.iter().for_each(|part| frames.binary(Bytes::copy_from_slice(part.as_bytes())));
    }

    fn close_frame(
        &mut self,
        reason: CloseReason,
        code: Option<CloseCode>,
    ) -> Option<(CloseCode, &'static str)> {
        match reason {
            CloseReason::ForcedClose => Some((CloseCode::GOING_AWAY, "enough")),
            _ => code.map(|code| (code, "over")),
        }
    }
}

/// A listener for clients of the other protocol. `answer` is the handler of their requests.
async fn port<F, Fut>(running: &Running, answer: F) -> SocketAddr
where
    F: Fn(Server, Request<RequestBody>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = running.server.clone();
    let http = HttpServer::new(Routes::new(move |request| answer(server.clone(), request)));
    tokio::spawn(async move { http.serve(&listener, std::future::pending()).await });
    addr
}

async fn open(server: Server, request: Request<RequestBody>) -> Response<Body> {
    opened(server.open_translated(request, PrefixTranslator::default()).await)
}

fn opened(result: Result<(Session, Response<Body>), OpenError>) -> Response<Body> {
    match result {
        Ok((_, switching)) => switching,
        Err(OpenError::Refused(answer)) => *answer,
        Err(OpenError::Handshake { status, .. }) => refusal(status),
        Err(error) => panic!("{error}"),
    }
}

fn refusal(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

async fn connect(running: &Running) -> WebSocket {
    WebSocket::open(port(running, open).await, "/any?path").await.unwrap()
}

/// Waits until no session occupies memory.
async fn freed(running: &Running) {
    running.emptied().await;
    until(async || running.server.stats().outboxes == 0).await;
    assert_eq!(running.server.stats().queued_bytes, 0);
}

#[tokio::test]
async fn messages_are_translated_in_both_directions_and_in_order() {
    let mut running = start_echo(Server::builder()).await;
    let mut ws = connect(&running).await;
    let session = running.opened().await;
    assert!(session.request().is_translated() && session.request().target() == "/any?path");
    ws.send("a").await;
    assert_eq!(running.message().await, Message::from("in a"));
    assert_eq!(ws.text().await, "out in a");
    ws.send_binary(&[0, 255]).await;
    assert_eq!(running.message().await, Message::from(vec![0, 255]));
    assert_eq!(ws.binary().await, [0, 255]);
    // Messages without a translation, and with several.
    ws.send_together(["nothing", "silence", "twice", "ask", "silence", "b"].map(str::to_owned)).await;
    for text in ["out twice", "out twice", "out answer", "out in b"] {
        assert_eq!(ws.text().await, text);
    }
    assert_eq!((session.queued_bytes(), session.queued_messages()), (0, 0));
    session.send_tracked("in silence").unwrap().await.unwrap();
    session.send(Prepared::text("noted").with_note("note".into())).unwrap();
    let mut parts = TextBuf::with_capacity(0);
    parts.buffer().extend_from_slice(b"parts");
    session.send(parts.finish_with([Bytes::from_static(&[1])])).unwrap();
    let large = Bytes::from(vec![7; 300_000]);
    session.send(large.clone()).unwrap();
    session.send_tracked("last").unwrap().await.unwrap();
    assert_eq!([ws.text().await, ws.text().await], ["out noted (note)", "out parts"]);
    assert_eq!(ws.binary().await, [1]);
    assert_eq!(ws.binary().await, large);
    assert_eq!(ws.text().await, "out last");
}

/// The application decides about the response to the opening handshake.
#[tokio::test]
async fn the_first_message_decides_about_the_response() {
    let mut running = start_echo(Server::builder()).await;
    let addr = port(&running, |server, request| async move {
        let (sent, mut messages) = mpsc::unbounded_channel();
        let opening = request.uri().query().map(|query| Message::from(query.to_owned()));
        let translator = PrefixTranslator { opening, sent: Some(sent) };
        let (session, switching) = server.open_translated(request, translator).await.unwrap();
        let first = soon(messages.recv()).await.unwrap();
        session.send("more").unwrap();
        if first == Message::from("good") { switching } else { refusal(StatusCode::FORBIDDEN) }
    })
    .await;
    let mut ws = WebSocket::open(addr, "/?good").await.unwrap();
    assert_eq!(running.message().await, Message::from("good"));
    assert_eq!([ws.text().await, ws.text().await], ["out good", "out more"]);
    assert_eq!(WebSocket::open(addr, "/?bad").await.err(), Some(403));
    assert_eq!(running.closed().await, CloseReason::TransportClose);
    ws.cut();
    assert_eq!(running.closed().await, CloseReason::TransportClose);
    freed(&running).await;
}

/// A client without a response cannot answer pings.
#[tokio::test]
async fn heartbeats_begin_with_the_response() {
    let builder =
        Server::builder().ping_interval(Duration::from_millis(10)).ping_timeout(Duration::from_millis(500));
    let mut running = start(builder).await;
    let (let_in, waiting) = mpsc::channel::<()>(1);
    let waiting = std::sync::Arc::new(tokio::sync::Mutex::new(waiting));
    let addr = port(&running, move |server, request| {
        let waiting = std::sync::Arc::clone(&waiting);
        async move {
            let opened = server.open_translated(request, PrefixTranslator::default()).await;
            waiting.lock().await.recv().await;
            self::opened(opened)
        }
    })
    .await;
    let connecting = tokio::spawn(async move { WebSocket::open(addr, "/").await });
    let session = running.opened().await;
    assert!(tokio::time::timeout(Duration::from_millis(1500), running.closed()).await.is_err());
    let_in.send(()).await.unwrap();
    let mut ws = soon(connecting).await.unwrap().unwrap();
    for _ in 0..3 {
        // Reading answers the ping.
        assert_eq!(ws.next().await, Some(WsMessage::Ping(Bytes::new())));
    }
    assert!(session.is_open());
    // A client that stops reading times out.
    assert_eq!(running.closed().await, CloseReason::PingTimeout);
}

#[tokio::test]
async fn the_close_frame_follows_queued_messages_and_has_a_reason() {
    let mut running = start(Server::builder()).await;
    let mut ws = connect(&running).await;
    let session = running.opened().await;
    for number in 0..200 {
        session.send(number.to_string()).unwrap();
    }
    session.close();
    for number in 0..200 {
        assert_eq!(ws.text().await, format!("out {number}"));
    }
    let Some(WsMessage::Close(Some(frame))) = ws.next().await else { panic!("a close frame") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "enough"));
    assert_eq!(running.closed().await, CloseReason::ForcedClose);
    ws.cut();
    drop(session);

    // The translator may close the session.
    let mut ws = connect(&running).await;
    ws.send_together(["ask", "leave", "too late"].map(str::to_owned)).await;
    assert_eq!(ws.text().await, "out answer");
    assert_eq!(ws.closed().await, Some(1001));
    assert_eq!(running.closed().await, CloseReason::ForcedClose);
    ws.cut();
    freed(&running).await;
}

#[tokio::test]
async fn a_session_ends_with_its_connection() {
    let mut running = start(Server::builder().max_payload(100)).await;
    let mut ws = connect(&running).await;
    ws.close().await;
    assert_eq!(running.closed().await, CloseReason::TransportClose);
    connect(&running).await.cut();
    assert_eq!(running.closed().await, CloseReason::TransportClose);
    let mut ws = connect(&running).await;
    ws.send(&"x".repeat(101)).await;
    assert_eq!(ws.closed().await, Some(1009));
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::WebSocket));
    drop(ws);
    freed(&running).await;
}

#[tokio::test]
async fn translated_sessions_count_towards_the_session_limit() {
    let mut running = start(Server::builder().max_sessions(1)).await;
    let addr = port(&running, open).await;
    let ws = WebSocket::open(addr, "/").await.unwrap();
    assert_eq!(running.server.stats().sessions, 1);
    assert_eq!(WebSocket::open(addr, "/").await.err(), Some(503));
    assert_eq!(running.get("/engine.io/?EIO=4&transport=polling").await.status, 503);
    ws.cut();
    assert_eq!(running.closed().await, CloseReason::TransportClose);
    freed(&running).await;
    WebSocket::open(addr, "/").await.unwrap();
}

/// Messages that the client does not read stay in the outbox, within its limit.
#[tokio::test]
async fn a_client_that_reads_nothing_reaches_the_outbox_limit() {
    let builder = Server::builder().max_buffered(1_000_000, SlowConsumer::Disconnect);
    let mut running = start(builder).await;
    let ws = connect(&running).await;
    let session = running.opened().await;
    let message = Prepared::text(&"x".repeat(50_000));
    let full = soon(async {
        loop {
            if let Err(error) = session.send(message.clone()) {
                return error;
            }
            assert!(session.queued_bytes() <= 1_000_000);
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(full, SendError::Full);
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::SlowConsumer));
    drop((ws, session));
    freed(&running).await;
}

#[tokio::test]
async fn a_drain_ends_translated_sessions_and_pending_handshakes() {
    let mut running = start(Server::builder()).await;
    let mut ws = connect(&running).await;
    let addr = port(&running, |server, request| async move {
        let opened = server.open_translated(request, PrefixTranslator::default()).await;
        std::future::pending::<()>().await;
        self::opened(opened)
    })
    .await;
    let waiting = tokio::spawn(async move { WebSocket::open(addr, "/").await.err() });
    until(async || running.server.stats().sessions >= 2).await;
    let server = running.server.clone();
    let draining = tokio::spawn(async move { server.drain(Duration::from_secs(4), Duration::ZERO).await });
    assert_eq!(ws.closed().await, Some(1001));
    tokio::time::timeout(LONG, draining).await.unwrap().unwrap();
    assert_eq!([running.closed().await, running.closed().await], [CloseReason::ForcedClose; 2]);
    waiting.abort();
    freed(&running).await;
}

#[tokio::test]
async fn translated_handshakes_pass_all_checks() {
    let builder = Server::builder().allow_request(|parts| {
        let allowed = parts.uri.path() != "/forbidden";
        async move { if allowed { Ok(()) } else { Err("no".to_owned()) } }
    });
    let running = start(builder).await;
    let addr = port(&running, open).await;
    // The same status as for other refused requests for a WebSocket.
    assert_eq!(WebSocket::open(addr, "/forbidden").await.err(), Some(400));
    for (headers, status) in [
        (&[("upgrade", "websocket")][..], 400),
        (&[("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "8")], 426),
    ] {
        let request =
            headers.iter().fold(Raw::new("GET", "/"), |request, (name, value)| request.header(name, value));
        assert_eq!(request.send(addr).await.status, status);
    }
    assert_eq!(running.server.stats().sessions, 0);
    WebSocket::open(addr, "/").await.unwrap();
}
