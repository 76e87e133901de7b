//! Clients that send exactly the bytes of a test: plain HTTP, Engine.IO polling, and WebSocket; and a server
//! that reports its events to the test.

mod polling;
mod request;
mod websocket;

pub use polling::Polling;
pub use request::{Request, Response};
pub use websocket::{WebSocket, fragments};

use std::net::SocketAddr;
use std::time::Duration;

use engineio::packet::Packet;
use engineio::{
    CloseReason, Handler, Message, PacketType, Prepared, Server, ServerBuilder, Session, Transport,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Longer than any step of a test; a wait ends as soon as its condition holds.
pub const LONG: Duration = Duration::from_secs(20);

/// Waits for a future that must complete.
pub async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(LONG, what).await.expect("did not happen")
}

/// Waits until a condition without an event of its own holds: a counter, or a state.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    soon(async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Events of a server's sessions.
#[derive(Debug)]
pub enum ServerEvent {
    /// A session opened.
    Open(Session),
    /// A message arrived.
    Message(Session, Message),
    /// A packet of any type arrived.
    Packet(Packet),
    /// The client proved that it is alive.
    Heartbeat,
    /// The client has begun to upgrade.
    Upgrading(Transport),
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
    seen: mpsc::UnboundedReceiver<ServerEvent>,
}

struct Recorder(mpsc::UnboundedSender<ServerEvent>, bool);

impl Handler for Recorder {
    fn on_message(&mut self, session: &Session, message: Message) {
        let _ = self.0.send(ServerEvent::Message(session.clone(), message.clone()));
        if self.1 {
            let _ = session.send(message);
        }
    }
    fn on_close(&mut self, session: &Session, reason: CloseReason) {
        let _ = self.0.send(ServerEvent::Close(reason, session.queued_messages()));
    }
    fn on_upgrade(&mut self, _: &Session, transport: Transport) {
        let _ = self.0.send(ServerEvent::Upgrade(transport));
    }
    fn on_packet(&mut self, _: &Session, packet: &Packet) {
        let _ = self.0.send(ServerEvent::Packet(packet.clone()));
    }
    fn on_heartbeat(&mut self, _: &Session) {
        let _ = self.0.send(ServerEvent::Heartbeat);
    }
    fn on_upgrading(&mut self, _: &Session, transport: Transport) {
        let _ = self.0.send(ServerEvent::Upgrading(transport));
    }
    fn on_flush(&mut self, _: &Session, packets: &[Prepared]) {
        let _ = self.0.send(ServerEvent::Flush(packets.iter().map(Prepared::kind).collect()));
    }
    fn on_drain(&mut self, _: &Session) {
        let _ = self.0.send(ServerEvent::Drain);
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
        let _ = sender.send(ServerEvent::Open(session.clone()));
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
        self.find(|seen| if let ServerEvent::Open(session) = seen { Some(session) } else { None }).await
    }

    /// The next message.
    pub async fn message(&mut self) -> Message {
        self.find(|seen| if let ServerEvent::Message(_, message) = seen { Some(message) } else { None }).await
    }

    /// The close reason of the next session that ends.
    pub async fn closed(&mut self) -> CloseReason {
        self.find(|seen| if let ServerEvent::Close(reason, _) = seen { Some(reason) } else { None }).await
    }

    /// The next event that `pick` accepts; earlier ones are skipped.
    pub async fn find<T>(&mut self, mut pick: impl FnMut(ServerEvent) -> Option<T>) -> T {
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
