//! Several workers behind one port, as processes of one supervisor: `server.workers`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tests::raw::{Polling, Request, WebSocket, soon, until};
use tests::redis::RedisServer;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::cli::{Served, program, serve_in};
use crate::cluster::KEY;
use crate::cluster_balanced::Clients;
use crate::support::parsed;

/// Three workers, and the supervisor.
pub(crate) struct Workers {
    /// The system of the cluster, unless it is the broker of the supervisor.
    _redis: Option<RedisServer>,
    /// Folder in which the supervisor has its own.
    folder: tempfile::TempDir,
    pub(crate) served: Served,
    /// Processes by name of the node.
    pub(crate) pids: BTreeMap<String, u32>,
}

impl Workers {
    pub(crate) async fn start(settings: &[&str]) -> Self {
        Self::start_with(&[], settings).await
    }

    pub(crate) async fn start_with(arguments: &[&str], settings: &[&str]) -> Self {
        Self::on(None, arguments, settings).await
    }

    pub(crate) async fn start_on_redis(settings: &[&str]) -> Self {
        Self::on(Some(RedisServer::start().await), &[], settings).await
    }

    async fn on(redis: Option<RedisServer>, arguments: &[&str], settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = redis.as_ref().map_or_else(String::new, RedisServer::url);
        let redis_url = format!("cluster.redis={url}");
        let key = format!("api.keys={KEY}");
        let own = ["cluster.node=w", "transport.recovery_ms=120000", &redis_url, &key];
        let sets = own.iter().chain(settings).flat_map(|setting| ["--set", *setting]);
        let arguments: Vec<&str> = ["--workers", "3"].iter().chain(arguments).copied().chain(sets).collect();
        let environment = [("XDG_RUNTIME_DIR", folder.path().to_str().unwrap())];
        let served = serve_in(&environment, &arguments).await;
        let mut workers = Self { _redis: redis, folder, served, pids: BTreeMap::new() };
        for _ in 0..3 {
            workers.accepts().await;
        }
        assert_eq!(workers.nodes(), ["w-0.0", "w-1.0", "w-2.0"]);
        workers.know_each_other().await;
        workers
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.served.addr
    }

    pub(crate) fn nodes(&self) -> Vec<&str> {
        self.pids.keys().map(String::as_str).collect()
    }

    /// Waits for the next worker that accepts clients, and returns its name.
    pub(crate) async fn accepts(&mut self) -> String {
        let line = self.served.said("a worker accepts clients").await;
        let node = line["fields"]["node"].as_str().unwrap().to_owned();
        let pid = line["fields"]["pid"].as_u64().unwrap();
        self.pids.insert(node.clone(), pid.try_into().unwrap());
        node
    }

    /// A request to any worker, on a connection of its own.
    pub(crate) async fn get(&self, target: &str) -> tests::raw::Response {
        soon(Request::new("GET", target).header("x-api-key", KEY).send(self.addr())).await
    }

    /// Nodes that the metrics have samples of, and the number of the missing ones.
    pub(crate) async fn metrics(&self) -> (Vec<String>, u64) {
        let response = self.get("/metrics").await;
        assert_eq!(response.status, 200);
        let (mut nodes, mut missing) = (Vec::new(), None);
        let mut families = BTreeSet::new();
        for line in response.text().lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                assert!(families.insert(help.split(' ').next().unwrap().to_owned()), "twice: {line}");
            } else if let Some(rest) = line.strip_prefix("gateway_uptime_seconds{node=\"") {
                nodes.push(rest.split_once('"').unwrap().0.to_owned());
            } else if line.starts_with("gateway_workers_missing{") {
                missing = Some(line.rsplit_once(' ').unwrap().1.parse().unwrap());
            }
        }
        nodes.sort();
        (nodes, missing.unwrap())
    }

    /// Waits until each worker shares its sessions with the two others, and hears them.
    pub(crate) async fn know_each_other(&self) {
        let mut complete = BTreeSet::new();
        until(async || {
            let counts = parsed(&self.get("/api/counts").await).1;
            let nodes = counts["data"]["nodes"].as_array().map_or(0, Vec::len);
            let health = parsed(&self.get("/health/ready").await).1;
            // Each request may be at another worker.
            let own = parsed(&self.get("/info").await).1["node"].as_str().unwrap().to_owned();
            if nodes != 3 || health["peers"] != json!({"connected": 2, "lost": 0}) {
                complete.clear();
            } else {
                complete.insert(own);
            }
            complete.len() == 3
        })
        .await;
    }

    /// Whether the supervisor has left nothing behind.
    pub(crate) fn is_clean(&self) -> bool {
        is_empty(self.folder.path())
    }
}

