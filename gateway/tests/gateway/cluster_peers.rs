//! Gateways that share their sessions: each request of a client arrives at another one.

use std::cell::Cell;
use std::path::Path;

use serde_json::{Value, json};
use socketio_gateway::{Gateway, StartError};
use tests::ports::free_port;
use tests::raw::{Polling, Request, Response, WebSocket, soon, until};
use tests::redis::RedisServer;

use crate::cluster::{KEY, call, data, known, settings};
use crate::media::{AnyServer, Medium};
use crate::metrics::read;
use crate::openapi::Described;
use crate::support::{Running, config, parsed, start};

/// The key of gateways that share their sessions.
pub(crate) const PEERS_KEY: &str = "a key of all gateways";

/// Settings of one of the gateways with these addresses.
pub(crate) fn sharing(medium: &impl Medium, name: &str, listen: &str, all: &[String], more: &Value) -> Value {
    let mut settings = settings(medium, name, more);
    let cluster = settings["cluster"].as_object_mut().unwrap();
    cluster.insert("peers".to_owned(), json!(all));
    cluster.insert("peers_listen".to_owned(), json!(listen));
    cluster.entry("peers_key").or_insert(json!(PEERS_KEY));
    settings
}

/// Starts gateways that share their sessions, and waits until each is connected with all others.
pub(crate) async fn gateways<const N: usize>(
    medium: &impl Medium,
    names: [&str; N],
    addresses: &[String],
    more: Value,
) -> [Running; N] {
    let mut gateways = Vec::new();
    for (name, listen) in names.iter().zip(addresses) {
        gateways.push(start(sharing(medium, name, listen, addresses, &more)).await);
    }
    for gateway in &gateways {
        connected(gateway, N - 1).await;
        until(async || known(gateway).await == names).await;
    }
    gateways.try_into().ok().unwrap()
}

/// Waits until a gateway is connected with this many others, and with all that it knows.
pub(crate) async fn connected(gateway: &Running, others: usize) {
    until(async || peers(gateway).await == json!({"connected": others, "lost": 0})).await;
}

/// The others in the health of a gateway.
pub(crate) async fn peers(gateway: &Running) -> Value {
    let (status, mut health) = parsed(&Request::new("GET", "/health/ready").send(gateway.addr).await);
    assert_eq!(status, 200);
    health["peers"].take()
}

/// Addresses of Unix sockets in a folder.
pub(crate) fn sockets(folder: &Path, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("unix:{}", folder.join(name).display())).collect()
}

/// Addresses of two gateways of this machine.
pub(crate) fn ports() -> Vec<String> {
    (0..2).map(|_| format!("127.0.0.1:{}", free_port())).collect()
}

/// A polling client whose requests arrive at all gateways in turn.
struct Anywhere<'a> {
    gateways: &'a [Running],
    client: Polling,
    turn: Cell<usize>,
    came: Vec<String>,
}

impl<'a> Anywhere<'a> {
    /// Opens a session at the first gateway, and joins the namespace `/`.
    async fn connect(gateways: &'a [Running]) -> Self {
        let client = Polling::open(gateways[0].addr, "/socket.io/?EIO=4&transport=polling").await;
        let mut client = Self { gateways, client, turn: Cell::new(0), came: Vec::new() };
        client.post("40").await;
        client.until("40{").await;
        client.until("42[\"connected\"").await;
        client
    }

    /// The client with its next request at the next gateway.
    fn next(&self) -> Polling {
        self.turn.set(self.turn.get() + 1);
        self.at(self.turn.get())
    }

    fn at(&self, turn: usize) -> Polling {
        let addr = self.gateways[turn % self.gateways.len()].addr;
        let Polling { open, response, target, .. } = self.client.clone();
        Polling::from_parts(addr, open, response, target)
    }

    async fn post(&self, packets: &str) {
        let response = self.next().post(packets).await;
        assert_eq!(response.both(), (200, "ok"), "{packets}");
    }

    /// Polls until a packet begins like this, and returns its rest.
    async fn until(&mut self, start: &str) -> String {
        soon(async {
            loop {
                while !self.came.is_empty() {
                    if let Some(rest) = self.came.remove(0).strip_prefix(start) {
                        return rest.to_owned();
                    }
                }
                self.came = self.next().poll().await.split('\u{1e}').map(str::to_owned).collect();
            }
        })
        .await
    }
}

