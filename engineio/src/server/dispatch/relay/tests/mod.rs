//! Servers whose medium is the test, or another server in the same process. Time is virtual: it passes when
//! nothing else can happen.

mod edge;
mod hold;
mod moving;
mod owner;
mod simulation;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::Full;
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::protocol::packet::Packet;
use crate::server::peers::{Access, Owner, PeerId, PeerInbox, PeerLink, PeerMessage, PeerSettings, Peers};
use crate::server::{Handler, OpenError, Server, ServerBuilder, Session};
use crate::sync::Mutex;
use crate::{CloseReason, Message, Prepared, Sid, Transport};

/// A message of a server, with its receiver.
type Sent = (Option<PeerId>, PeerMessage);

/// A medium that passes everything to the test.
struct Script {
    sent: UnboundedSender<Sent>,
    inbox: Arc<Mutex<Option<PeerInbox>>>,
    owner: Owner,
    carries: bool,
}

struct ScriptLink {
    sent: UnboundedSender<Sent>,
    owner: Owner,
    carries: bool,
}

impl Peers for Script {
    fn open(&self, inbox: PeerInbox) -> Arc<dyn PeerLink> {
        *self.inbox.lock() = Some(inbox);
        let (sent, owner) = (self.sent.clone(), self.owner.clone());
        Arc::new(ScriptLink { sent, owner, carries: self.carries })
    }
}

impl PeerLink for ScriptLink {
    fn send(&self, to: Option<&PeerId>, message: PeerMessage) {
        let _ = self.sent.send((to.cloned(), message));
    }

    fn owner_of(&self, sid: &str) -> Owner {
        if sid.len() == 20 { self.owner.clone() } else { Owner::Nobody }
    }

    fn has_extensions(&self) -> bool {
        self.carries
    }
}

/// Something that the handler of a session has noticed.
#[derive(Debug, PartialEq)]
enum Seen {
    Open,
    Message(Message),
    Flush(usize),
    Upgrade(Transport),
    Close(CloseReason),
}

/// The handlers of a server, which the test can keep busy.
#[derive(Clone)]
struct Recorder {
    seen: UnboundedSender<Seen>,
    busy: Arc<AtomicBool>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Handler for Recorder {
    fn on_message(&mut self, _: &Session, message: Message) {
        let _ = self.seen.send(Seen::Message(message));
    }

    fn on_upgrade(&mut self, _: &Session, transport: Transport) {
        let _ = self.seen.send(Seen::Upgrade(transport));
    }

    fn on_close(&mut self, _: &Session, reason: CloseReason) {
        let _ = self.seen.send(Seen::Close(reason));
    }

    fn on_flush(&mut self, _: &Session, messages: &[Prepared]) {
        let _ = self.seen.send(Seen::Flush(messages.len()));
    }

    fn poll(&mut self, _: &Session, cx: &mut Context<'_>) -> Poll<()> {
        *self.waker.lock() = Some(cx.waker().clone());
        Poll::Ready(())
    }

    fn is_ready(&self) -> bool {
        !self.busy.load(Ordering::Relaxed)
    }
}

/// A server, its side of the medium, and what its handlers notice.
struct Node {
    server: Server,
    inbox: PeerInbox,
    sent: UnboundedReceiver<Sent>,
    seen: UnboundedReceiver<Seen>,
    recorder: Recorder,
}

/// A server for which `b` has all sessions that are not here.
fn node() -> Node {
    node_with(Server::builder(), PeerSettings::new(), Owner::Node(b()), true)
}

fn node_with(builder: ServerBuilder, settings: PeerSettings, owner: Owner, carries: bool) -> Node {
    let (sender, sent) = mpsc::unbounded_channel();
    let inbox = Arc::new(Mutex::new(None));
    let medium = Script { sent: sender, inbox: Arc::clone(&inbox), owner, carries };
    let (recorder, seen) = recorder();
    let server = builder.peers(medium).peer_settings(settings).build(accept(&recorder)).unwrap();
    let inbox = inbox.lock().take().unwrap();
    Node { server, inbox, sent, seen, recorder }
}

fn recorder() -> (Recorder, UnboundedReceiver<Seen>) {
    let (sender, seen) = mpsc::unbounded_channel();
    (Recorder { seen: sender, busy: Arc::default(), waker: Arc::default() }, seen)
}

fn accept(recorder: &Recorder) -> impl Fn(&Session) -> Recorder + Send + Sync + 'static {
    let recorder = recorder.clone();
    move |_: &Session| {
        let _ = recorder.seen.send(Seen::Open);
        recorder.clone()
    }
}

/// The node that the test plays.
fn b() -> PeerId {
    PeerId::from("b")
}

/// Lets everything happen that can happen now.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A request to a server in this process: the status and the body of the response.
async fn ask(server: &Server, method: &str, target: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(target);
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
    let response = server.handle(request).await;
    let status = response.status().as_u16();
    (status, String::from_utf8(response.into_body().into_bytes().to_vec()).unwrap())
}

fn polling(sid: &Sid) -> String {
    format!("/engine.io/?EIO=4&transport=polling&sid={}", sid.as_str())
}

