//! PostgreSQL that fails, with our servers on it.

use std::time::Duration;

use socketio_postgres::{Health, Postgres, PostgresAdapter};
use socketio_server::Args;
use tests::postgres::PostgresServer;
use tests::raw::{soon, until};

use super::log::Log;
use super::support::{Client, NONE, Rust};

/// Connections that notice within a fraction of the default times.
pub(crate) fn hasty(url: &str) -> Postgres {
    Postgres::open(url)
        .unwrap()
        .client_name("node")
        .timeout(Duration::from_millis(500))
        .probe_interval(Duration::from_millis(200))
        .reconnect_delay(Duration::from_millis(10), Duration::from_millis(100))
}

async fn pair(postgres: &PostgresServer) -> [Rust; 2] {
    let adapter = || PostgresAdapter::new(&hasty(&postgres.url()));
    [Rust::start(adapter()).await, Rust::start(adapter()).await]
}

pub(crate) async fn health(rust: &Rust, wanted: impl Fn(&Health) -> bool) {
    let mut health = rust.connections.health();
    soon(health.wait_for(|health| wanted(health))).await.unwrap();
}

/// Connections that the server ends are opened again, and all channels are listened to again.
#[tokio::test]
async fn terminated_connections_are_replaced() {
    let postgres = PostgresServer::start().await;
    let nodes = pair(&postgres).await;
    let mut client = Client::connect(nodes[1].addr).await;
    for purpose in ["node:publish", "node:subscribe"] {
        let before = nodes.each_ref().map(|node| node.connections.stats().connections);
        assert_eq!(postgres.terminate(purpose).await, 2, "{purpose}");
        for (node, before) in nodes.iter().zip(before) {
            until(async || node.connections.stats().connections > before).await;
            soon(node.connections.ready()).await;
        }
        nodes[0].io.emit("again", &NONE).await.unwrap();
        assert_eq!(client.text().await, r#"42["again"]"#);
    }
    assert!(nodes.iter().all(|node| node.connections.stats().gaps >= 1), "the namespaces know");
}

/// While the server is away, local clients are served, messages wait within the bound, and what does not fit has an error and
/// is counted. Afterwards the node is well again by itself.
#[tokio::test]
async fn a_restart_loses_nothing_that_fits_into_the_queue() {
    let mut postgres = PostgresServer::start().await;
    let bound = 100_000;
    // After the outage it leaves the other one more than enough time to listen again.
    let patient = hasty(&postgres.url()).reconnect_delay(Duration::from_millis(10), Duration::from_secs(3));
    let patient = patient.timeout(Duration::from_secs(20)).max_queued_bytes(bound);
    // Heartbeats would take a part of the bound.
    let adapter = PostgresAdapter::builder(&patient).heartbeat_interval(Duration::from_secs(60));
    let node = Rust::start(adapter.heartbeat_timeout(Duration::from_secs(120)).build()).await;
    let other = Rust::start(PostgresAdapter::new(&hasty(&postgres.url()))).await;
    let (mut near, mut far) = (Client::connect(node.addr).await, Client::connect(other.addr).await);
    postgres.stop().await;
    for node in [&node, &other] {
        health(node, |health| matches!(health, Health::Down { .. })).await;
    }
    let text = "x".repeat(1000);
    let mut accepted = 0;
    for number in 0..200 {
        let emitted = node.io.emit("n", &Args((number, &text))).await;
        accepted += u64::from(emitted.is_ok());
        assert_eq!(near.text().await, format!(r#"42["n",{number},"{text}"]"#), "at once");
    }
    let stats = node.connections.stats();
    assert!((70..100).contains(&accepted) && stats.queued_bytes <= bound as u64, "{accepted}, {stats:?}");
    assert_eq!(stats.lost, 200 - accepted);
    postgres.restart().await;
    soon(node.connections.ready()).await;
    soon(other.connections.ready()).await;
    soon(node.connections.flush()).await;
    node.io.emit("end", &NONE).await.unwrap();
    let mut heard = 0;
    loop {
        let text = far.text().await;
        if text == r#"42["end"]"# {
            break;
        }
        assert_eq!(text.split(',').nth(1).unwrap(), heard.to_string(), "in order");
        heard += 1;
    }
    assert_eq!(heard, accepted, "what was accepted has arrived");
}

/// A node that the server does not answer knows that it is deaf, and is well again when the server goes on.
#[tokio::test]
async fn a_paused_server_is_noticed() {
    let postgres = PostgresServer::start().await;
    let nodes = pair(&postgres).await;
    let mut client = Client::connect(nodes[1].addr).await;
    postgres.pause(true).await;
    for node in &nodes {
        health(node, |health| *health != Health::Connected).await;
    }
    postgres.pause(false).await;
    for node in &nodes {
        soon(node.connections.ready()).await;
    }
    nodes[0].io.emit("again", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["again"]"#);
}

/// Notifications that cannot be read are counted, the first one is logged, and the next one is read.
#[tokio::test]
async fn poison_is_counted_and_skipped() {
    let (log, _guards) = Log::on_this_thread();
    let postgres = PostgresServer::start().await;
    let nodes = pair(&postgres).await;
    // A server without clients does not read broadcasts.
    let mut clients = [Client::connect(nodes[0].addr).await, Client::connect(nodes[1].addr).await];
    let nested = "[".repeat(5000);
    let poison = [
        nested.as_str(),
        "",
        "no JSON",
        "[]",
        "\"text\"",
        r#"{"type":99,"uid":"x"}"#,
        r#"{"type":"3","uid":"x","nsp":"/"}"#,
        r#"{"type":3,"uid":["x"],"nsp":"/","data":7}"#,
        r#"{"type":3,"uid":"x","data":{}}"#,
        r#"{"type":3,"uid":"x","nsp":"/","data":{"packet":[],"opts":{}}}"#,
        r#"{"uid":"x","type":3,"attachmentId":"1000000"}"#,
        r#"{"uid":"x","type":3,"attachmentId":"; DROP TABLE socket_io_attachments"}"#,
        r#"{"uid":"x","type":3,"attachmentId":"99999999999999999999"}"#,
    ];
    let sender = postgres.client().await;
    for text in poison {
        sender.execute("SELECT pg_notify('socket.io#/', $1)", &[&text]).await.unwrap();
    }
    for node in &nodes {
        node.io.emit("well", &NONE).await.unwrap();
        for client in &mut clients {
            assert_eq!(client.text().await, r#"42["well"]"#);
        }
    }
    // Both servers have read all of it.
    for node in &nodes {
        until(async || node.connections.stats().bad_messages == poison.len() as u64).await;
    }
    assert_eq!(log.lines("cannot be read").len(), nodes.len(), "{:#?}", log.lines(""));
    let line = log.lines("cannot be read").remove(0);
    for part in ["WARN", "a message on PostgreSQL cannot be read", "namespace=\"/\"", "channel=socket.io#/"] {
        assert!(line.contains(part), "{line}");
    }
}
