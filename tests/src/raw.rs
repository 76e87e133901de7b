//! Clients that send exactly the bytes of a test: plain HTTP, Engine.IO polling, and WebSocket; and a server
//! that reports its events to the test.

use std::net::SocketAddr;
use std::time::Duration;

use engineio::{
    CloseReason, Handler, Message, PacketType, Prepared, Server, ServerBuilder, Session, Transport,
};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Error as WsError, Message as WsMessage};

/// Longer than any step of a test; a wait ends as soon as its condition holds.
pub const LONG: Duration = Duration::from_secs(20);

/// Waits for a future that must complete.
pub async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(LONG, what).await.expect("did not happen")
}

/// Events of a server's sessions.
#[derive(Debug)]
pub enum Seen {
    /// A session opened.
    Open(Session),
    /// A message arrived.
    Message(Session, Message),
    /// A packet of any type arrived.
    Packet(PacketType),
    /// Packets were handed to the transport.
    Flush(Vec<PacketType>),
    /// The outbox ran empty.
    Drain,
    /// The session changed its transport.
    Upgrade(Transport),
    /// The session ended, with this many messages unsent.
    Close(CloseReason, usize),
}

/// A running server and its events.
pub struct Running {
    /// The address on which it listens.
    pub addr: SocketAddr,
    /// The server.
    pub server: Server,
    seen: mpsc::UnboundedReceiver<Seen>,
}

struct Recorder(mpsc::UnboundedSender<Seen>, bool);

impl Handler for Recorder {
    fn on_message(&mut self, session: &Session, message: Message) {
        let _ = self.0.send(Seen::Message(session.clone(), message.clone()));
        if self.1 {
            let _ = session.send(message);
        }
    }
    fn on_close(&mut self, session: &Session, reason: CloseReason) {
        let _ = self.0.send(Seen::Close(reason, session.queued_messages()));
    }
    fn on_upgrade(&mut self, _: &Session, transport: Transport) {
        let _ = self.0.send(Seen::Upgrade(transport));
    }
    fn on_packet(&mut self, _: &Session, kind: PacketType) {
        let _ = self.0.send(Seen::Packet(kind));
    }
    fn on_flush(&mut self, _: &Session, packets: &[Prepared]) {
        let _ = self.0.send(Seen::Flush(packets.iter().map(Prepared::kind).collect()));
    }
    fn on_drain(&mut self, _: &Session) {
        let _ = self.0.send(Seen::Drain);
    }
}

/// Starts a server that only records.
pub async fn start(builder: ServerBuilder) -> Running {
    launch(builder, false, |_| ()).await
}

/// Starts a server that records and sends every message back.
pub async fn start_echo(builder: ServerBuilder) -> Running {
    launch(builder, true, |_| ()).await
}

/// Starts a server that records, and sends a message to each new session.
pub async fn start_greeting(
    builder: ServerBuilder,
    greet: impl Fn(&Session) + Send + Sync + 'static,
) -> Running {
    launch(builder, false, greet).await
}

async fn launch(
    builder: ServerBuilder,
    echo: bool,
    greet: impl Fn(&Session) + Send + Sync + 'static,
) -> Running {
    let (sender, seen) = mpsc::unbounded_channel();
    let accept = move |session: &Session| {
        let _ = sender.send(Seen::Open(session.clone()));
        greet(session);
        Recorder(sender.clone(), echo)
    };
    let server = builder.build(accept).expect("the settings are valid");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    Running { addr, server, seen }
}

impl Running {
    /// The next session that opens.
    pub async fn opened(&mut self) -> Session {
        self.find(|seen| if let Seen::Open(session) = seen { Some(session) } else { None }).await
    }

    /// The next message.
    pub async fn message(&mut self) -> Message {
        self.find(|seen| if let Seen::Message(_, message) = seen { Some(message) } else { None }).await
    }

    /// The close reason of the next session that ends.
    pub async fn closed(&mut self) -> CloseReason {
        self.find(|seen| if let Seen::Close(reason, _) = seen { Some(reason) } else { None }).await
    }

    /// The next event that `pick` accepts; earlier ones are skipped.
    pub async fn find<T>(&mut self, mut pick: impl FnMut(Seen) -> Option<T>) -> T {
        loop {
            let seen = soon(self.seen.recv()).await.expect("the server is there");
            if let Some(found) = pick(seen) {
                return found;
            }
        }
    }

