//! Gateways on a service of Sentinel, whose master changes, and on a Redis Cluster.

use serde_json::{Value, json};
use tests::raw::{Request, soon, until};
use tests::redis::{RedisCluster, Sentinels};
use tests::tls::Authority;

use crate::cli::{Served, serve_in};
use crate::cluster::{call, closes, data, done, gateways_act_as_one, known, nodes, settings};
use crate::cluster_recovery::{Client, emit, token};
use crate::cluster_state::{status, with_key};
use crate::media::Medium;
use crate::support::{Running, parsed, start};

fn sessions() -> Value {
    json!({
        "auth": {"session_secret": "a secret of all gateways", "keep_ms": 60_000},
        "transport": {"recovery_ms": 60_000},
    })
}

async fn link(node: &Running) -> Value {
    parsed(&Request::new("GET", "/health/ready").send(node.addr).await).1["cluster"].take()
}

/// Clients, and state in Redis, from before a change of the servers of Redis.
struct Before {
    nodes: [Running; 2],
    /// A client of the user bob, which has lost its connection to the first node.
    lost: Client,
    bob: String,
    /// Tokens of a user whose tokens are revoked, and of one whose client is kept.
    ada: String,
    eve: String,
    /// A call that was carried out, and a client that has heard of it.
    call: Value,
    hearing: crate::support::Client,
}

impl Before {
    async fn new(redis: &impl Medium) -> Self {
        let [a, b] = nodes(redis, ["a", "b"], sessions()).await;
        let [ada, bob, eve] = [token(&a, "ada").await, token(&b, "bob").await, token(&a, "eve").await];
        let mut hearing = b.native("/").await;

        let mut revoked = b.native(&format!("/?token={ada}")).await;
        assert_eq!(done(&a, "/api/revoke_user", json!({"user": "ada"})).await, json!({"disconnected": 1}));
        closes(&mut revoked).await;

        let mut kept = a.native(&format!("/?token={eve}")).await;
        kept.ask("join", json!("kept")).await;
        drop(kept);
        until(async || a.gateway.io().is_empty()).await;

        let mut lost = Client::connect(&a, &bob).await;
        done(&b, "/api/join_room", json!({"client_id": lost.sid, "room": "r"})).await;
        for number in 0..4 {
            emit(if number % 2 == 0 { &a } else { &b }, number).await;
        }
        assert_eq!(lost.until(3).await, [0, 1, 2, 3]);
        lost.ws = None;
        until(async || a.gateway.io().is_empty()).await;

        let call = json!({"event": "once", "data": 1});
        assert_eq!(with_key(&a, "key", &call).await.status, 200);
        assert_eq!(hearing.heard("once").await, 1);
        // What has been sent to Redis so far is there.
        for node in [&a, &b] {
            assert_eq!(with_key(node, "key", &call).await.header("idempotency-replayed"), Some("true"));
        }
        Self { nodes: [a, b], lost, bob, ada, eve, call, hearing }
    }

    /// Everything is as before the change, at each node and at one that starts now.
    async fn stays(mut self, redis: &impl Medium) {
        let [a, b] = &self.nodes;
        for node in [a, b] {
            until(async || link(node).await == "connected").await;
            until(async || known(node).await == ["a", "b"]).await;
        }
        let late = start(settings(redis, "late", &sessions())).await;
        for node in [a, b, &late] {
            assert_eq!(status(node, &self.ada).await, 401, "revoked");
            assert_eq!(status(node, &self.bob).await, 101);
            let replayed = with_key(node, "key", &self.call).await;
            assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (200, Some("true")));
        }
        for number in 4..8 {
            emit(if number % 2 == 0 { a } else { b }, number).await;
        }
        assert!(self.lost.back(b, Some(&self.bob)).await, "recovered");
        emit(a, 8).await;
        assert_eq!(self.lost.until(8).await, [4, 5, 6, 7, 8]);

