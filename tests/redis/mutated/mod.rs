//! Mutated messages in a live cluster of our servers and official ones: ours go on.
//!
//! Official servers may stop. The messages are mutations of those that the servers and an emitter write for each operation;
//! `MUTATION_SEED` chooses them.

mod capture;
mod mutation;
mod values;
mod witness;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};

use socketio_redis::{Health, SubscriptionMode};
use socketio_server::{Ack, Args, Arguments, Namespace, RawArgs};
use tests::random::Random;
use tests::raw::{soon, until};
use tests::redis::RedisServer;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::capture::{Capture, Command, every_operation};
use self::witness::{END, NUMBER, Received, Witness};
use crate::support::Cluster;

/// The number of mutated messages.
const MESSAGES: usize = 10_000;
/// Messages that are written together.
const BATCH: usize = 50;
/// Default of `Redis::max_queued_bytes`, and of `Redis::max_received_bytes`.
const BOUNDS: [u64; 2] = [16 << 20, 64 << 20];
/// A namespace for which there are no mutated messages: nothing may happen to its clients.
const QUIET: &str = "/quiet";

#[tokio::test]
async fn mutated_messages_do_no_harm_to_classic_servers() {
    survive(Cluster::classic().await, true).await;
}

#[tokio::test]
async fn mutated_messages_do_no_harm_to_classic_servers_with_json() {
    survive(Cluster::classic_json().await, true).await;
}

#[tokio::test]
async fn mutated_messages_do_no_harm_to_sharded_servers() {
    survive(Cluster::sharded(SubscriptionMode::Dynamic).await, false).await;
}

#[tokio::test]
async fn mutated_messages_do_no_harm_to_servers_with_streams() {
    survive(Cluster::streams().await, false).await;
}

thread_local! {
    /// Panics of this thread, which runs all tasks of the servers of one test.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Counts panics, also those that a server catches.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            default(panic);
        }));
    });
}

async fn survive(mut cluster: Cluster, is_classic: bool) {
    let seed = std::env::var("MUTATION_SEED").map_or(1, |seed| seed.parse().unwrap());
    // Shown when the test fails.
    println!("MUTATION_SEED={seed}");
    count_panics();
    let capture = Capture::begin(&cluster.redis).await;
    every_operation(&mut cluster, is_classic).await;
    let captured = capture.end(&cluster.redis).await;
    assert!(captured.len() >= 30, "{}", captured.len());

    let before = cluster.rust.iter().map(|rust| rust.connections.stats()).collect::<Vec<_>>();
    let (mut witnesses, mut server_events) = (Vec::new(), Vec::new());
    for (number, rust) in cluster.rust.iter().enumerate() {
        let quiet = rust.io.of(QUIET);
        quiet.on("echo", |args: RawArgs| async move { Ack(args) });
        let heard = Arc::<std::sync::Mutex<Vec<(usize, u64)>>>::default();
        server_events.push(Arc::clone(&heard));
        rust.io.on_server_event(NUMBER, move |Arguments(numbers): Arguments<(usize, u64)>| {
            heard.lock().unwrap().push(numbers);
            async {}
        });
        soon(rust.connections.ready()).await;
        for namespace in ["/", QUIET] {
            let (sender, connected) = oneshot::channel();
            let witness = Witness::new(rust.addr, namespace, cluster.rust.len());
            witnesses.push((number, namespace, tokio::spawn(witness.run(sender))));
            soon(connected).await.unwrap();
        }
    }
    until(async || {
        let quiet = cluster.rust[1].io.of(QUIET);
        quiet.fetch_sockets().await.is_ok_and(|found| found.len() == cluster.rust.len())
    })
    .await;

    let stop = Arc::new(AtomicBool::new(false));
    let said = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let senders: Vec<_> =
        (0..cluster.rust.len()).map(|number| numbers(&cluster, number, &stop, &said)).collect();
    write(&cluster, &captured, seed, &said).await;
    stop.store(true, Ordering::Relaxed);
    let mut said = Vec::new();
    for sender in senders {
        said.push(soon(sender).await.unwrap());
    }

    // Clients that are disconnected by a mutated message, and are just connecting, miss an end.
    until(async || {
        for (number, rust) in cluster.rust.iter().enumerate() {
            for namespace in ["/", QUIET] {
                rust.io.of(namespace).emit(END, &Args((number, 0))).await.unwrap();
            }
        }
        witnesses.iter().all(|(.., witness)| witness.is_finished())
    })
    .await;
    for (number, namespace, witness) in witnesses {
        check(&witness.await.unwrap(), &said, namespace == QUIET, &format!("{namespace} of server {number}"));
    }
    for (number, heard) in server_events.iter().enumerate() {
        let other = 1 - number;
        let expected: Vec<_> = (0..said[other]).map(|said| (other, said)).collect();
        until(async || heard.lock().unwrap().len() >= expected.len()).await;
        assert_eq!(*heard.lock().unwrap(), expected, "server {number}");
    }

    assert_eq!(PANICS.get(), 0);
    for (number, (rust, before)) in cluster.rust.iter().zip(before).enumerate() {
        let stats = rust.connections.stats();
        let bad = stats.bad_messages - before.bad_messages;
        println!("server {number}: {bad} bad messages of {}, {stats:?}", stats.received - before.received);
        assert!(bad >= MESSAGES as u64 / 10, "server {number}: {bad}");
        assert!(stats.received - before.received >= MESSAGES as u64 / 2, "server {number}: {stats:?}");
        assert_eq!(
            (stats.dropped, stats.lost, stats.unconfirmed, stats.gaps),
            (0, 0, 0, 0),
            "server {number}"
        );
        assert_eq!(stats.connections, before.connections, "server {number}");
        assert_eq!(*rust.connections.health().borrow(), Health::Connected, "server {number}");
        until(async || {
            let stats = rust.connections.stats();
            (stats.queued_bytes, stats.received_bytes) == (0, 0)
        })
        .await;
    }
}