/// Sends a number to a room, through any worker.
pub(crate) async fn emit(addr: SocketAddr, room: &str, number: usize) {
    let body = json!({"room": room, "event": "number", "data": number}).to_string();
    let request = Request::new("POST", "/api/emit_to_room").header("x-api-key", KEY);
    let request = request.header("content-type", "application/json").body(body);
    assert_eq!(soon(request.send(addr)).await.status, 200);
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

pub(crate) async fn kill(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().await.unwrap();
    assert!(sent.success());
}

/// Whether a process has not exited.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// A connected client over WebSocket, at any worker.
async fn websocket(addr: SocketAddr) -> WebSocket {
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    ws
}

#[tokio::test]
async fn any_worker_answers_requests_of_any_session() {
    let workers = Workers::start(&[]).await;
    let addr = workers.addr();
    // Each request has a connection of its own, which the kernel gives to one of the workers.
    let client = Polling::open(addr, "/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(client.post("40").await.status, 200);
    assert!(client.poll().await.starts_with("40{"));
    let mut answered = BTreeSet::new();
    let mut events = String::new();
    for number in 0..60 {
        let echo = format!("42{number}{}", json!(["echo", number]));
        assert_eq!(client.post(&echo).await.status, 200);
        while !events.contains(&format!("43{number}[")) {
            events.push_str(&client.poll().await);
        }
        answered.insert(parsed(&workers.get("/info").await).1["node"].as_str().unwrap().to_owned());
    }
    assert_eq!(Vec::from_iter(answered), workers.nodes());
    let (nodes, missing) = workers.metrics().await;
    assert_eq!((nodes, missing), (workers.nodes().iter().map(|node| (*node).to_owned()).collect(), 0));
}

#[tokio::test]
async fn clients_of_different_workers_hear_each_other() {
    let workers = Workers::start(&[]).await;
    for transports in ["websocket", "polling,websocket", "polling"] {
        let mut clients = Clients::talk(workers.addr(), transports).await;
        for number in 1..=20 {
            emit(workers.addr(), &clients.room, number).await;
        }
        for report in clients.until(20).await {
            assert_eq!(report.numbers, (1..=20).collect::<Vec<_>>(), "{transports}");
            assert_eq!(report.disconnects, [""; 0], "{transports}");
        }
        let listed = parsed(&workers.get(&format!("/api/sockets?room={}", clients.room)).await).1;
        let nodes: BTreeSet<&str> = listed["data"]["sockets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|socket| socket["node"].as_str().unwrap())
            .collect();
        assert!(nodes.len() > 1, "{listed}");
    }
}

/// A worker that is killed comes back, and clients of the others notice nothing.
#[tokio::test]
async fn a_killed_worker_is_replaced() {
    let mut workers = Workers::start(&[]).await;
    let mut clients = Clients::talk(workers.addr(), "websocket").await;
    let listed = parsed(&workers.get(&format!("/api/sockets?room={}", clients.room)).await).1;
    let node_of = |id: &str| {
        let sockets = listed["data"]["sockets"].as_array().unwrap();
        sockets.iter().find(|socket| socket["id"] == id).unwrap()["node"].as_str().unwrap().to_owned()
    };
    let killed = listed["data"]["sockets"][0]["node"].as_str().unwrap().to_owned();
    emit(workers.addr(), &clients.room, 1).await;
    clients.heard(1).await;
    kill(workers.pids.remove(&killed).unwrap(), "KILL").await;
    let node = workers.accepts().await;
    assert_eq!(node, killed.replace(".0", ".1"), "the same slot");
    assert_eq!(workers.pids.len(), 3);
    workers.know_each_other().await;
    let room = format!("/api/sockets?room={}", clients.room);
    until(async || {
        let listed = parsed(&workers.get(&room).await).1;
        listed["data"]["sockets"].as_array().map_or(0, Vec::len) == crate::cluster_balanced::CLIENTS
    })
    .await;
    emit(workers.addr(), &clients.room, 2).await;
    for report in clients.until(2).await {
        let is_of_killed = node_of(&report.id) == killed;
        assert_eq!(!report.disconnects.is_empty(), is_of_killed, "{report:?}");
    }
    until(async || workers.metrics().await.1 == 0).await;
    assert_eq!(workers.metrics().await.0, workers.nodes());
}

/// Connections for it wait meanwhile, so that not each request is answered.
#[tokio::test]
async fn a_stopped_worker_is_missing_in_the_metrics() {
    let workers = Workers::start(&["cluster.request_timeout_ms=300"]).await;
    let stopped = workers.pids["w-1.0"];
    kill(stopped, "STOP").await;
    let found = soon(async {
        loop {
            let asked = tokio::time::timeout(Duration::from_secs(3), workers.metrics()).await;
            if let Ok((nodes, missing @ 1..)) = asked {
                return (nodes, missing);
            }
        }
    })
    .await;
    assert_eq!(found, (vec!["w-0.0".to_owned(), "w-2.0".to_owned()], 1));
    kill(stopped, "CONT").await;
    until(async || workers.metrics().await.1 == 0).await;
}

#[tokio::test]
async fn a_drain_ends_all_workers_and_leaves_nothing() {
    for signal in ["TERM", "INT"] {
        let mut workers = Workers::start(&["server.drain_ms=4000"]).await;
        assert!(!workers.is_clean());
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(websocket(workers.addr()).await);
        }
        workers.served.signal(signal).await;
        for mut client in clients {
            client.closed().await;
        }
        assert!(soon(workers.served.process.wait()).await.unwrap().success());
        assert!(workers.is_clean());
        assert!(workers.pids.values().all(|pid| !runs(*pid)));
    }
}

/// A client that does not poll holds the drain open until its deadline; a second signal ends the wait.
#[tokio::test]
async fn a_second_signal_ends_all_workers_at_once() {
    let mut workers = Workers::start(&["server.drain_ms=600000"]).await;
    let client = Polling::open(workers.addr(), "/socket.io/?EIO=4&transport=polling").await;
    workers.served.signal("TERM").await;
    workers.served.said("draining").await;
    workers.served.signal("TERM").await;
    workers.served.said("stopped by a second signal").await;
    assert_eq!(soon(workers.served.process.wait()).await.unwrap().code(), Some(1));
    assert!(workers.is_clean());
    assert!(workers.pids.values().all(|pid| !runs(*pid)));
    drop(client);
}

/// Service managers send the signal to all processes.
#[tokio::test]
async fn workers_take_a_repeated_signal_for_one() {
    let mut workers = Workers::start(&["server.drain_ms=4000"]).await;
    let mut client = websocket(workers.addr()).await;
    workers.served.signal("TERM").await;
    for pid in workers.pids.values() {
        // Workers without clients may have exited.
        let _ = Command::new("kill").args(["-TERM", &pid.to_string()]).output().await.unwrap();
    }
    client.closed().await;
    assert!(soon(workers.served.process.wait()).await.unwrap().success());
}

#[tokio::test]
async fn workers_end_with_their_supervisor() {
    let mut workers = Workers::start(&["server.drain_ms=4000"]).await;
    let mut clients = [websocket(workers.addr()).await, websocket(workers.addr()).await];
    soon(workers.served.process.kill()).await.unwrap();
    for client in &mut clients {
        client.closed().await;
    }
    until(async || workers.pids.values().all(|pid| !runs(*pid))).await;
    until(async || workers.is_clean()).await;
}

/// A setting that only the start of a gateway finds wrong ends the program, rather than restarting workers for ever.
#[tokio::test]
async fn workers_that_cannot_start_end_the_program() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let redis_url = format!("cluster.redis={}", redis.url());
    let mut command = program(&["--workers", "3", "--port", "0", "--set", &redis_url]);
    command.args(["--set", "tls.certificate=/nonexistent.pem", "--set", "tls.key=/nonexistent.key"]);
    let output = soon(command.env("XDG_RUNTIME_DIR", folder.path()).output()).await.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let expected = "socketio-gateway: tls: ";
    assert_eq!(errors.lines().filter(|line| line.starts_with(expected)).count(), 1, "{errors}");
    assert!(errors.contains("/nonexistent.pem"), "{errors}");
    assert!(is_empty(folder.path()));
}

#[tokio::test]
async fn a_worker_needs_its_supervisor() {
    let output = soon(program(&["worker"]).output()).await.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("a supervisor starts workers"), "{errors}");
}