    /// Waits until the server holds no state of any session.
    pub async fn emptied(&self) {
        soon(async {
            loop {
                let stats = self.server.stats();
                if (stats.sessions, stats.tasks, stats.connections) == (0, 0, 0) {
                    return;
                }
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Opens a polling session.
    pub async fn polling(&self) -> Polling {
        Polling::open(self.addr, "/engine.io/?EIO=4&transport=polling").await
    }

    /// Opens a WebSocket session and takes its open packet.
    pub async fn websocket(&self) -> WebSocket {
        let mut ws =
            WebSocket::open(self.addr, "/engine.io/?EIO=4&transport=websocket").await.expect("accepted");
        assert!(ws.text().await.starts_with("0{"));
        ws
    }

    /// A GET request.
    pub async fn get(&self, target: &str) -> Response {
        Request::new("GET", target).send(self.addr).await
    }
}

/// An HTTP request.
#[derive(Clone, Debug)]
pub struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    /// A request for a target, on a connection of its own.
    pub fn new(method: &str, target: &str) -> Self {
        Self::with_host(method, target, "localhost")
    }

    /// The same, with another host than `localhost`.
    pub fn with_host(method: &str, target: &str, host: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        Self { head: head.into_bytes(), body: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    /// Adds a header whose value may be any bytes.
    #[must_use]
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        self
    }

    /// Sets the body, with its length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        let len = self.body.len();
        self.header("content-length", &len.to_string())
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        [&self.head[..], b"\r\n", &self.body].concat()
    }

    /// Sends the request and reads the response to its end.
    pub async fn send(&self, addr: SocketAddr) -> Response {
        let mut stream = TcpStream::connect(addr).await.expect("the server listens");
        stream.write_all(&self.bytes()).await.expect("the server reads");
        Response::read(&mut stream).await
    }
}

/// An HTTP response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads until the server closes the connection.
    pub async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A reset after the response counts as a close too.
        let _ = soon(stream.read_to_end(&mut bytes)).await;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let body = bytes.split_off(end + 4);
        Self::new(&bytes, body)
    }

    /// Reads one response from a connection that stays open.
    pub async fn read_one(stream: &mut TcpStream) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.expect("a whole head"));
        }
        let mut response = Self::new(&head, Vec::new());
        let length = response.header("content-length").and_then(|length| length.parse().ok());
        response.body = vec![0; length.unwrap_or(0)];
        soon(stream.read_exact(&mut response.body)).await.expect("a whole body");
        response
    }

    fn new(head: &[u8], body: Vec<u8>) -> Self {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.trim_end().lines();
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Self { status, headers, body }
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// Status and body.
    pub fn both(&self) -> (u16, &str) {
        (self.status, self.text())
    }
}

/// A polling client.
#[derive(Clone, Debug)]
pub struct Polling {
    addr: SocketAddr,
    /// The content of the open packet.
    pub open: serde_json::Value,
    /// The response to the handshake.
    pub response: Response,
    /// The target of all further requests.
    pub target: String,
}

impl Polling {
    /// Opens a session.
    pub async fn open(addr: SocketAddr, target: &str) -> Self {
        let response = Request::new("GET", target).send(addr).await;
        let text = response.text().to_owned();
        let first =
            text.split('\u{1e}').next().and_then(|packet| packet.strip_prefix('0')).expect("an open packet");
        let open: serde_json::Value = serde_json::from_str(first).expect("JSON");
        let target = format!("{target}&sid={}", open["sid"].as_str().expect("a sid"));
        Self { addr, open, response, target }
    }

    /// A client of a session that the test opened itself.
    pub fn from_parts(addr: SocketAddr, open: serde_json::Value, response: Response, target: String) -> Self {
        Self { addr, open, response, target }
    }

    /// The session's id.
    pub fn sid(&self) -> &str {
        self.open["sid"].as_str().unwrap_or_default()
    }

    /// Polls for packets, and returns the whole response.
    pub async fn get(&self) -> Response {
        Request::new("GET", &self.target).send(self.addr).await
    }

    /// Polls for packets.
    pub async fn poll(&self) -> String {
        let response = self.get().await;
        assert_eq!(response.status, 200, "{response:?}");
        response.text().to_owned()
    }

