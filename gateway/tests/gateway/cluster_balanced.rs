//! Three gateways that share their sessions, as processes behind nginx, HAProxy and Caddy without sticky sessions, as they are
//! configured in `deploy/peers`.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use engineio::client::Proxies;
use serde::Deserialize;
use serde_json::{Value, json};
use socketio_client::{Data, Manager, Transport};
use socketio_gateway::Config;
use tests::ports::free_port;
use tests::program::Program;
use tests::raw::{Request, soon, until};
use tests::redis::RedisServer;
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;

use crate::cli::{Served, serve_at};
use crate::cluster::KEY;
use crate::cluster_peers::PEERS_KEY;
use crate::deploy::{after, in_force, one};
use crate::proxies::{NGINX, Proxy};
use crate::support::parsed;

const COMPOSE: &str = include_str!("../../deploy/peers/compose.yaml");
const NGINX_SITE: &str = include_str!("../../deploy/peers/nginx.conf");
pub(crate) const HAPROXY_SITE: &str = include_str!("../../deploy/peers/haproxy.cfg");
const CADDY_SITE: &str = include_str!("../../deploy/peers/Caddyfile");
const NAMES: [&str; 3] = ["gateway-1", "gateway-2", "gateway-3"];
/// Number of clients of each kind.
pub(crate) const CLIENTS: usize = 9;

/// Three gateways at fixed ports.
pub(crate) struct Gateways {
    redis: RedisServer,
    folder: tempfile::TempDir,
    ports: [u16; 3],
    pub(crate) processes: Vec<Option<Served>>,
}

impl Gateways {
    pub(crate) async fn start() -> Self {
        let redis = RedisServer::start().await;
        let folder = tempfile::tempdir().unwrap();
        let ports = [free_port(), free_port(), free_port()];
        let mut gateways = Self { redis, folder, ports, processes: Vec::new() };
        for number in 0..3 {
            gateways.processes.push(Some(gateways.serve(number).await));
        }
        gateways.are_connected().await;
        gateways
    }

    pub(crate) async fn serve(&self, number: usize) -> Served {
        let listen = |name: &str| format!("unix:{}", self.folder.path().join(name).display());
        let settings = [
            format!("cluster.redis={}", self.redis.url()),
            format!("cluster.node={}", NAMES[number]),
            format!("cluster.peers={}", NAMES.map(listen).join(",")),
            format!("cluster.peers_listen={}", listen(NAMES[number])),
            format!("cluster.peers_key={PEERS_KEY}"),
            format!("api.keys={KEY}"),
            "transport.recovery_ms=120000".to_owned(),
            "server.trusted_proxies=127.0.0.1".to_owned(),
        ];
        let arguments: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        serve_at(self.ports[number], &arguments).await
    }

    fn running(&self) -> impl Iterator<Item = &Served> {
        self.processes.iter().flatten()
    }

    /// Waits until each gateway that runs is connected with the others that run.
    pub(crate) async fn are_connected(&self) {
        let others = self.running().count() - 1;
        let lost = 2 - others;
        for gateway in self.running() {
            until(async || {
                let health = Request::new("GET", "/health/ready").send(gateway.addr).await;
                let peers = &parsed(&health).1["peers"];
                *peers == json!({"connected": others, "lost": lost}) && others_known(gateway).await >= others
            })
            .await;
        }
    }

    /// A file of the folder, with the addresses of these gateways.
    pub(crate) fn site(&self, site: &str) -> String {
        let at = |site: String, number: usize| {
            site.replace(&format!("{}:8000", NAMES[number]), &format!("127.0.0.1:{}", self.ports[number]))
        };
        (0..3).fold(site.to_owned(), at)
    }

    pub(crate) async fn emit(&self, gateway: usize, room: &str, number: usize) {
        let body = json!({"room": room, "event": "number", "data": number}).to_string();
        let request = Request::new("POST", "/api/emit_to_room").header("x-api-key", KEY);
        let request = request.header("content-type", "application/json").body(body);
        let addr = self.processes[gateway].as_ref().unwrap().addr;
        assert_eq!(soon(request.send(addr)).await.status, 200);
    }

    /// The data of a GET at one of the gateways.
    async fn data(&self, gateway: usize, target: &str) -> Value {
        data(self.processes[gateway].as_ref().unwrap(), target).await
    }
}

async fn data(gateway: &Served, target: &str) -> Value {
    let request = Request::new("GET", target).header("x-api-key", KEY);
    parsed(&soon(request.send(gateway.addr)).await).1["data"].take()
}

/// The other gateways that answer this one.
async fn others_known(gateway: &Served) -> usize {
    let counts = data(gateway, "/api/counts").await;
    counts["nodes"].as_array().map_or(0, Vec::len).saturating_sub(1)
}