/// Opens a polling session.
async fn open(server: &Server) -> Sid {
    let (status, body) = ask(server, "GET", "/engine.io/?EIO=4&transport=polling", "").await;
    assert_eq!(status, 200, "{body}");
    let open: serde_json::Value = serde_json::from_str(&body[1..]).unwrap();
    Sid::from(open["sid"].as_str().unwrap())
}

/// A GET that waits.
fn park(server: &Server, sid: &Sid) -> JoinHandle<(u16, String)> {
    let (server, target) = (server.clone(), polling(sid));
    tokio::spawn(async move { ask(&server, "GET", &target, "").await })
}

async fn post(server: &Server, sid: &Sid, body: &str) -> (u16, String) {
    ask(server, "POST", &polling(sid), body).await
}

/// The client's end of a WebSocket.
struct Socket(WebSocketStream<DuplexStream>);

impl Socket {
    /// A WebSocket for a session, of a client whose connection holds this many bytes.
    async fn open(server: &Server, sid: &Sid, buffer: usize) -> Result<Self, u16> {
        let (client, end) = tokio::io::duplex(buffer);
        let target = format!("/engine.io/?EIO=4&transport=websocket&sid={}", sid.as_str());
        let request = Request::builder()
            .uri(target)
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        match server.accept_upgraded(request.body(()).unwrap(), end).await {
            Ok(()) => Ok(Self(WebSocketStream::from_raw_socket(client, Role::Client, None).await)),
            Err(OpenError::Refused(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn send(&mut self, text: &str) {
        self.try_send(text).await.unwrap();
    }

    async fn try_send(&mut self, text: &str) -> Option<()> {
        self.0.send(Frame::text(text)).await.ok()
    }

    /// The next text or binary message; `None` at the end of the connection.
    async fn next(&mut self) -> Option<String> {
        loop {
            match self.0.next().await? {
                Ok(Frame::Text(text)) => return Some(text.to_string()),
                Ok(Frame::Binary(data)) => return Some(format!("{data:?}")),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    async fn text(&mut self) -> String {
        self.next().await.unwrap()
    }

    /// Probes, and sends the upgrade packet.
    async fn upgrade(&mut self) {
        self.send("2probe").await;
        assert_eq!(self.text().await, "3probe");
        self.send("5").await;
    }
}

impl Node {
    /// The next message to another node.
    async fn sent(&mut self) -> PeerMessage {
        let (to, message) = self.sent.recv().await.unwrap();
        assert_eq!(to, Some(b()), "{message:?}");
        message
    }

    /// The next notice of a handler, without flushes.
    async fn seen(&mut self) -> Seen {
        loop {
            let seen = self.seen.recv().await.unwrap();
            if !matches!(seen, Seen::Flush(_)) {
                return seen;
            }
        }
    }

    /// The other node sends a message.
    fn receive(&self, message: PeerMessage) {
        self.inbox.receive(b(), message);
    }

    async fn silent(&mut self) {
        settle().await;
        let (sent, seen) = (self.sent.try_recv(), self.seen.try_recv());
        assert!(sent.is_err() && seen.is_err(), "{sent:?} {seen:?}");
    }

    fn set_busy(&self, busy: bool) {
        self.recorder.busy.store(busy, Ordering::Relaxed);
        if let Some(waker) = self.recorder.waker.lock().take() {
            waker.wake();
        }
    }
}

/// A session that has been announced.
async fn announced(node: &mut Node) -> Sid {
    let sid = open(&node.server).await;
    assert_eq!(node.seen().await, Seen::Open);
    sid
}

fn text(text: &'static str) -> Packet {
    Packet::Message(text.into())
}

fn lock(request: u64, sid: &Sid, transport: Transport, access: Access, packets: &[Packet]) -> PeerMessage {
    PeerMessage::AcquireLock { request, sid: sid.clone(), transport, access, packets: packets.to_vec() }
}

fn read(request: u64, sid: &Sid) -> PeerMessage {
    lock(request, sid, Transport::Polling, Access::Read, &[])
}

fn write(request: u64, sid: &Sid, packets: &[Packet]) -> PeerMessage {
    lock(request, sid, Transport::Polling, Access::Write, packets)
}

fn probe(request: u64, sid: &Sid) -> PeerMessage {
    lock(request, sid, Transport::WebSocket, Access::Read, &[])
}

fn answer(request: u64, success: bool) -> PeerMessage {
    PeerMessage::AcquireLockResponse { request, success }
}

fn drain(sid: &Sid, packets: &[Packet]) -> PeerMessage {
    PeerMessage::Drain { sid: sid.clone(), packets: packets.to_vec() }
}

fn delivered(sid: &Sid) -> PeerMessage {
    PeerMessage::Delivered { sid: sid.clone() }
}

fn close(sid: &Sid, reason: CloseReason) -> PeerMessage {
    PeerMessage::Close { sid: sid.clone(), reason }
}

/// A session that the test has.
fn elsewhere() -> Sid {
    Sid::from("01234567890123456789")
}
