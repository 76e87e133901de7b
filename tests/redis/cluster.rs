//! A Redis Cluster, with our servers and official ones on it.

use std::time::Duration;

use serde_json::json;
use socketio_redis::{ClassicEmitter, Health, Redis, ShardedEmitter, StreamsEmitter};
use tests::raw::{soon, until};
use tests::redis::RedisCluster;

use crate::support::{Client, NONE, Node, Rust};
use crate::traffic::{Kind, Traffic, reach_each_other};

/// The channel or the stream that carries the events of the main namespace.
fn key_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Classic | Kind::Sharded => "socket.io#/#",
        Kind::Streams => "socket.io",
    }
}

async fn is_well(node: &Rust) -> bool {
    *node.connections.health().borrow() == Health::Connected
}

/// Events, requests and counts of all servers, and an emitter.
async fn servers_reach_each_other(kind: Kind) {
    let cluster = RedisCluster::start().await;
    let nodes = kind.pair(&cluster.url()).await;
    reach_each_other(&nodes).await;
    let mut client = Client::connect(nodes[1].addr).await;
    let redis = Redis::open(&cluster.url()).unwrap();
    let emitter = match kind {
        Kind::Classic => ClassicEmitter::new(&redis).build(),
        Kind::Sharded => ShardedEmitter::new(&redis).build(),
        Kind::Streams => StreamsEmitter::new(&redis).build(),
    };
    soon(emitter.connections().ready()).await;
    emitter.emit("from outside", &NONE).unwrap();
    assert_eq!(client.text().await, r#"42["from outside"]"#);
    // Rooms have channels on other servers of the cluster.
    for number in 0..10 {
        let room = format!("room {number}");
        nodes[0].io.to(&client.id).sockets_join([&room]).await.unwrap();
        until(async || nodes[0].io.to(&room).fetch_sockets().await.unwrap().len() == 1).await;
        soon(nodes[1].connections.ready()).await;
        nodes[0].io.to(&room).emit("in", &number).await.unwrap();
        assert_eq!(client.text().await, format!(r#"42["in",{number}]"#));
    }
}

/// The slot of the channel or stream moves to another server, under traffic, and back.
async fn a_slot_that_moves_is_followed(kind: Kind) {
    let cluster = RedisCluster::start().await;
    let nodes = kind.pair(&cluster.url()).await;
    let traffic = Traffic::start(&nodes[0], &nodes[1]).await;
    traffic.flows().await;
    let key = key_of(kind);
    let to = (cluster.owner(key).await + 1) % 3;
    cluster.move_slot(key, to).await;
    until(async || nodes[0].connections.stats().redirections > 0).await;
    if kind == Kind::Sharded {
        until(async || nodes[1].connections.stats().gaps > 0).await;
    }
    soon(nodes[1].connections.ready()).await;
    traffic.flows().await;
    let unexplained = traffic.end().await;
    let stats = nodes[0].connections.stats();
    assert!(unexplained <= stats.lost + stats.unconfirmed, "{unexplained}, {stats:?}");
    reach_each_other(&nodes).await;
}

/// The server that carries the events is lost, under traffic, and comes back.
async fn a_lost_server_is_noticed(kind: Kind) {
    let mut cluster = RedisCluster::start().await;
    let nodes = kind.pair(&cluster.url()).await;
    let traffic = Traffic::start(&nodes[0], &nodes[1]).await;
    traffic.flows().await;
    let lost = cluster.owner(key_of(kind)).await;
    cluster.servers[lost].kill().await;
    if kind != Kind::Classic {
        let mut health = nodes[1].connections.health();
        soon(health.wait_for(|health| *health != Health::Connected)).await.unwrap();
    }
    cluster.servers[lost].restart().await;
    cluster.settled().await;
    for node in &nodes {
        soon(node.connections.ready()).await;
    }
    traffic.flows().await;
    let unexplained = traffic.end().await;
    let stats = nodes[0].connections.stats();
    assert!(unexplained <= stats.lost + stats.unconfirmed, "{unexplained}, {stats:?}");
    reach_each_other(&nodes).await;
}

/// A replica takes over from the server that carries the events, under traffic.
async fn a_replica_that_takes_over_is_followed(kind: Kind) {
    let mut cluster = RedisCluster::start().await;
    let lost = cluster.owner(key_of(kind)).await;
    cluster.add_replica(lost).await;
    let nodes = kind.pair(&cluster.url()).await;
    let traffic = Traffic::start(&nodes[0], &nodes[1]).await;
    traffic.flows().await;
    cluster.servers[lost].kill().await;
    let mut health = nodes[1].connections.health();
    soon(health.wait_for(|health| *health != Health::Connected)).await.unwrap();
    for node in &nodes {
        soon(node.connections.ready()).await;
    }
    traffic.flows().await;
    let unexplained = traffic.end().await;
    let stats = nodes[0].connections.stats();
    assert!(unexplained <= stats.lost + stats.unconfirmed, "{unexplained}, {stats:?}");
    reach_each_other(&nodes).await;
}

#[tokio::test]
async fn a_sharded_adapter_follows_a_replica() {
    a_replica_that_takes_over_is_followed(Kind::Sharded).await;
}

#[tokio::test]
async fn a_streams_adapter_follows_a_replica() {
    a_replica_that_takes_over_is_followed(Kind::Streams).await;
}

#[tokio::test]
async fn classic_servers_reach_each_other() {
    servers_reach_each_other(Kind::Classic).await;
}

#[tokio::test]
async fn sharded_servers_reach_each_other() {
    servers_reach_each_other(Kind::Sharded).await;
}

#[tokio::test]
async fn streams_servers_reach_each_other() {
    servers_reach_each_other(Kind::Streams).await;
}

#[tokio::test]
async fn a_sharded_adapter_follows_a_slot() {
    a_slot_that_moves_is_followed(Kind::Sharded).await;
}

#[tokio::test]
async fn a_streams_adapter_follows_a_slot() {
    a_slot_that_moves_is_followed(Kind::Streams).await;
}

#[tokio::test]
async fn a_classic_adapter_survives_a_lost_server() {
    a_lost_server_is_noticed(Kind::Classic).await;
}

#[tokio::test]
async fn a_sharded_adapter_notices_a_lost_server() {
    a_lost_server_is_noticed(Kind::Sharded).await;
}

#[tokio::test]
async fn a_streams_adapter_notices_a_lost_server() {
    a_lost_server_is_noticed(Kind::Streams).await;
}

/// A server that has only the channel of a room is lost, or hangs: this is noticed, and everything else goes on.
async fn the_loss_of_a_room_is_noticed(hangs: bool) {
    let mut cluster = RedisCluster::start().await;
    let nodes = Kind::Sharded.pair(&cluster.url()).await;
    let mut client = Client::connect(nodes[1].addr).await;
    let lost = (cluster.owner("socket.io#/#").await + 1) % 3;
    let mut room = String::new();
    for number in 0.. {
        room = format!("room {number}");
        if cluster.owner(&format!("socket.io#/#{room}#")).await == lost {
            break;
        }
    }
    nodes[0].io.to(&client.id).sockets_join([&room]).await.unwrap();
    until(async || nodes[0].io.to(&room).fetch_sockets().await.unwrap().len() == 1).await;
    soon(nodes[1].connections.ready()).await;
    nodes[0].io.to(&room).emit("before", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["before"]"#);

    let traffic = Traffic::start(&nodes[0], &nodes[1]).await;
    let before = nodes[1].connections.stats().gaps;
    if hangs {
        cluster.servers[lost].pause(true).await;
    } else {
        cluster.servers[lost].kill().await;
    }
    let mut health = nodes[1].connections.health();
    soon(health.wait_for(|health| matches!(health, Health::Deaf { .. }))).await.unwrap();
    for _ in 0..5 {
        traffic.flows().await;
    }
    assert!(!is_well(&nodes[1]).await);
    if hangs {
        cluster.servers[lost].pause(false).await;
    } else {
        cluster.servers[lost].restart().await;
    }
    cluster.settled().await;
    until(async || nodes[1].connections.stats().gaps > before).await;
    soon(nodes[1].connections.ready()).await;
    let unexplained = traffic.end().await;
    let stats = nodes[0].connections.stats();
    assert!(unexplained <= stats.lost + stats.unconfirmed, "{unexplained}, {stats:?}");
    nodes[0].io.to(&room).emit("after", &NONE).await.unwrap();
    soon(async { while client.text().await != r#"42["after"]"# {} }).await;
}

#[tokio::test]
async fn the_loss_of_a_server_with_a_room_is_noticed() {
    the_loss_of_a_room_is_noticed(false).await;
}

#[tokio::test]
async fn a_server_with_a_room_that_hangs_is_noticed() {
    the_loss_of_a_room_is_noticed(true).await;
}

/// Official servers and ours on one cluster, in the formats that official servers have for it.
async fn official_servers_are_nodes(kind: Kind, name: &str) {
    let cluster = RedisCluster::start().await;
    let ours = &kind.pair(&cluster.url()).await[0];
    let node = Node::start_on(name, &cluster.url(), json!({})).await;
    let (mut near, mut far) = (Client::connect(ours.addr).await, Client::connect(node.addr).await);
    until(async || ours.io.fetch_sockets().await.is_ok_and(|found| found.len() == 2)).await;
    soon(async {
        while node.ask("fetch", json!({})).await.is_ok_and(|found| found.as_array().unwrap().len() < 2) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // An official server loses the entries before its first one: those between two of its reads.
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut text = Box::pin(far.text());
    soon(async {
        loop {
            tokio::select! {
                _ = &mut text => break,
                _ = ticks.tick() => ours.io.emit("begin", &NONE).await.unwrap(),
            }
        }
    })
    .await;
    drop(text);
    ours.io.emit("begun", &NONE).await.unwrap();
    for client in [&mut near, &mut far] {
        while client.text().await != r#"42["begun"]"# {}
    }
    ours.io.emit("ours", &NONE).await.unwrap();
    assert_eq!(far.text().await, r#"42["ours"]"#);
    assert_eq!(near.text().await, r#"42["ours"]"#);
    node.run("emit", json!({"event": "theirs", "args": []})).await;
    assert_eq!(near.text().await, r#"42["theirs"]"#);
    assert_eq!(far.text().await, r#"42["theirs"]"#);
}

#[tokio::test]
async fn official_classic_servers_are_nodes() {
    official_servers_are_nodes(Kind::Classic, "classic").await;
}

#[tokio::test]
async fn official_streams_servers_are_nodes() {
    official_servers_are_nodes(Kind::Streams, "streams").await;
}

#[tokio::test]
async fn official_sharded_servers_are_nodes() {
    official_servers_are_nodes(Kind::Sharded, "sharded").await;
}