/// One key for all workers, printed once by the supervisor, and one port for operators. A reload reaches all.
#[tokio::test]
async fn all_workers_have_the_generated_key_and_reload() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let redis_url = format!("cluster.redis={}", redis.url());
    let settings = ["--workers", "3", "--set", &redis_url, "--set", "internal.address=127.0.0.1:0"];
    let environment = [("XDG_RUNTIME_DIR", folder.path().to_str().unwrap())];
    let mut served = serve_in(&environment, &settings).await;
    let mut out = served.process.stdout.take().unwrap();
    let mut printed = String::new();
    while !printed.contains("#key=") || !printed.ends_with("\n\n") {
        let mut part = [0; 1024];
        let read = soon(out.read(&mut part)).await.unwrap();
        printed.push_str(std::str::from_utf8(&part[..read]).unwrap());
    }
    let key = printed.split_once("#key=").unwrap().1.trim().to_owned();
    let internal = served.begins("metrics, health and API on http://").await.parse().unwrap();
    let keys_work = async || {
        let mut answered = BTreeSet::new();
        until(async || {
            let get = async |target: &str, key: &str| {
                Request::new("GET", target).header("x-api-key", key).send(internal).await
            };
            assert_eq!(get("/api/rooms", &key).await.status, 200);
            assert_eq!(get("/api/rooms", &key[1..]).await.status, 401);
            answered.insert(parsed(&get("/info", "").await).1["node"].as_str().unwrap().to_owned());
            answered.len() == 3
        })
        .await;
    };
    keys_work().await;
    served.signal("HUP").await;
    let mut reloaded = BTreeSet::new();
    while reloaded.len() < 3 {
        reloaded.insert(served.said("reloaded").await["node"].as_str().unwrap().to_owned());
    }
    keys_work().await;
    served.signal("TERM").await;
    soon(out.read_to_string(&mut printed)).await.unwrap();
    assert_eq!(printed.matches(&key).count(), 1, "{printed}");
}
