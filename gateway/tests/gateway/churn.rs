//! Many clients that connect and disconnect while their backend does too: no event is lost, nothing is
//! leaked, and at the end all connections are closed in good order.
//!
//! The test runs at a small size. At full size it needs 12,000 file descriptors in each of its processes:
//!
//! ```text
//! CHURN_CLIENTS=10000 CHURN_SECONDS=60 cargo test -p socketio-gateway -- --nocapture churn
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tests::raw::{Request as Ask, soon};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::cli;

/// One client of this many connects and disconnects repeatedly.
const CHURNING: usize = 5;
/// Number of clients in a room.
const MEMBERS: usize = 100;
/// Number of simultaneous handshakes.
const KNOCKING: usize = 100;
/// Timeout that no step reaches, at full size either; a wait ends as soon as its condition holds.
const VERY_LONG: Duration = Duration::from_secs(180);

fn size(variable: &str, small: usize) -> usize {
    std::env::var(variable).map_or(small, |size| size.parse().unwrap())
}

/// State shared by all clients and the emitter.
#[derive(Default)]
struct Shared {
    /// Number of events sent to each room, which is the number of its next event.
    sent: Vec<AtomicU64>,
    /// Number of events that each permanent client has received, in order and without a gap.
    heard: Vec<AtomicU64>,
    /// Number of clients that missed an event, or received one twice or out of order.
    wrong: AtomicUsize,
    stop: AtomicBool,
    cycles: AtomicUsize,
    refused: AtomicUsize,
}

struct Client {
    stream: WebSocketStream<TcpStream>,
    /// Number of the expected event; `None` before the first.
    next: Option<u64>,
    /// Whether the server sent a close frame or close packet.
    told: bool,
}