        let mut kept = b.native(&format!("/?token={}", self.eve)).await;
        kept.ask("ping", json!(null)).await;
        let expected = json!({"rooms": [
            {"namespace": "/", "room": "kept", "clients": [kept.id]},
            {"namespace": "/", "room": "r", "clients": [self.lost.sid]},
        ]});
        for node in [a, b, &late] {
            until(async || data(node, "/api/counts").await["namespaces"]["/"]["clients"] == 3).await;
            assert_eq!(without_users(data(node, "/api/rooms").await), expected);
        }
        assert_eq!(with_key(&late, "another key", &json!({"event": "last"})).await.status, 200);
        assert_eq!(self.hearing.next().await["event"], "last", "the first call was carried out once");
        let revoked = call(&late, "/api/revoke_user", json!({"user": "bob"})).await;
        assert_eq!(revoked, (200, json!({"success": true, "data": {"disconnected": 1}})));
        soon(self.lost.ws.take().unwrap().closed()).await;
    }
}

/// The rooms that clients have joined.
fn without_users(mut rooms: Value) -> Value {
    rooms["rooms"]
        .as_array_mut()
        .unwrap()
        .retain(|room| !room["room"].as_str().unwrap().starts_with("user:"));
    rooms
}

/// The master changes because it has to.
#[tokio::test]
async fn gateways_follow_a_failover() {
    let group = Sentinels::start().await;
    let before = Before::new(&group).await;
    group.replicated().await;
    group.fail_over().await;
    until(async || group.servers[1].command("ROLE").await.contains("master")).await;
    before.stays(&group).await;
}

/// The master is lost, and a sentinel with it.
#[tokio::test]
async fn gateways_follow_a_failover_after_the_loss_of_the_master() {
    let mut group = Sentinels::start().await;
    let before = Before::new(&group).await;
    group.replicated().await;
    group.servers[0].kill().await;
    group.sentinels[0].kill().await;
    for node in &before.nodes {
        until(async || link(node).await != "connected").await;
    }
    before.stays(&group).await;
}

/// The slots of the stream and of the state move to another server.
#[tokio::test]
async fn gateways_follow_slots_of_a_redis_cluster() {
    let cluster = RedisCluster::start().await;
    let before = Before::new(&cluster).await;
    for key in ["socket.io", "socket.io:gateway:revoked", "socket.io:gateway:call:key"] {
        let to = (cluster.owner(key).await + 1) % 3;
        cluster.move_slot(key, to).await;
    }
    before.stays(&cluster).await;
}

/// A replica takes over from the server of the stream.
#[tokio::test]
async fn gateways_follow_a_replica_of_a_redis_cluster() {
    let mut cluster = RedisCluster::start().await;
    let lost = cluster.owner("socket.io").await;
    cluster.add_replica(lost).await;
    let before = Before::new(&cluster).await;
    cluster.replicated(lost).await;
    cluster.servers[lost].kill().await;
    for node in &before.nodes {
        until(async || link(node).await != "connected").await;
    }
    before.stays(&cluster).await;
}

#[tokio::test]
async fn gateways_on_a_service_of_sentinel_act_as_one() {
    let group = Sentinels::start().await;
    for kind in ["streams", "sharded", "classic"] {
        gateways_act_as_one(&group, kind).await;
    }
}

#[tokio::test]
async fn gateways_on_a_redis_cluster_act_as_one() {
    let cluster = RedisCluster::start().await;
    for kind in ["streams", "sharded", "classic"] {
        gateways_act_as_one(&cluster, kind).await;
    }
}

/// The authority of Redis is one that the environment names. Otherwise the log has the reason.
#[tokio::test]
async fn gateways_reach_sentinels_and_a_redis_cluster_over_tls() {
    let [authority, another] = ["of the tests", "another"].map(Authority::new);
    let (group, cluster) =
        tokio::join!(Sentinels::start_with_tls(&authority), RedisCluster::start_with_tls(&authority));
    for url in [group.url(), cluster.url()] {
        let url = format!("cluster.redis={url}");
        let start = async |authority: &Authority, node: &str| {
            let root = authority.root_path();
            let environment = [("SSL_CERT_FILE", root.to_str().unwrap())];
            serve_in(&environment, &["--set", &url, "--set", &format!("cluster.node={node}")]).await
        };
        let link = async |served: &Served| {
            parsed(&Request::new("GET", "/health/ready").send(served.addr).await).1["cluster"].take()
        };
        for served in [start(&authority, "a").await, start(&authority, "b").await] {
            until(async || link(&served).await == "connected").await;
        }
        let wrong = start(&another, "wrong").await;
        let line = wrong.said("Redis cannot be reached").await;
        let error = line["fields"]["error"].as_str().unwrap();
        assert!(error.contains("certificate"), "{error}");
        assert_eq!(link(&wrong).await, "down");
    }
}