/// Emits numbered events to both namespaces, and to the other server, until it shall stop. Returns how many.
fn numbers(
    cluster: &Cluster,
    number: usize,
    stop: &Arc<AtomicBool>,
    counts: &Arc<[AtomicU64; 2]>,
) -> JoinHandle<u64> {
    let io = cluster.rust[number].io.clone();
    let (stop, counts) = (Arc::clone(stop), Arc::clone(counts));
    tokio::spawn(async move {
        let namespaces: [Namespace; 2] = ["/", QUIET].map(|name| io.of(name));
        let mut said = 0;
        while !stop.load(Ordering::Relaxed) {
            for namespace in &namespaces {
                namespace.emit(NUMBER, &Args((number, said))).await.unwrap();
            }
            io.server_side_emit(NUMBER, &Args((number, said))).await.unwrap();
            said += 1;
            counts[number].store(said, Ordering::Relaxed);
            if said % 50 == 0 {
                // Requests are answered meanwhile, completely.
                assert_eq!(namespaces[1].fetch_sockets().await.unwrap().len(), 2);
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        said
    })
}

/// Writes the mutated messages among the events of the senders, and looks at the queues meanwhile.
async fn write(cluster: &Cluster, captured: &[Command], seed: u64, said: &[AtomicU64; 2]) {
    let mut random = Random::new(seed);
    let mut redis = connect(&cluster.redis).await;
    for _ in 0..MESSAGES / BATCH {
        let mut batch = Vec::new();
        for _ in 0..BATCH {
            let command = mutation::next(captured, &mut random);
            batch.extend(format!("*{}\r\n", command.len()).into_bytes());
            for argument in command {
                batch.extend(format!("${}\r\n", argument.len()).into_bytes());
                batch.extend(argument);
                batch.extend(b"\r\n");
            }
        }
        soon(redis.write_all(&batch)).await.unwrap();
        for _ in 0..BATCH {
            let mut reply = String::new();
            soon(redis.read_line(&mut reply)).await.unwrap();
            // The number of receivers, or the id of an entry.
            if reply.starts_with('$') {
                soon(redis.read_line(&mut reply)).await.unwrap();
            } else {
                assert!(reply.starts_with(':'), "{reply}");
            }
        }
        for (rust, said) in cluster.rust.iter().zip(said) {
            let before = said.load(Ordering::Relaxed);
            until(async || said.load(Ordering::Relaxed) > before).await;
            let stats = rust.connections.stats();
            assert!(stats.queued_bytes <= BOUNDS[0] && stats.received_bytes <= BOUNDS[1], "{stats:?}");
        }
    }
}

async fn connect(redis: &RedisServer) -> BufReader<UnixStream> {
    BufReader::new(UnixStream::connect(redis.path()).await.unwrap())
}

/// Each number once and in order. A mutated message may disconnect a client; then those are missing that were emitted before
/// it was connected again.
fn check(received: &Received, said: &[u64], is_quiet: bool, client: &str) {
    let connections = received.numbers.len();
    println!("{client}: {connections} connections, {} other packets", received.others);
    if is_quiet {
        assert_eq!((connections, received.others), (1, 0), "{client}");
    }
    for (sender, said) in said.iter().enumerate() {
        let mut next = 0;
        for (connection, numbers) in received.numbers.iter().map(|numbers| &numbers[sender]).enumerate() {
            let Some(first) = numbers.first().copied() else { continue };
            assert!(if connection == 0 { first == 0 } else { first >= next }, "{client}, of {sender}");
            next = first + numbers.len() as u64;
            assert_eq!(*numbers, Vec::from_iter(first..next), "{client}, of {sender}");
        }
        if connections == 1 {
            assert_eq!(next, *said, "{client}, of {sender}");
        }
    }
}
