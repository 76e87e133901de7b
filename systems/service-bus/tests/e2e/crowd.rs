//! Many services through a cut of their connections and a restart of the bus: no event is lost, and the handlers that
//! remember ids handle none twice.
//!
//! By default 6 services send 1,200 events. The full numbers:
//!
//! ```sh
//! BUS_SERVICES=20 BUS_EVENTS=50000 BUS_CUT_MS=10000 cargo test -p service-bus --test e2e -- crowd --nocapture
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use service_bus::{ConnectorOptions, Dropped, Event, LinkState, SeenIds, ServiceConnector};
use tests::raw::{soon, until};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, watch};

use crate::{PROGRAM, options};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// A proxy in front of the bus. While it is cut, connections end, and new ones are closed at once.
async fn proxy(bus: SocketAddr, cut: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut cut = cut.clone();
            tokio::spawn(async move {
                let pass = async {
                    if let Ok(mut server) = TcpStream::connect(bus).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                };
                tokio::select! {
                    biased;
                    _ = cut.wait_for(|is_cut| *is_cut) => {}
                    () = pass => {}
                }
            });
        }
    });
    addr
}

async fn start(file: &std::path::Path, port: &str) -> (Child, String) {
    let mut program = Command::new(PROGRAM);
    program.env("GATEWAY_CONFIG", file).env("SOCKET_IO_PORT", port).env("LOG_LEVEL", "error");
    tests::served::start(&mut program).await
}

/// The events that a service has received.
#[derive(Default)]
struct Received {
    /// For each sender the number of its next event.
    next: Vec<u64>,
    new: u64,
    again: u64,
    out_of_order: u64,
}

struct Service {
    connector: ServiceConnector,
    received: Arc<Mutex<Received>>,
}

/// A service that counts the new events of its subscription.
async fn service(index: usize, all: usize, addr: SocketAddr, told: Arc<AtomicU64>) -> Service {
    let again = ConnectorOptions {
        resend: Duration::from_secs(120),
        reconnection_delay: Duration::from_millis(50),
        ..options()
    };
    let again = ConnectorOptions { key: None, ..again };
    let connector =
        ServiceConnector::with_options(&format!("s{index}"), &format!("http://{addr}"), again).unwrap();
    let received = Arc::new(Mutex::new(Received { next: vec![0; all], ..Received::default() }));
    let seen = Arc::new(Mutex::new(SeenIds::new(100_000)));
    connector.on_dropped(move |_: Dropped| {
        told.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    assert_eq!(soon(connector.initialize()).await.unwrap(), LinkState::Socket);
    let counted = Arc::clone(&received);
    let handler = move |event: Event| {
        let (received, seen) = (Arc::clone(&counted), Arc::clone(&seen));
        async move {
            let mut received = received.lock().await;
            if !seen.lock().await.is_new(&event) {
                received.again += 1;
                return;
            }
            let (from, n): (usize, u64) = (event.field("from").unwrap(), event.field("n").unwrap());
            received.new += 1;
            if received.next[from] != n {
                received.out_of_order += 1;
            }
            received.next[from] = n + 1;
        }
    };
    connector.subscribe("work", &["work".into()], handler).await.unwrap();
    Service { connector, received }
}

/// Sends events to the services in turn, each after the acknowledgement of the previous one to the same service.
/// Returns how many were kept, as their service was away.
async fn send(
    from: usize,
    connector: ServiceConnector,
    all: usize,
    per_service: u64,
    sent: Arc<AtomicU64>,
) -> u64 {
    let lanes = (0..all).filter(|to| *to != from).map(|to| {
        let (connector, sent) = (connector.clone(), Arc::clone(&sent));
        tokio::spawn(async move {
            let mut kept = 0;
            for n in 0..per_service {
                let event = Event::new("work").with("from", from).with("n", n);
                let outcome = connector.emit_to_service(&format!("s{to}"), event).await.unwrap();
                kept += outcome.kept as u64;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            kept
        })
    });
    let mut kept = 0;
    for lane in lanes.collect::<Vec<_>>() {
        kept += lane.await.unwrap();
    }
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_through_a_cut_and_a_restart() {
    let all = usize::try_from(number("BUS_SERVICES", 6)).unwrap();
    let per_service = number("BUS_EVENTS", 1200).div_ceil((all * (all - 1)) as u64);
    let events = per_service * (all * (all - 1)) as u64;
    let cut = Duration::from_millis(number("BUS_CUT_MS", 500));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.toml");
    let kept = folder.path().join("kept");
    std::fs::write(&file, format!("[server]\ndrain_ms = 1000\n[bus]\nkeep_file = {kept:?}\n")).unwrap();
    let (mut program, url) = start(&file, "0").await;
    let bus: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let (cutting, is_cut) = watch::channel(false);
    let through = proxy(bus, is_cut).await;
    let told = Arc::<AtomicU64>::default();
    let mut services = Vec::new();
    for index in 0..all {
        // A quarter is behind the proxy.
        let addr = if index % 4 == 0 { through } else { bus };
        services.push(service(index, all, addr, Arc::clone(&told)).await);
    }
    let began = Instant::now();
    let sent = Arc::<AtomicU64>::default();
    let senders: Vec<_> = services
        .iter()
        .enumerate()
        .map(|(from, service)| {
            tokio::spawn(send(from, service.connector.clone(), all, per_service, Arc::clone(&sent)))
        })
        .collect();
    let passed = |part: u64| {
        let sent = Arc::clone(&sent);
        move || sent.load(Ordering::Relaxed) >= events * part / 10
    };
    let (third, half) = (passed(3), passed(5));
    while !third() {
        tokio::task::yield_now().await;
    }
    cutting.send_replace(true);
    // The length of the cut is what is tested.
    tokio::time::sleep(cut).await;
    cutting.send_replace(false);
    while !half() {
        tokio::task::yield_now().await;
    }
    let pid = program.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert!(soon(program.wait()).await.unwrap().success());
    let restarted = Instant::now();
    let (_program, _) = start(&file, &bus.port().to_string()).await;
    let mut kept = 0;
    for sender in senders {
        kept += tokio::time::timeout(Duration::from_secs(300), sender).await.unwrap().unwrap();
    }
    until(async || {
        let mut new = 0;
        for service in &services {
            new += service.received.lock().await.new;
        }
        new == events
    })
    .await;
    let (mut again, mut out_of_order) = (0, 0);
    for service in &services {
        let received = service.received.lock().await;
        again += received.again;
        out_of_order += received.out_of_order;
    }
    println!(
        "{all} services, {events} events: {kept} kept for services that were away, {again} received again and recognized, \
         {out_of_order} out of order, {} told as dropped; {:?} in total, {:?} since the restart",
        told.load(Ordering::Relaxed),
        began.elapsed(),
        restarted.elapsed()
    );
    assert_eq!((out_of_order, told.load(Ordering::Relaxed)), (0, 0));
}