/// Clients of npm that have talked to each other.
pub(crate) struct Clients {
    program: Program,
    input: ChildStdin,
    pub(crate) room: String,
}

/// The events that a client has received.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    /// Its id when it had talked.
    pub(crate) id: String,
    pub(crate) numbers: Vec<usize>,
    pub(crate) disconnects: Vec<String>,
    pub(crate) recovered: usize,
    /// Reconnections that were no recovery.
    pub(crate) fresh: usize,
}

impl Clients {
    pub(crate) async fn talk(addr: SocketAddr, transports: &str) -> Self {
        let mut node = tests::node::command();
        node.args(["anywhere.mjs", &format!("http://{addr}"), transports, &CLIENTS.to_string()]);
        let mut program = Program::start(node.stdin(Stdio::piped()), tests::node::NEEDED);
        assert_eq!(program.line().await, "talked", "{transports}");
        let input = program.process.stdin.take().unwrap();
        Self { program, input, room: format!("room-{transports}") }
    }

    /// Waits until each client has received this number.
    pub(crate) async fn heard(&mut self, number: usize) {
        self.input.write_all(format!("heard {number}\n").as_bytes()).await.unwrap();
        assert_eq!(self.program.line().await, "heard");
    }

    /// Waits likewise, and returns what each client has received.
    pub(crate) async fn until(&mut self, number: usize) -> Vec<Report> {
        self.input.write_all(format!("until {number}\n").as_bytes()).await.unwrap();
        serde_json::from_str(&self.program.line().await).unwrap()
    }
}

/// Everything that clients do works through a proxy that sends each request to another gateway, and a gateway that is
/// killed ends its own sessions alone.
async fn any_gateway_answers(site: &str, program: &str, arguments: &[&str], around: &str) {
    let mut gateways = Gateways::start().await;
    let proxy = Proxy::in_front(&gateways.site(site), program, arguments, around).await;
    for (killed, transports) in ["websocket", "polling,websocket", "polling"].into_iter().enumerate() {
        let mut clients = Clients::talk(proxy.addr, transports).await;
        let own = own_clients(&proxy, transports).await;
        let survivors = [(killed + 1) % 3, (killed + 2) % 3];
        // Where the session of each client is.
        let listed = gateways.data(killed, &format!("/api/sockets?room={}", clients.room)).await;
        let node_of = |id: &str| {
            let sockets = listed["sockets"].as_array().unwrap();
            let socket = sockets.iter().find(|socket| socket["id"] == id);
            socket.unwrap_or_else(|| panic!("{id}: {listed}"))["node"].as_str().unwrap().to_owned()
        };
        let mut relayed = 0;
        for gateway in gateways.running() {
            relayed += metric(gateway, "gateway_peer_relayed").await;
        }
        let room_name = clients.room.clone();
        let mut number = 0;
        let mut emit = async |gateways: &Gateways, count: usize| {
            for _ in 0..count {
                number += 1;
                gateways.emit(survivors[number % 2], &room_name, number).await;
            }
            number
        };
        let last = emit(&gateways, 50).await;
        clients.heard(last).await;
        emit(&gateways, 10).await;
        gateways.processes[killed].take().unwrap().process.kill().await.unwrap();
        emit(&gateways, 40).await;
        let room = format!("/api/sockets?room={}", clients.room);
        let members = async || {
            let listed = gateways.data(survivors[0], &room).await;
            listed["sockets"].as_array().map_or(0, Vec::len)
        };
        until(async || members().await == CLIENTS).await;
        let last = emit(&gateways, 50).await;
        for report in clients.until(last).await {
            let Report { id, numbers, disconnects, recovered, fresh } = report;
            let what = format!("{program} {transports}: {id} at {}: {disconnects:?}", node_of(&id));
            assert!(numbers.is_sorted_by(|one, next| one < next), "{what}: {numbers:?}");
            // One whose server had not written its session yet starts anew, and may miss what came meanwhile.
            let is_complete = numbers.len() == last;
            assert!(is_complete || fresh > 0, "{what}: {} numbers, {recovered} recovered", numbers.len());
            if node_of(&id) == NAMES[killed] {
                assert!(!disconnects.is_empty(), "{what}");
            } else if transports == "websocket" || transports == "polling,websocket" && relayed == 0 {
                assert_eq!(disconnects, [""; 0], "{what}");
            }
        }
        for socket in own {
            // A client may not have noticed yet that its connection is lost, and comes back then.
            until(async || {
                let echoed = soon(socket.emit_with_ack::<Value>("echo", &1)).await;
                echoed.is_ok_and(|echoed| echoed["received"] == 1)
            })
            .await;
            socket.disconnect();
        }
        drop(clients);
        gateways.processes[killed] = Some(gateways.serve(killed).await);
        gateways.are_connected().await;
    }
}