/// Clients that poll at two gateways join, talk, and get acknowledgements and binary data.
pub(crate) async fn requests_arrive_at_any(addresses: [Vec<String>; 2], more: Value) {
    for (server, addresses) in AnyServer::each().await.into_iter().zip(addresses) {
        let nodes = gateways(&server, ["a", "b"], &addresses, more.clone()).await;
        let mut one = Anywhere::connect(&nodes).await;
        let mut other = Anywhere::connect(&nodes).await;
        for client in [&mut one, &mut other] {
            client.post("421[\"join\",\"r\"]").await;
            assert_eq!(client.until("431").await, "[{\"room\":\"r\"}]");
        }
        for number in 0..20 {
            one.post(&format!("42[\"message\",{{\"room\":\"r\",\"content\":{number}}}]")).await;
            let heard: Value =
                serde_json::from_str(&other.until("42[\"message\",").await.replace("}]", "}")).unwrap();
            assert_eq!(heard["content"], number);
        }
        for _ in 0..4 {
            let file = "{\"room\":\"r\",\"content\":{\"_placeholder\":true,\"num\":0}}]";
            other.post(&format!("451-[\"file\",{file}\u{1e}bAQL/")).await;
            assert_eq!(one.until("451-[\"file\",").await, file);
            assert_eq!(one.until("b").await, "AQL/");
        }
        for node in &nodes {
            assert_eq!(call(node, "/api/emit_to_room", json!({"room": "r", "event": "e"})).await.0, 200);
            for client in [&mut one, &mut other] {
                client.until("42[\"e\"").await;
            }
            let listed = data(node, "/api/sockets").await;
            let nodes: Vec<_> =
                listed["sockets"].as_array().unwrap().iter().map(|socket| &socket["node"]).collect();
            assert_eq!(nodes, ["a", "a"], "{listed}");
        }
        // A client that leaves at the other gateway has left.
        assert_eq!(one.at(1).post("1").await.status, 200);
        until(async || data(&nodes[0], "/api/counts").await["namespaces"]["/"]["clients"] == 1).await;
        assert_eq!(one.next().get().await.status, 400);
    }
}

#[tokio::test]
async fn requests_arrive_at_any_gateway_over_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = [&["a", "b"], &["c", "d"]].map(|names| sockets(folder.path(), names));
    requests_arrive_at_any(addresses, json!({})).await;
}

#[tokio::test]
async fn requests_arrive_at_any_gateway_over_tcp() {
    requests_arrive_at_any([ports(), ports()], json!({})).await;
}

/// A client that upgrades at another gateway takes its session there, or its WebSocket is relayed if it is late.
#[tokio::test]
async fn a_client_upgrades_at_another_gateway() {
    let redis = RedisServer::start().await;
    for (delay, owner) in [(10_000, "b"), (0, "a")] {
        let folder = tempfile::tempdir().unwrap();
        let addresses = sockets(folder.path(), &["a", "b"]);
        let more = json!({"cluster": {"peers_delayed_connection_ms": delay, "prefix": owner}});
        let nodes = gateways(&redis, ["a", "b"], &addresses, more).await;
        let client = Polling::open(nodes[0].addr, "/socket.io/?EIO=4&transport=polling").await;
        let Polling { open, response, target, .. } = client;
        let mut ws = Polling::from_parts(nodes[1].addr, open, response, target).upgrade().await;
        ws.send("40").await;
        assert!(ws.text().await.starts_with("40{"));
        assert!(ws.text().await.starts_with("42[\"connected\""));
        for number in 0..10 {
            ws.send(&format!("42[\"echo\",{number}]")).await;
            let echoed = ws.text().await;
            assert!(
                echoed.starts_with(&format!("42[\"echo_response\",{{\"received\":{number},")),
                "{echoed}"
            );
        }
        let listed = data(&nodes[0], "/api/sockets").await;
        assert_eq!(listed["sockets"][0]["node"], owner);
        assert_eq!(nodes[1].gateway.io().engine().peer_stats().relayed, usize::from(owner == "a"));
        drop(ws);
        for node in &nodes {
            until(async || node.gateway.io().is_empty()).await;
        }
    }
}

