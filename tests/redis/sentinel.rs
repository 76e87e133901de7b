//! The master changes, with our servers on it.

use socketio_redis::{Health, Redis};
use tests::raw::{soon, until};
use tests::redis::{RedisServer, Sentinels};

use crate::support::Rust;
use crate::traffic::{Kind, Traffic, reach_each_other};

/// What happens to the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Asked,
    Killed,
    /// Its connections stay.
    Paused,
}

/// The master changes under traffic, because it has to or because it is lost.
async fn failovers_are_followed(kind: Kind) {
    tokio::join!(
        a_failover_is_followed(kind, Change::Asked),
        a_failover_is_followed(kind, Change::Killed),
        a_failover_is_followed(kind, Change::Paused),
    );
}

async fn a_failover_is_followed(kind: Kind, change: Change) {
    let mut group = Sentinels::start().await;
    let nodes = kind.pair(&group.url()).await;
    let traffic = Traffic::start(&nodes[0], &nodes[1]).await;
    traffic.flows().await;
    let before = gaps(&nodes);
    match change {
        Change::Asked => group.fail_over().await,
        Change::Killed => group.servers[0].kill().await,
        Change::Paused => group.servers[0].pause(true).await,
    }
    if change != Change::Asked {
        for node in &nodes {
            let mut health = node.connections.health();
            soon(health.wait_for(|health| *health != Health::Connected)).await.unwrap();
        }
    }
    // Waits until both have heard again.
    for (node, gaps) in nodes.iter().zip(before) {
        until(async || {
            let stats = node.connections.stats();
            stats.gaps > gaps && stats.failovers == 1
        })
        .await;
        soon(node.connections.ready()).await;
    }
    assert!(group.servers[1].command("ROLE").await.contains("master"));
    traffic.flows().await;
    let unexplained = traffic.end().await;
    let stats = nodes[0].connections.stats();
    assert!(unexplained <= stats.lost + stats.unconfirmed, "{change:?}: {unexplained}, {stats:?}");
    assert!(change == Change::Asked || stats.failed_connections > 0, "{stats:?}");
    reach_each_other(&nodes).await;
}

fn gaps(nodes: &[Rust; 2]) -> [u64; 2] {
    nodes.each_ref().map(|node| node.connections.stats().gaps)
}

#[tokio::test]
async fn a_classic_adapter_follows_failovers() {
    failovers_are_followed(Kind::Classic).await;
}

#[tokio::test]
async fn a_sharded_adapter_follows_failovers() {
    failovers_are_followed(Kind::Sharded).await;
}

#[tokio::test]
async fn a_streams_adapter_follows_failovers() {
    failovers_are_followed(Kind::Streams).await;
}

/// Sentinels and the master have credentials of their own. One of three sentinels is enough.
#[tokio::test]
async fn sentinels_have_credentials_of_their_own() {
    let master = RedisServer::start_on_tcp(&["--requirepass", "of-the-master"]).await;
    let sentinel = RedisServer::sentinel(&format!(
        "requirepass of-the-sentinel\nsentinel monitor tests 127.0.0.1 {} 1\nsentinel auth-pass tests of-the-master\n",
        master.port()
    ))
    .await;
    let dead = "redis://127.0.0.1:1";
    let alive = format!("redis://:of-the-sentinel@127.0.0.1:{}", sentinel.port());
    let redis =
        Redis::open("redis://:of-the-master@tests/").unwrap().sentinels(&[dead, &alive, dead]).unwrap();
    let nodes = [Kind::Classic.start(&redis).await, Kind::Classic.start(&redis).await];
    reach_each_other(&nodes).await;
    assert!(nodes[0].connections.stats().failovers == 0);
}

/// A server that calls itself a replica is not used, whatever the sentinels say.
#[tokio::test]
async fn a_replica_is_not_taken_for_the_master() {
    let master = RedisServer::start_on_tcp(&[]).await;
    let replica = RedisServer::start_on_tcp(&["--replicaof", &format!("127.0.0.1 {}", master.port())]).await;
    let sentinel = RedisServer::sentinel(&format!(
        "sentinel monitor tests 127.0.0.1 {} 1\nsentinel down-after-milliseconds tests 60000\n",
        replica.port()
    ))
    .await;
    let redis = Redis::open(&format!("redis-sentinel://127.0.0.1:{}/tests", sentinel.port())).unwrap();
    let adapter = socketio_redis::ClassicAdapter::new(&redis);
    let connections = adapter.connections();
    until(async || connections.stats().failed_connections >= 3).await;
    assert_eq!(connections.stats().connections, 0);
    assert!(matches!(*connections.health().borrow(), Health::Down { .. }));
    // An attempt is open until the role of the server is known.
    until(async || replica.connections("socketio:publish").await.is_empty()).await;
    drop(sentinel);
}
