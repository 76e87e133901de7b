//! Engine.IO servers that share their sessions over Redis.

use std::time::Duration;

use engineio::client::{Client, Event};
use engineio::peers::{PeerSettings, PeerStats};
use engineio::{CloseReason, Fault, Message, Server, Transport};
use socketio_redis::{Redis, RedisPeers};
use tests::peers::balance;
use tests::raw::{Polling, Running, soon, start_echo, until};
use tests::redis::RedisServer;

/// A server that announces its sessions after this time, and pings in this interval.
async fn server(redis: &RedisServer, delay: Duration, ping_interval: Duration) -> Running {
    let peers = RedisPeers::new(&Redis::open(&redis.url()).unwrap());
    let settings = PeerSettings::new().delayed_connection_timeout(delay);
    let builder = Server::builder().peers(peers.clone()).peer_settings(settings);
    let running = start_echo(builder.ping_interval(ping_interval)).await;
    soon(peers.connections().ready()).await;
    running
}

async fn two(redis: &RedisServer, delay: Duration) -> [Running; 2] {
    let interval = Duration::from_secs(25);
    [server(redis, delay, interval).await, server(redis, delay, interval).await]
}

/// The client of the first server, with its requests at another one.
fn at(client: &Polling, node: &Running) -> Polling {
    Polling::from_parts(node.addr, client.open.clone(), client.response.clone(), client.target.clone())
}

/// CLENG-13, CLENG-14
#[tokio::test]
async fn heartbeats_and_binary_messages_cross_redis() {
    let redis = RedisServer::start().await;
    let start = async || server(&redis, Duration::from_millis(300), Duration::from_millis(50)).await;
    let nodes = [start().await, start().await, start().await];
    let client = nodes[0].polling().await;
    for beat in 0..10 {
        assert_eq!(at(&client, &nodes[beat % 3]).poll().await, "2");
        assert_eq!(at(&client, &nodes[(beat + 1) % 3]).post("3").await.both(), (200, "ok"));
    }
    assert_eq!(at(&client, &nodes[1]).post("bAQIDBA==").await.both(), (200, "ok"));
    while at(&client, &nodes[2]).poll().await != "bAQIDBA==" {
        assert_eq!(at(&client, &nodes[1]).post("3").await.both(), (200, "ok"));
    }
    for node in &nodes {
        assert_eq!(node.server.peer_stats(), PeerStats::default());
    }
}

#[tokio::test]
async fn servers_share_their_sessions_over_redis() {
    let redis = RedisServer::start().await;
    let nodes = two(&redis, Duration::from_millis(300)).await;
    let balancer = balance(nodes.iter().map(|node| node.addr).collect()).await;
    for transports in [vec![Transport::Polling], vec![Transport::Polling, Transport::WebSocket]] {
        let upgrades = transports.len() > 1;
        let builder = Client::builder(&format!("http://{balancer}")).unwrap().transports(transports);
        let mut client = soon(builder.connect()).await.unwrap();
        for number in 0..50 {
            client.sender().send(format!("{number}")).unwrap();
        }
        let (mut next, mut upgraded) = (0, !upgrades);
        while next < 50 || !upgraded {
            match soon(client.recv()).await.unwrap() {
                Event::Message(message) => {
                    assert_eq!(message, Message::from(next.to_string()));
                    next += 1;
                }
                Event::Upgraded => upgraded = true,
                other => panic!("{other:?}"),
            }
        }
        soon(client.close()).await;
        let sessions = || nodes.iter().map(|node| node.server.stats().sessions).sum::<usize>();
        until(async || sessions() == 0).await;
    }
    for node in &nodes {
        until(async || node.server.peer_stats() == PeerStats::default()).await;
    }
}

/// While Redis is away packets may be missing, so that sessions end that are relayed, and no others.
#[tokio::test]
async fn an_outage_of_redis_ends_what_is_relayed() {
    let mut redis = RedisServer::start().await;
    let [mut first, second] = two(&redis, Duration::ZERO).await;
    let client = first.polling().await;
    first.opened().await;
    let there =
        Polling::from_parts(second.addr, client.open.clone(), client.response.clone(), client.target.clone());
    let mut relayed = there.upgrade().await;
    relayed.send("4relayed").await;
    assert_eq!(relayed.text().await, "4relayed");
    let mut local = first.websocket().await;
    first.opened().await;

    redis.kill().await;
    redis.restart().await;
    relayed.closed().await;
    assert_eq!(first.closed().await, CloseReason::TransportError(Fault::Remote));
    until(async || second.server.peer_stats() == PeerStats::default()).await;
    local.send("4local").await;
    assert_eq!(local.text().await, "4local");
}