/// A gateway with another key is no gateway: its sessions are unknown to the others, and theirs to it.
#[tokio::test]
async fn a_gateway_with_another_key_is_left_alone() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let addresses = sockets(folder.path(), &["a", "b"]);
    let node = async |name: &str, listen: &str, key: &str| {
        let more = json!({"cluster": {"peers_key": key}});
        start(sharing(&redis, name, listen, &addresses, &more)).await
    };
    let a = node("a", &addresses[0], PEERS_KEY).await;
    let b = node("b", &addresses[1], "another key of 16 bytes").await;
    for node in [&a, &b] {
        until(async || peers(node).await == json!({"connected": 0, "lost": 1})).await;
    }
    assert_eq!(unknown(&a, &b).await, (400, "Session ID unknown".to_owned()));
}

/// The answer of one gateway to a poll for a session of another.
async fn unknown(at: &Running, of: &Running) -> (u16, String) {
    let target = "/socket.io/?EIO=4&transport=polling";
    let Polling { open, response, target, .. } = Polling::open(of.addr, target).await;
    let response: Response = Polling::from_parts(at.addr, open, response, target).get().await;
    let (status, refused) = parsed(&response);
    (status, refused["message"].as_str().unwrap().to_owned())
}

/// The sessions of a gateway that ends are unknown at once, and its successor at the same address is found.
#[tokio::test]
async fn a_gateway_that_ends_is_lost_and_its_successor_is_found() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let addresses = sockets(folder.path(), &["a", "b"]);
    let a = start(sharing(&redis, "a", &addresses[0], &addresses, &json!({}))).await;
    let arguments = arguments(&sharing(&redis, "b", &addresses[1], &addresses, &json!({})));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut b = crate::cli::serve(&arguments).await;
    connected(&a, 1).await;
    let target = "/socket.io/?EIO=4&transport=polling";
    let Polling { open, response, target, .. } = Polling::open(b.addr, target).await;
    let client = Polling::from_parts(a.addr, open, response, target);
    assert_eq!(client.post("40").await.status, 200);
    assert!(client.poll().await.starts_with("40{"));
    b.process.kill().await.unwrap();
    until(async || client.get().await.status == 400).await;
    until(async || peers(&a).await == json!({"connected": 0, "lost": 1})).await;
    // The file of its socket is still there.
    let b = crate::cli::serve(&arguments).await;
    connected(&a, 1).await;
    let Polling { open, response, target, .. } =
        Polling::open(b.addr, "/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(Polling::from_parts(a.addr, open, response, target).post("40").await.status, 200);
}

/// The settings of a cluster, as arguments of the program.
pub(crate) fn arguments(settings: &Value) -> Vec<String> {
    let as_argument = |(key, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        ["--set".to_owned(), format!("cluster.{key}={value}")]
    };
    settings["cluster"].as_object().unwrap().iter().flat_map(as_argument).collect()
}

/// A gateway that drains accepts no clients, and still passes on the requests of others.
#[tokio::test]
async fn a_gateway_that_drains_passes_requests_on() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let addresses = sockets(folder.path(), &["a", "b"]);
    let nodes = gateways(&redis, ["a", "b"], &addresses, json!({"server": {"drain_ms": 20_000}})).await;
    let mut client = Anywhere::connect(&nodes).await;
    // It holds the drain open.
    let _waiting = Polling::open(nodes[1].addr, "/socket.io/?EIO=4&transport=polling").await;
    let draining = nodes[1].gateway.clone();
    let drain = tokio::spawn(async move { draining.drain().await });
    until(async || !nodes[1].gateway.is_ready()).await;
    assert_eq!(WebSocket::open(nodes[1].addr, "/").await.err(), Some(503));
    for number in 0..10 {
        client.post(&format!("421[\"echo\",{number}]")).await;
        client.until("431").await;
    }
    drain.abort();
}