    /// Begins a GET and leaves it waiting at the server.
    pub async fn park(&self, running: &Running) -> tokio::task::JoinHandle<Response> {
        let this = self.clone();
        let parked = tokio::spawn(async move { this.get().await });
        // The session's own counters do not show a waiting GET; a volatile message is taken only when one
        // waits.
        let session = running.server.session(self.sid()).expect("it is open");
        soon(async {
            while !session.can_send_now() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        parked
    }

    /// Sends packets.
    pub async fn post(&self, body: impl AsRef<[u8]>) -> Response {
        Request::new("POST", &self.target).body(body).send(self.addr).await
    }

    /// Opens a WebSocket with the session's id.
    pub async fn probe(&self) -> Result<WebSocket, u16> {
        WebSocket::open(self.addr, &self.target.replace("transport=polling", "transport=websocket")).await
    }

    /// Moves the session to a WebSocket.
    pub async fn upgrade(&self) -> WebSocket {
        let mut ws = self.probe().await.expect("accepted");
        ws.send("2probe").await;
        assert_eq!(ws.text().await, "3probe");
        ws.send("5").await;
        ws
    }
}

/// A WebSocket client that returns every message unchanged.
pub struct WebSocket {
    stream: WebSocketStream<TcpStream>,
    /// The headers of the 101.
    pub headers: http::HeaderMap,
}

impl WebSocket {
    /// Connects; the error is the status of the refusal.
    pub async fn open(addr: SocketAddr, target: &str) -> Result<Self, u16> {
        Self::open_with(addr, target, &[]).await
    }

    /// Connects with further headers.
    pub async fn open_with(addr: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        use tungstenite::client::IntoClientRequest;
        let stream = TcpStream::connect(addr).await.expect("the server listens");
        let mut request = format!("ws://{addr}{target}").into_client_request().expect("a valid URL");
        for (name, value) in headers {
            let name = http::HeaderName::try_from(*name).expect("a valid name");
            request.headers_mut().append(name, value.parse().expect("a valid value"));
        }
        match soon(tokio_tungstenite::client_async(request, stream)).await {
            Ok((stream, response)) => Ok(Self { stream, headers: response.headers().clone() }),
            Err(WsError::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a text message.
    pub async fn send(&mut self, text: &str) {
        self.stream.send(WsMessage::text(text)).await.expect("the server reads");
    }

    /// Sends text messages with as few writes as possible.
    pub async fn send_together(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.stream.feed(WsMessage::text(text)).await.expect("the server reads");
        }
        self.stream.flush().await.expect("the server reads");
    }

    /// Sends a binary message.
    pub async fn send_binary(&mut self, data: &[u8]) {
        self.stream.send(WsMessage::binary(data.to_vec())).await.expect("the server reads");
    }

    /// Sends a binary message in as many frames as it has parts.
    pub async fn send_fragments(&mut self, parts: impl ExactSizeIterator<Item = Vec<u8>>) {
        for frame in fragments(parts) {
            self.stream.feed(frame).await.expect("the server reads");
        }
        self.stream.flush().await.expect("the server reads");
    }

    /// Closes the connection.
    pub async fn close(&mut self) {
        let _ = self.stream.close(None).await;
    }

    /// Cuts the connection.
    pub fn cut(self) {
        drop(self.stream);
    }

    /// The next message of any type; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<WsMessage> {
        soon(self.stream.next()).await.and_then(Result::ok)
    }

    /// The next message, which must be text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Some(WsMessage::Text(text)) => text.to_string(),
            other => panic!("expected text, found {other:?}"),
        }
    }

    /// The next message, which must be binary.
    pub async fn binary(&mut self) -> Vec<u8> {
        match self.next().await {
            Some(WsMessage::Binary(data)) => data.to_vec(),
            other => panic!("expected binary, found {other:?}"),
        }
    }

    /// Skips messages until the server closes. Returns the close code, if it sent one.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Some(WsMessage::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Some(_) => {}
                None => return None,
            }
        }
    }
}

/// The frames of a binary message in parts.
pub fn fragments(parts: impl ExactSizeIterator<Item = Vec<u8>>) -> impl Iterator<Item = WsMessage> {
    let last = parts.len().saturating_sub(1);
    parts.enumerate().map(move |(number, part)| {
        let data = if number == 0 { Data::Binary } else { Data::Continue };
        WsMessage::Frame(Frame::message(part, OpCode::Data(data), number == last))
    })
}
