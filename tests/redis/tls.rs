//! TLS to sentinels, masters and the servers of a Redis Cluster, with a certificate authority of our own.

use std::time::Duration;

use socketio_redis::{Health, Redis};
use tests::raw::{soon, until};
use tests::redis::{RedisCluster, Sentinels};
use tests::tls::Authority;

use crate::support::Rust;
use crate::traffic::{Kind, reach_each_other};

fn settings(url: &str, authority: &Authority) -> Redis {
    let redis = Redis::open(url).unwrap().root_certificates(authority.root().as_bytes()).unwrap();
    redis
        .timeout(Duration::from_millis(500))
        .probe_interval(Duration::from_millis(200))
        .reconnect_delay(Duration::from_millis(10), Duration::from_millis(100))
}

async fn pair(kind: Kind, redis: &Redis) -> [Rust; 2] {
    [kind.start(redis).await, kind.start(redis).await]
}

/// A server whose authority is not trusted is not used.
async fn is_refused(redis: &Redis) {
    let adapter = socketio_redis::StreamsAdapter::new(redis);
    let connections = adapter.connections();
    until(async || connections.stats().failed_connections >= 3).await;
    assert_eq!(connections.stats().published, 0);
    assert!(matches!(*connections.health().borrow(), Health::Down { .. }));
}

#[tokio::test]
async fn a_failover_is_followed_over_tls() {
    let authority = Authority::new("of the tests");
    let group = Sentinels::start_with_tls(&authority).await;
    let redis = settings(&group.url(), &authority);
    for kind in [Kind::Classic, Kind::Sharded, Kind::Streams] {
        reach_each_other(&pair(kind, &redis).await).await;
    }
    let nodes = pair(Kind::Streams, &redis).await;
    group.fail_over().await;
    for node in &nodes {
        until(async || node.connections.stats().failovers == 1).await;
        soon(node.connections.ready()).await;
    }
    assert!(group.servers[1].command("ROLE").await.contains("master"));
    reach_each_other(&nodes).await;
    is_refused(&settings(&group.url(), &Authority::new("another"))).await;
    // The authorities of the system.
    is_refused(&Redis::open(&group.url()).unwrap()).await;
}

#[tokio::test]
async fn a_redis_cluster_is_reached_over_tls() {
    let authority = Authority::new("of the tests");
    let cluster = RedisCluster::start_with_tls(&authority).await;
    let redis = settings(&cluster.url(), &authority);
    for kind in [Kind::Classic, Kind::Sharded, Kind::Streams] {
        let nodes = pair(kind, &redis).await;
        reach_each_other(&nodes).await;
        if kind == Kind::Sharded {
            let to = (cluster.owner("socket.io#/#").await + 1) % 3;
            cluster.move_slot("socket.io#/#", to).await;
            until(async || nodes[1].connections.stats().gaps > 0).await;
            soon(nodes[1].connections.ready()).await;
            reach_each_other(&nodes).await;
        }
    }
    is_refused(&settings(&cluster.url(), &Authority::new("another"))).await;
}