impl Client {
    /// Connects and joins a room. `None` if the client was refused.
    async fn join(addr: SocketAddr, room: usize, knocking: &Semaphore) -> Option<Self> {
        let _knocks = knocking.acquire().await.unwrap();
        let request =
            format!("ws://{addr}/socket.io/?EIO=4&transport=websocket").into_client_request().unwrap();
        let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let stream = TcpStream::connect(addr).await.unwrap();
        let (stream, _) = client_async_with_config(request, stream, Some(config)).await.ok()?;
        let mut client = Self { stream, next: None, told: false };
        client.send("40".to_owned()).await;
        loop {
            match client.message().await? {
                text if text.starts_with("40") => client.send(format!(r#"420["join","room {room}"]"#)).await,
                text if text.starts_with("430") => return Some(client),
                text if text.starts_with("44") => return None,
                _ => {}
            }
        }
    }

    async fn send(&mut self, text: String) {
        // A closed connection is detected by the next read.
        let _ = self.stream.send(Message::text(text)).await;
    }

    /// The next message that is not a heartbeat. `None` at the end.
    async fn message(&mut self) -> Option<String> {
        loop {
            match self.stream.next().await?.ok()? {
                Message::Text(text) if text.as_str() == "2" => self.send("3".to_owned()).await,
                Message::Text(text) => return Some(text.to_string()),
                Message::Close(_) => {
                    self.told = true;
                    return None;
                }
                _ => {}
            }
        }
    }

    /// Handles a message of the room. Returns whether its number was the expected one.
    fn hears(&mut self, text: &str) -> bool {
        let Some(number) = text.strip_prefix(r#"42["tick","#).and_then(|text| text.strip_suffix(']')) else {
            return true;
        };
        let number: u64 = number.parse().unwrap();
        let is_right = self.next.is_none_or(|next| next == number);
        self.next = Some(number + 1);
        is_right
    }
}

/// Runs a permanent client until the server closes it. Returns whether it closed in good order.
async fn stay(shared: Arc<Shared>, mut client: Client, at: usize) -> bool {
    client.next = Some(0);
    while let Some(text) = client.message().await {
        if client.hears(&text) {
            shared.heard[at].store(client.next.unwrap_or_default(), Relaxed);
        } else {
            shared.wrong.fetch_add(1, Relaxed);
        }
    }
    client.told
}

/// Connects and disconnects repeatedly until the test stops.
async fn churn(shared: Arc<Shared>, addr: SocketAddr, room: usize, knocking: Arc<Semaphore>, longest: u64) {
    while !shared.stop.load(Relaxed) {
        let Some(mut client) = Client::join(addr, room, &knocking).await else {
            shared.refused.fetch_add(1, Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let random = u64::from_le_bytes(random);
        let end = tokio::time::Instant::now() + Duration::from_millis(random % longest);
        while let Ok(text) = tokio::time::timeout_at(end, client.message()).await {
            let Some(text) = text else { break };
            if !client.hears(&text) {
                shared.wrong.fetch_add(1, Relaxed);
            }
        }
        // Half of the clients close with a close frame, the others drop the connection.
        if random % 2 == 0 {
            let _ = client.stream.close(None).await;
        }
        shared.cycles.fetch_add(1, Relaxed);
    }
}

/// A backend that admits every client. Dropping it closes all its connections.
struct Backend {
    _tasks: JoinSet<()>,
}

impl Backend {
    async fn start(addr: SocketAddr, calls: &Arc<AtomicUsize>) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let (mut tasks, calls) = (JoinSet::new(), Arc::clone(calls));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let calls = Arc::clone(&calls);
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let calls = Arc::clone(&calls);
                        async move {
                            request.into_body().collect().await?;
                            calls.fetch_add(1, Relaxed);
                            Ok::<_, hyper::Error>(Response::new(Full::<Bytes>::from("{}")))
                        }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { _tasks: tasks }
    }
}

/// Resident memory of the process, in kB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

const KEY: &str = "a key for the backend";

/// Emits to one room after the other through the API until the test stops.
async fn emit(shared: Arc<Shared>, addr: SocketAddr, pause: Duration) {
    let stream = TcpStream::connect(addr).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for room in (0..shared.sent.len()).cycle() {
        if shared.stop.load(Relaxed) {
            return;
        }
        let number = shared.sent[room].load(Relaxed);
        let body = json!({"room": format!("room {room}"), "event": "tick", "data": number}).to_string();
        let request = Request::post("/api/emit_to_room")
            .header("host", "localhost")
            .header("x-api-key", KEY)
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(body))
            .unwrap();
        sender.ready().await.unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let answer: Value =
            serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
        assert!(answer["data"]["reached"].as_u64().unwrap() > 0);
        shared.sent[room].store(number + 1, Relaxed);
        tokio::time::sleep(pause).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn churn_loses_nothing_and_leaves_nothing() {
    let clients = size("CHURN_CLIENTS", 200);
    let seconds = size("CHURN_SECONDS", 6) as u64;
    let rooms = clients.div_ceil(MEMBERS);
    let stable = clients - clients / CHURNING;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = free.local_addr().unwrap();
    drop(free);
    let calls = Arc::<AtomicUsize>::default();
    let backend = Backend::start(at, &calls).await;
    let url = format!("webhooks.url=http://{at}/");
    let key = format!("api.keys={KEY}");
    let set = [&url, &key, "webhooks.when_down=allow", "webhooks.open_ms=500", "server.drain_ms=10000"];
    let arguments: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    let mut served = cli::serve(&arguments).await;
    let (addr, pid) = (served.addr, served.process.id().unwrap());

    let numbers = |count| (0..count).map(|_| AtomicU64::default()).collect();
    let shared = Arc::new(Shared { sent: numbers(rooms), heard: numbers(stable), ..Shared::default() });
    let knocking = Arc::new(Semaphore::new(KNOCKING));
    let began = Instant::now();
    let mut joining = JoinSet::new();
    for at in 0..stable {
        let knocking = Arc::clone(&knocking);
        joining.spawn(async move { (at, Client::join(addr, at % rooms, &knocking).await.expect("let in")) });
    }
    let mut staying = JoinSet::new();
    while let Some(joined) = tokio::time::timeout(VERY_LONG, joining.join_next()).await.unwrap() {
        let (at, client) = joined.unwrap();
        staying.spawn(stay(Arc::clone(&shared), client, at));
    }
    println!("{stable} clients that stay joined in {:?}", began.elapsed());
    let mut churning = JoinSet::new();
    for at in stable..clients {
        let longest = seconds * 1000 / 3;
        churning.spawn(churn(Arc::clone(&shared), addr, at % rooms, Arc::clone(&knocking), longest));
    }
    let emitting = tokio::spawn(emit(Arc::clone(&shared), addr, Duration::from_millis(5)));

    // The backend stops after a third of the time and returns after another third.
    let third = Duration::from_secs(seconds) / 3;
    tokio::time::sleep(third).await;
    let warm = memory(pid);
    drop(backend);
    tokio::time::sleep(third).await;
    let without = memory(pid);
    let before = calls.load(Relaxed);
    let backend = Backend::start(at, &calls).await;
    soon(async {
        while calls.load(Relaxed) == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    tokio::time::sleep(third).await;
    let end = memory(pid);
    shared.stop.store(true, Relaxed);
    emitting.await.unwrap();
    while let Some(churned) = tokio::time::timeout(VERY_LONG, churning.join_next()).await.unwrap() {
        churned.unwrap();
    }
    let all_heard = || {
        let mut heard = shared.heard.iter().enumerate();
        heard.all(|(at, heard)| heard.load(Relaxed) == shared.sent[at % rooms].load(Relaxed))
    };
    tokio::time::timeout(VERY_LONG, async {
        while !all_heard() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("every permanent client received all events");
    // The backend still receives the last disconnects; then the queue is empty.
    let metrics = soon(async {
        loop {
            let metrics = Ask::new("GET", "/metrics").header("x-api-key", KEY).send(addr).await;
            if metrics.text().contains("\ngateway_webhooks_queued 0\n") {
                break metrics;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    for line in metrics.text().lines().filter(|line| line.starts_with("gateway_hook")) {
        println!("{line}");
    }
    let sent: u64 = shared.sent.iter().map(|sent| sent.load(Relaxed)).sum();
    let heard: u64 = shared.heard.iter().map(|heard| heard.load(Relaxed)).sum();
    let [cycles, refused, wrong] =
        [&shared.cycles, &shared.refused, &shared.wrong].map(|count| count.load(Relaxed));
    println!(
        "{sent} emits, {heard} events heard by those that stay, {wrong} wrong; {cycles} came and went, {refused} refused"
    );
    println!("memory in kB: {warm} warm, {without} without its backend, {end} at the end");
    assert_eq!(wrong, 0);
    assert!(cycles > 0 && sent > 0);
    assert!(end < warm + warm / 5 + 16 * 1024, "memory grew from {warm} to {end} kB");

    let began = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &pid.to_string()]).status().await.unwrap().success());
    let mut told = 0;
    while let Some(end) = tokio::time::timeout(VERY_LONG, staying.join_next()).await.unwrap() {
        told += usize::from(end.unwrap());
    }
    assert!(tokio::time::timeout(VERY_LONG, served.process.wait()).await.unwrap().unwrap().success());
    println!("drained in {:?}: {told} of {stable} were told", began.elapsed());
    assert_eq!(told, stable);
    drop(backend);
}
