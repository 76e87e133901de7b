//! The files for two gateways, Redis and nginx: nginx as it is configured there, in front of two gateways, and the
//! services against the settings.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use socketio_gateway::Config;
use tests::program::Program;
use tests::raw::{soon, until};
use tests::redis::RedisServer;
use tokio::process::Child;

use crate::cluster::nodes;
use crate::deploy::{after, in_force, one};
use crate::proxies::{NGINX, Proxy, in_front_of};
use crate::support::Running;

const COMPOSE: &str = include_str!("../../deploy/cluster/compose.yaml");
const SITE: &str = include_str!("../../deploy/cluster/nginx.conf");
/// Number of clients, each with an address of its own: so many that hashes of their addresses hardly choose one gateway.
const CLIENTS: usize = 20;

/// Clients of npm that have talked to each other and stay until the process ends.
async fn talk(proxy: &Proxy, transports: &str) -> Child {
    let mut node = tests::node::command();
    node.args(["gateways.mjs", &format!("http://{}", proxy.addr), transports, &CLIENTS.to_string()]);
    let mut program = Program::start(node.stdin(Stdio::piped()), tests::node::NEEDED);
    assert_eq!(program.line().await, "talked", "{transports}");
    program.ignore_output()
}

async fn clients_of(node: &Running) -> Vec<(String, u64)> {
    let (_, counts) = node.get("/api/counts").await;
    let nodes = counts["data"]["nodes"].as_array().unwrap().clone();
    let count = |node: &Value| (node["node"].as_str().unwrap().to_owned(), node["clients"].as_u64().unwrap());
    nodes.iter().map(count).collect()
}

#[tokio::test]
async fn clients_of_npm_meet_behind_nginx_in_front_of_two_gateways() {
    let redis = RedisServer::start().await;
    let more = json!({
        "server": {"trusted_proxies": ["127.0.0.1/32"], "drain_ms": 2_000},
        "transport": {"recovery_ms": 120_000},
    });
    let [a, b] = nodes(&redis, ["gateway-1", "gateway-2"], more).await;
    let site =
        SITE.replace("gateway-1:8000", &a.addr.to_string()).replace("gateway-2:8000", &b.addr.to_string());
    let arguments = ["-p", "FOLDER", "-c", "main.conf", "-e", "stderr"];
    let proxy = in_front_of(&a, &site, "nginx", &arguments, NGINX).await;
    for transports in ["polling,websocket", "websocket", "polling"] {
        let mut process = talk(&proxy, transports).await;
        let clients = clients_of(&a).await;
        assert!(clients.iter().all(|(_, clients)| *clients > 0), "both are used: {clients:?}");
        assert_eq!(clients.iter().map(|(_, clients)| clients).sum::<u64>(), CLIENTS as u64);
        let (_, listed) = b.get("/api/sockets").await;
        let addresses: Vec<_> =
            listed["data"]["sockets"].as_array().unwrap().iter().map(|socket| &socket["address"]).collect();
        for number in 2..=CLIENTS {
            assert!(addresses.contains(&&json!(format!("127.0.0.{number}"))), "{addresses:?}");
        }
        drop(process.stdin.take());
        soon(process.wait()).await.unwrap();
        until(async || clients_of(&a).await.iter().all(|(_, clients)| *clients == 0)).await;
    }
    // The clients of a gateway that has ended get the other one.
    soon(b.gateway.drain()).await;
    let _process = talk(&proxy, "polling,websocket").await;
    assert_eq!(clients_of(&a).await, [("gateway-1".to_owned(), CLIENTS as u64)]);
}

#[tokio::test]
async fn the_services_of_the_cluster_fit_together() {
    let variables: Vec<(&str, &str)> = after(COMPOSE, "GATEWAY_")
        .into_iter()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !matches!(*name, "CLUSTER_NODE"))
        .collect();
    let names: Vec<String> = variables.iter().map(|(name, _)| format!("GATEWAY_{name}")).collect();
    let value = |value: &str| match value.strip_prefix("${") {
        Some(_) => "a value of at least 16 bytes".to_owned(),
        None => value.trim_matches('"').to_owned(),
    };
    let values: Vec<String> = variables.iter().map(|(_, text)| value(text)).collect();
    let mut environment: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
    let nodes = after(COMPOSE, "GATEWAY_CLUSTER_NODE:");
    assert_eq!(nodes, ["gateway-1", "gateway-2"]);
    environment.push(("GATEWAY_CLUSTER_NODE", nodes[0]));
    let config = in_force(&environment).await;
    assert_eq!(config["cluster"]["redis"].as_str(), Some("(secret)"));
    assert_eq!(config["cluster"]["node"].as_str(), Some("gateway-1"));
    assert_eq!(config["transport"]["recovery_ms"].as_integer(), Some(120_000));
    let trusted = config["server"]["trusted_proxies"][0].as_str().unwrap();
    assert_eq!(one(COMPOSE, "- subnet:"), trusted);
    for node in nodes {
        let upstream = format!("server {node}:{} ", Config::default().server.port);
        assert!(SITE.contains(&upstream), "{upstream}");
        assert!(COMPOSE.lines().any(|line| line == format!("  {node}:")), "{node}");
    }
    assert_eq!(one(COMPOSE, "GATEWAY_CLUSTER_REDIS:"), "redis://redis:6379/");
    assert!(COMPOSE.lines().any(|line| line == "  redis:"));
    let drain = Duration::from_millis(Config::default().server.drain_ms);
    let grace: u64 = one(COMPOSE, "stop_grace_period:").trim_end_matches('s').parse().unwrap();
    assert!(Duration::from_secs(grace) > drain);
}
