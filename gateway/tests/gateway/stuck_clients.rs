//! Stuck clients, which begin a request and do not continue it, or do not read its response: every kind, many
//! at once, with TLS and without. All resources that they held are released.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tests::raw::{soon, until};
use tests::stuck::{KINDS, Kind, LARGE, Port, ask, get};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use crate::support::{Running, start};
use crate::tls::Files;

/// Number of clients of each kind.
const CLIENTS: usize = 200;
/// Number of clients that begin simultaneously: their own limits run meanwhile, and a busy machine is slow.
const AT_ONCE: usize = 40;
/// Timeout that all clients together do not reach on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// A gateway with short limits.
async fn short(tls: Option<&Files>) -> (Port, Running) {
    let mut settings = json!({"transport": {
        "ping_interval_ms": 1000,
        "ping_timeout_ms": 1000,
        "connect_timeout_ms": 2000,
        "head_timeout_ms": 2000,
        "body_timeout_ms": 1000,
    }});
    settings["tls"] = tls.map_or_else(|| json!({}), |files| files.settings(0));
    let running = start(settings).await;
    (Port { addr: running.addr, tls: tls.map(Files::connector) }, running)
}

/// Resources that a gateway holds for its clients.
fn held(running: &Running) -> Value {
    let stats = running.gateway.io().engine().stats();
    json!({
        "connections": running.gateway.connections(),
        "sessions": stats.sessions,
        "tasks": stats.tasks,
        "outboxes": stats.outboxes,
        "queued": stats.queued_bytes,
    })
}

/// Peak of the queued bytes, from now on.
fn most_queued(running: &Running) -> Arc<AtomicUsize> {
    let most = Arc::<AtomicUsize>::default();
    let (gateway, noted) = (running.gateway.clone(), Arc::downgrade(&most));
    tokio::spawn(async move {
        while let Some(noted) = noted.upgrade() {
            noted.fetch_max(gateway.io().engine().stats().queued_bytes, Ordering::Relaxed);
            drop(noted);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    most
}

async fn all_of(kind: Kind, port: &Port, running: &Running) {
    let nothing = json!({"connections": 0, "sessions": 0, "tasks": 0, "outboxes": 0, "queued": 0});
    let most = most_queued(running);
    let going_on = Arc::new(AtomicBool::new(true));
    let places = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let begun = Arc::<AtomicUsize>::default();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (port, going_on) = (port.clone(), Arc::clone(&going_on));
        let (places, begun) = (Arc::clone(&places), Arc::clone(&begun));
        clients.spawn(async move {
            let place = places.acquire_owned().await;
            begun.fetch_add(1, Ordering::Relaxed);
            // A client that continues byte by byte runs in parallel with the others.
            let stuck = async {
                loop {
                    if let Ok(line) = port.begin(kind, &going_on).await {
                        return line;
                    }
                }
            };
            tokio::pin!(stuck);
            let within = tokio::time::timeout(Duration::from_millis(300), &mut stuck).await;
            drop(place);
            let mut line = match within {
                Ok(line) => line?,
                Err(_) => stuck.await?,
            };
            // The client does not read until the gateway holds nothing for it.
            while going_on.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let mut rest = Vec::new();
            // The connection is closed, possibly by a reset.
            let _ = soon(line.read_to_end(&mut rest)).await;
            Some(())
        });
    }
    until(async || begun.load(Ordering::Relaxed) == CLIENTS).await;
    let freed = async {
        while held(running) != nothing {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let freed = tokio::time::timeout(LONG, freed).await;
    assert!(freed.is_ok(), "{kind:?}: {}", held(running));
    going_on.store(false, Ordering::Relaxed);
    let ended = async {
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
    };
    assert!(tokio::time::timeout(LONG, ended).await.is_ok(), "{kind:?}: a connection is still open");
    until(async || held(running) == nothing).await;
    let most = most.load(Ordering::Relaxed);
    assert_eq!(most > LARGE, kind.is_asking(), "{kind:?}: {most} bytes waited");
}

async fn every_kind(tls: Option<&Files>) {
    let (port, running) = short(tls).await;
    for kind in KINDS {
        if tls.is_some() || kind != Kind::HalfTlsHandshake {
            all_of(kind, &port, &running).await;
        }
    }
    let (mut line, _) = soon(port.polling()).await.unwrap();
    soon(ask(&mut line, &get("/health/ready"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_of_stuck_clients_are_released() {
    every_kind(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_of_stuck_tls_clients_are_released() {
    every_kind(Some(&Files::new())).await;
}