/// A sample of the metrics of a gateway, with any labels.
async fn metric(gateway: &Served, name: &str) -> u64 {
    let metrics = Request::new("GET", "/metrics").header("x-api-key", KEY).send(gateway.addr).await;
    let line = metrics.text().lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap().to_owned();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Clients of our own, which have received acknowledgements, and binary data of each other.
async fn own_clients(proxy: &Proxy, transports: &str) -> Vec<socketio_client::Socket> {
    let transports: Vec<Transport> = transports
        .split(',')
        .map(|transport| if transport == "polling" { Transport::Polling } else { Transport::WebSocket })
        .collect();
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let manager = Manager::builder(&format!("http://{}", proxy.addr)).unwrap();
        let manager = manager.transports(transports.clone()).engine(|engine| engine.proxy(Proxies::None));
        let quick = |settings: &mut socketio_client::Reconnection| {
            settings.delay = Duration::from_millis(20);
            settings.delay_max = Duration::from_millis(200);
        };
        let socket = manager.reconnection(quick).build().socket("/");
        let sender = sender.clone();
        socket.on("own", move |Data(message): Data<Value>| {
            let _ = sender.send(message);
            async {}
        });
        soon(socket.connect().connected()).await.unwrap();
        for number in 0..20 {
            let echoed = soon(socket.emit_with_ack::<Value>("echo", &number)).await.unwrap();
            assert_eq!(echoed["received"], number);
        }
        let joined = soon(socket.emit_with_ack::<Value>("join", "own")).await.unwrap();
        assert_eq!(joined, json!({"room": "own"}));
        sockets.push(socket);
    }
    for (number, socket) in sockets.iter().enumerate() {
        socket.emit("own", &json!({"room": "own", "content": number})).unwrap();
        for _ in 0..2 {
            assert_eq!(soon(heard.recv()).await.unwrap()["content"], number);
        }
    }
    sockets
}

#[tokio::test]
async fn any_gateway_answers_behind_nginx() {
    let arguments = ["-e", "stderr", "-p", "FOLDER", "-c", "main.conf"];
    any_gateway_answers(NGINX_SITE, "nginx", &arguments, NGINX).await;
}

#[tokio::test]
async fn any_gateway_answers_behind_haproxy() {
    any_gateway_answers(HAPROXY_SITE, "haproxy", &["-db", "-f", "site.conf"], "").await;
}

#[tokio::test]
async fn any_gateway_answers_behind_caddy() {
    let arguments = ["run", "--adapter", "caddyfile", "--config", "site.conf"];
    any_gateway_answers(CADDY_SITE, "caddy", &arguments, "").await;
}

#[tokio::test]
async fn the_services_of_gateways_with_shared_sessions_fit_together() {
    let settings = after(COMPOSE, "GATEWAY_");
    let settings = settings.iter().filter_map(|line| line.split_once(": "));
    let variables: Vec<(String, String)> = settings
        .filter(|(name, _)| *name != "CLUSTER_NODE")
        .map(|(name, value)| {
            let value = if value.starts_with("${") {
                "a value of at least 16 bytes"
            } else {
                value.trim_matches('"')
            };
            (format!("GATEWAY_{name}"), value.to_owned())
        })
        .collect();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let config = in_force(&variables).await;
    let nodes: Vec<String> = config["cluster"]["peers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(nodes, NAMES.map(|name| format!("{name}:4000")));
    assert_eq!(config["cluster"]["peers_listen"].as_str(), Some("0.0.0.0:4000"));
    assert_eq!(config["cluster"]["peers_key"].as_str(), Some("(secret)"));
    assert_eq!(after(COMPOSE, "GATEWAY_CLUSTER_NODE:"), NAMES);
    let trusted = config["server"]["trusted_proxies"][0].as_str().unwrap();
    assert_eq!(one(COMPOSE, "- subnet:"), trusted);
    for name in NAMES {
        assert!(COMPOSE.lines().any(|line| line == format!("  {name}:")), "{name}");
        for site in [NGINX_SITE, HAPROXY_SITE, CADDY_SITE] {
            assert!(site.contains(&format!("{name}:{}", Config::default().server.port)), "{name}");
        }
    }
    let drain = Duration::from_millis(Config::default().server.drain_ms);
    let grace: u64 = one(COMPOSE, "stop_grace_period:").trim_end_matches('s').parse().unwrap();
    assert!(Duration::from_secs(grace) > drain);
}
