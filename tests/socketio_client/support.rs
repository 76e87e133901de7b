//! Servers for the client's tests, and clients that reconnect quickly.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engineio::client::Proxies;
use serde_json::{Value, json};
use socketio_client::{Manager, ManagerBuilder, ManagerEvent, RawArgs};
use socketio_server::{AckSender, Arguments, ConnectError, EventName, Server, Socket as Peer};
use tests::raw::soon;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A running server, which stops when this value is dropped.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) io: Server,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
        self.io.close();
    }
}

/// A server with an echo in `/` and `/chat`, and a namespace that refuses.
pub(crate) async fn start() -> Running {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(set_up: impl FnOnce(&Server)) -> Running {
    let io = Server::builder().ping_interval(Duration::from_secs(60)).build().unwrap();
    set_up(&io);
    serve(io, "127.0.0.1:0".parse().unwrap()).await
}

pub(crate) async fn serve(io: Server, addr: SocketAddr) -> Running {
    for name in ["/", "/foo"] {
        set_up(&io, name);
    }
    let no = io.of("/no");
    no.middleware(|_: Peer| async {
        Err::<(), _>(ConnectError::new("Auth failed (custom namespace)").with_data(json!({ "a": "b" })))
    });
    let listener = TcpListener::bind(addr).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = io.clone();
    let serving = tokio::spawn(async move { serving.serve(listener).await });
    Running { addr, io, serving }
}

fn set_up(io: &Server, name: &str) {
    let namespace = io.of(name);
    namespace.on("echo", |args: RawArgs, ack: Option<AckSender>| async move {
        if let Some(ack) = ack {
            ack.send(&args).unwrap();
        }
    });
    namespace.on("hi", |peer: Peer| async move { peer.emit("hi", &socketio_client::Args(())).unwrap() });
    namespace.on("never", |_: Option<AckSender>| async {});
    namespace.on("who", |peer: Peer| async move {
        let handshake = peer.handshake();
        let auth: Value = handshake.auth().unwrap();
        let query: Vec<_> = handshake
            .request()
            .query()
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        socketio_server::Ack(json!({
            "id": peer.id(), "engine": peer.session().id().as_str(), "auth": auth, "query": query,
        }))
    });
    namespace.on("kick", |peer: Peer| async move { peer.disconnect(false) });
    namespace.on("close", |peer: Peer| async move { peer.session().abort() });
    namespace.on("send back", |peer: Peer, Arguments(args): Arguments<Vec<Value>>| async move {
        peer.emit("sent back", &socketio_server::Args(args)).unwrap();
    });
    namespace.on("send raw", |peer: Peer, args: RawArgs, _: EventName| async move {
        peer.emit("sent back", &args).unwrap();
    });
}

/// Heartbeats and delays are set so that they do not interfere.
pub(crate) fn builder(addr: SocketAddr) -> ManagerBuilder {
    builder_of(&format!("http://{addr}"))
}

pub(crate) fn builder_of(url: &str) -> ManagerBuilder {
    Manager::builder(url).unwrap().engine(|engine| engine.proxy(Proxies::None)).reconnection(|reconnection| {
        reconnection.delay = Duration::from_millis(10);
        reconnection.delay_max = Duration::from_millis(50);
        reconnection.randomization_factor = 0.0;
    })
}

/// A log of events, in order.
pub(crate) struct Log<T> {
    sender: mpsc::UnboundedSender<T>,
    receiver: mpsc::UnboundedReceiver<T>,
}

impl<T: Send + 'static> Log<T> {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, receiver }
    }

    /// Returns a handler that appends to the log.
    pub(crate) fn writer(&self) -> impl Fn(T) + Clone + Send + Sync + 'static {
        let sender = self.sender.clone();
        move |entry| drop(sender.send(entry))
    }

    pub(crate) async fn next(&mut self) -> T {
        soon(self.receiver.recv()).await.unwrap()
    }

    pub(crate) async fn take(&mut self, count: usize) -> Vec<T> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.next().await);
        }
        taken
    }

    /// All entries that are in the log now.
    pub(crate) fn rest(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.receiver.try_recv().ok()).collect()
    }
}

/// The names of a manager's events, with the number of the attempt.
pub(crate) fn record(manager: &Manager) -> Log<String> {
    let log = Log::new();
    let write = log.writer();
    manager.on_event(move |event| {
        write(match event {
            ManagerEvent::Open => "open".to_owned(),
            ManagerEvent::Error(error) => format!("error: {error}"),
            ManagerEvent::Close(reason) => format!("close: {reason}"),
            ManagerEvent::ReconnectAttempt(number) => format!("attempt {number}"),
            ManagerEvent::ReconnectError(_) => "reconnect error".to_owned(),
            ManagerEvent::Reconnect(number) => format!("reconnect {number}"),
            ManagerEvent::ReconnectFailed => "failed".to_owned(),
            ManagerEvent::Upgraded
            | ManagerEvent::UpgradeFailed(_)
            | ManagerEvent::Ping
            | ManagerEvent::Packet(_) => return,
            other => panic!("{other:?}"),
        });
    });
    log
}

/// Waits until the server holds no state of any session.
pub(crate) async fn emptied(io: &Server) {
    soon(async {
        loop {
            let stats = io.engine().stats();
            if (stats.sessions, stats.connections) == (0, 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Polls a future once and returns whether it is pending.
pub(crate) async fn is_pending<F: Future>(mut what: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(what.as_mut().poll(cx).is_pending())).await
}

/// An address without a listener.
pub(crate) async fn unused_addr() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A value that handlers share with the test.
pub(crate) fn shared<T: Default>() -> Arc<Mutex<T>> {
    Arc::default()
}