#[tokio::test]
async fn an_address_that_is_in_use_is_named() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let addresses = sockets(folder.path(), &["a"]);
    let settings = sharing(&redis, "a", &addresses[0], &addresses, &json!({}));
    let _first = start(settings.clone()).await;
    // The address of a gateway that runs is left alone when its settings are checked.
    let arguments = arguments(&settings);
    let arguments: Vec<&str> =
        ["check-config"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let checked = crate::cli::run(&arguments).await;
    let shown = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success() && shown.contains(&addresses[0]) && !shown.contains(PEERS_KEY),
        "{shown}"
    );
    let Err(StartError::Cluster(error)) = Gateway::new(config(settings)) else { panic!("refused") };
    let expected = format!("cluster.peers_listen: {}: ", addresses[0]);
    assert!(error.to_string().starts_with(&expected), "{error}");
}

/// Operators see the links in the health, the metrics, the API and the statistics.
#[tokio::test]
async fn the_links_are_shown() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    // There is no third gateway.
    let addresses = sockets(folder.path(), &["a", "b", "c"]);
    let more = json!({"cluster": {"peers_delayed_connection_ms": 0}});
    let a = start(sharing(&redis, "a", &addresses[0], &addresses, &more)).await;
    let b = start(sharing(&redis, "b", &addresses[1], &addresses, &more)).await;
    for node in [&a, &b] {
        until(async || peers(node).await == json!({"connected": 1, "lost": 1})).await;
        until(async || known(node).await == ["a", "b"]).await;
    }
    let Polling { open, response, target, .. } =
        Polling::open(a.addr, "/socket.io/?EIO=4&transport=polling").await;
    let mut ws = Polling::from_parts(b.addr, open, response, target).upgrade().await;
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));

    let described = Described::of(&a).await;
    for (node, other, relayed) in [(&a, &addresses[1], 0), (&b, &addresses[0], 1)] {
        let metrics = read(node).await;
        let name = node.gateway.node().unwrap();
        let sample = |name: &str, labels: &str| metrics[&format!("gateway_peer_{name}{{{labels}}}")];
        let node_label = format!("node=\"{name}\"");
        for (address, is_connected) in [(other, 1), (&addresses[2], 0)] {
            assert_eq!(sample("connected", &format!("{node_label},peer=\"{address}\"")), is_connected);
        }
        assert_eq!((sample("relayed", &node_label), sample("open_requests", &node_label)), (relayed, 0));

        let info = node.operator("GET", "/api/info").send(node.addr).await;
        described.holds("get", "/api/info", &info);
        let info = &parsed(&info).1["data"];
        let others: Vec<_> = ["a", "b"].into_iter().filter(|other| *other != name).collect();
        assert_eq!(info["node"], name);
        assert_eq!(info["cluster"], json!({"medium": "Redis", "link": "connected", "others": others}));
        let links =
            json!([{"address": other, "connected": true}, {"address": addresses[2], "connected": false}]);
        assert_eq!(info["peers"], json!({"nodes": links, "relayed": relayed, "openRequests": 0}));
        let health = Request::new("GET", "/health/ready").send(node.addr).await;
        described.holds("get", "/health/ready", &health);
        let public = parsed(&Request::new("GET", "/info").send(node.addr).await).1;
        assert_eq!(public["peers"], Value::Null, "addresses are for operators");
    }
    let mut operator = WebSocket::open(a.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    operator.text().await;
    operator.send(&format!("40/gateway,{}", json!({"key": KEY}))).await;
    until(async || {
        let text = operator.text().await;
        let Some(event) = text.strip_prefix("42/gateway,") else { return false };
        let event: Value = serde_json::from_str(event).unwrap();
        let Some(nodes) = event[1]["nodes"].as_array().filter(|nodes| nodes.len() == 2) else { return false };
        assert_eq!((&nodes[0]["peers"]["relayed"], &nodes[1]["peers"]["relayed"]), (&json!(0), &json!(1)));
        nodes.iter().all(|node| node["peers"]["nodes"].as_array().unwrap().len() == 2)
    })
    .await;
    // Without shared sessions there is nothing of them.
    let alone = start(settings(&redis, "alone", &json!({}))).await;
    assert_eq!((peers(&alone).await, &data(&alone, "/api/info").await["peers"]), (Value::Null, &Value::Null));
    assert!(read(&alone).await.keys().all(|series| !series.contains("peer")));
}
