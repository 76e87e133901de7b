//! Broadcasts of all servers of a mixed cluster and of an emitter at once: none is lost, doubled or out of the order of its
//! sender, at the clients of every server. `BROADCASTS` sets how many there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;
use socketio_redis::SubscriptionMode;
use socketio_server::Args;
use tests::raw::{soon, until};

use crate::support::{Client, Cluster};

/// Default number of broadcasts.
const BROADCASTS: u64 = 10_000;
/// Servers and emitters.
const SENDERS: usize = 5;
/// Broadcasts that a sender emits before it waits until all clients have the previous ones. Redis closes the connection of
/// an official server that is too far behind.
const CHUNK: u64 = 200;

/// Numbers that a client has received, by sender.
type Counts = Arc<[AtomicU64; SENDERS]>;

#[tokio::test]
async fn no_broadcast_of_a_classic_cluster_is_lost_doubled_or_reordered() {
    broadcast(Cluster::classic().await).await;
}

#[tokio::test]
async fn no_broadcast_of_a_sharded_cluster_is_lost_doubled_or_reordered() {
    broadcast(Cluster::sharded(SubscriptionMode::Dynamic).await).await;
}

#[tokio::test]
async fn no_broadcast_of_a_cluster_with_streams_is_lost_doubled_or_reordered() {
    broadcast(Cluster::streams().await).await;
}

async fn broadcast(mut cluster: Cluster) {
    let count = std::env::var("BROADCASTS").map_or(BROADCASTS, |count| count.parse().unwrap());
    let of_sender = count / SENDERS as u64;
    let begin = Instant::now();
    let mut counts: Vec<Counts> = Vec::new();
    let mut receiving = Vec::new();
    for client in std::mem::take(&mut cluster.clients) {
        counts.push(Counts::default());
        receiving.push(tokio::spawn(receive(client, Arc::clone(&counts[counts.len() - 1]), of_sender)));
    }
    let sending = (0..SENDERS).map(|sender| send(&cluster, &counts, sender, of_sender));
    futures_util::future::join_all(sending).await;
    for client in receiving {
        cluster.clients.push(soon(client).await.unwrap());
    }
    cluster.nothing_else().await;
    for rust in &cluster.rust {
        let stats = rust.connections.stats();
        let failures = (stats.lost, stats.unconfirmed, stats.dropped, stats.bad_messages, stats.gaps);
        assert_eq!(failures, (0, 0, 0, 0, 0));
    }
    println!(
        "{} broadcasts to {} clients in {:?}",
        of_sender * SENDERS as u64,
        counts.len(),
        begin.elapsed()
    );
}

/// Emits the broadcasts of one sender.
async fn send(cluster: &Cluster, counts: &[Counts], sender: usize, count: u64) {
    let emitter = cluster.emitter();
    for from in (0..count).step_by(CHUNK as usize) {
        let numbers = from..count.min(from + CHUNK);
        if let Some(rust) = cluster.rust.get(sender) {
            for number in numbers {
                rust.io.emit("n", &Args((sender, number))).await.unwrap();
            }
        } else if let Some(node) = cluster.node.get(sender - cluster.rust.len()) {
            node.run("emitMany", json!({"sender": sender, "from": numbers.start, "to": numbers.end})).await;
        } else {
            for number in numbers {
                emitter.emit("n", &Args((sender, number))).unwrap();
            }
            soon(emitter.connections().flush()).await;
        }
        until(async || counts.iter().all(|counts| counts[sender].load(Ordering::Relaxed) >= from)).await;
    }
}

/// Receives all broadcasts.
async fn receive(mut client: Client, counts: Counts, of_sender: u64) -> Client {
    while counts.iter().any(|count| count.load(Ordering::Relaxed) < of_sender) {
        let text = client.text().await;
        let numbers = text.strip_prefix(r#"42["n","#).and_then(|rest| rest.strip_suffix(']'));
        let (sender, number) = numbers.and_then(|numbers| numbers.split_once(',')).expect(&text);
        let sender: usize = sender.parse().unwrap();
        let next = counts[sender].load(Ordering::Relaxed);
        assert_eq!(number, next.to_string(), "of sender {sender}");
        counts[sender].store(next + 1, Ordering::Relaxed);
    }
    client
}
