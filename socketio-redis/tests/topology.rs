//! Sentinels and servers of a cluster that answer as no real one does.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socketio_redis::{ClassicEmitter, Emitter, PublishError, Redis, ShardedEmitter, Stats};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Waits for what must happen.
async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("did not happen")
}

/// Waits until the counters are as wanted.
async fn until(emitter: &Emitter, wanted: impl Fn(&Stats) -> bool) -> Stats {
    soon(async {
        loop {
            let stats = emitter.connections().stats();
            if wanted(&stats) {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
}

/// A server with these answers to commands. Without one it says `OK`.
async fn server(answer: impl Fn(u16, &str) -> Option<String> + Clone + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, port, answer.clone()));
        }
    });
    port
}

async fn serve(stream: TcpStream, port: u16, answer: impl Fn(u16, &str) -> Option<String>) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.ok().filter(|bytes| *bytes > 0)?;
        let mut command = Vec::new();
        for _ in 0..line.trim().strip_prefix('*')?.parse().ok()? {
            let mut length = String::new();
            reader.read_line(&mut length).await.ok()?;
            let mut part = vec![0; length.trim().strip_prefix('$')?.parse::<usize>().ok()? + 2];
            reader.read_exact(&mut part).await.ok()?;
            command.push(String::from_utf8_lossy(&part).trim().to_owned());
        }
        let command = command.join(" ");
        let reply = match answer(port, &command) {
            Some(reply) => reply,
            None if command.starts_with("HELLO") => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
            None => "+OK\r\n".to_owned(),
        };
        writer.write_all(reply.as_bytes()).await.ok()?;
    }
}

/// Two servers of which each says that the other one has the slot.
#[tokio::test]
async fn a_command_is_not_redirected_for_ever() {
    let sent = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&sent);
    let port = server(move |port, command| {
        if command == "CLUSTER SLOTS" {
            return Some(format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n"));
        }
        command.starts_with("SPUBLISH").then(|| {
            counted.fetch_add(1, Ordering::Relaxed);
            format!("-MOVED 1 127.0.0.1:{port}\r\n")
        })
    })
    .await;
    let redis = Redis::open(&format!("redis-cluster://127.0.0.1:{port}")).unwrap();
    let emitter = ShardedEmitter::new(&redis).build();
    emitter.emit("event", &1).unwrap();
    let stats = until(&emitter, |stats| stats.lost == 1).await;
    assert_eq!((sent.load(Ordering::Relaxed), stats.redirections, stats.published), (6, 6, 0));
}

/// An answer with more servers than a cluster has is not used.
#[tokio::test]
async fn too_many_servers_are_refused() {
    let port = server(|_, command| {
        (command == "CLUSTER SLOTS").then(|| {
            let servers: String =
                (1..=1001).map(|port| format!("*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n")).collect();
            format!("*1\r\n*1003\r\n:0\r\n:16383\r\n{servers}")
        })
    })
    .await;
    let redis = Redis::open(&format!("redis-cluster://127.0.0.1:{port}")).unwrap();
    let emitter = ShardedEmitter::new(&redis).build();
    emitter.emit("event", &1).unwrap();
    let stats = until(&emitter, |stats| stats.lost == 1).await;
    assert_eq!(stats.published, 0);
}

/// A sentinel that tells of changes all the time is not asked all the time.
#[tokio::test]
async fn a_sentinel_that_floods_is_asked_seldom() {
    let asked = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&asked);
    let port = server(move |port, command| {
        let told = ">3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$1\r\nx\r\n".repeat(1000);
        match command {
            "SUBSCRIBE +switch-master" => {
                Some(format!(">3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n{told}"))
            }
            "SENTINEL MASTER service" => {
                counted.fetch_add(1, Ordering::Relaxed);
                let port = port.to_string();
                Some(format!(
                    "%3\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n${}\r\n{port}\r\n\
                     $12\r\nconfig-epoch\r\n$1\r\n0\r\n{told}",
                    port.len()
                ))
            }
            "ROLE" => Some("*1\r\n$6\r\nmaster\r\n".to_owned()),
            _ => None,
        }
    })
    .await;
    let begin = Instant::now();
    let redis = Redis::open(&format!("redis-sentinel://127.0.0.1:{port}/service")).unwrap();
    let emitter = ClassicEmitter::new(&redis).build();
    soon(emitter.connections().ready()).await;
    emitter.emit("event", &1).unwrap();
    soon(emitter.connections().flush()).await;
    soon(async {
        while asked.load(Ordering::Relaxed) < 10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let (asked, elapsed) = (asked.load(Ordering::Relaxed), begin.elapsed());
    assert!(asked as u128 <= elapsed.as_millis() / 20 + 1, "{asked} in {elapsed:?}");
    assert_eq!(emitter.connections().stats().failovers, 0);
}

/// Until a server is there, an emit waits; what the queue does not hold has an error.
#[tokio::test]
async fn without_a_master_messages_wait_in_the_queue() {
    let port = server(|_, command| {
        (command == "SENTINEL MASTER service").then(|| "-ERR No such master with that name\r\n".to_owned())
    })
    .await;
    let redis = Redis::open(&format!("redis-sentinel://127.0.0.1:{port}/service")).unwrap();
    let redis = redis.max_queued_bytes(1000).timeout(Duration::from_millis(100));
    let emitter = ClassicEmitter::new(&redis).build();
    let refused = (0..100).find_map(|number| emitter.emit("event", &number).err());
    assert_eq!(refused, Some(PublishError::Full));
    let stats = until(&emitter, |stats| stats.failed_connections >= 4).await;
    assert!(stats.connections == 0 && stats.queued_bytes <= 1000, "{stats:?}");
}
