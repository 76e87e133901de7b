//! Limits on the work and the memory that a client causes, during its connection and after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socketio_server::{Config, Data, DisconnectReason, Server, Socket};
use tests::raw::{soon, until};
use tokio::sync::{Semaphore, mpsc};

use crate::support::{Running, builder, join, nothing_else, start};

/// Waits until this many handlers of disconnected clients are counted.
async fn detached(running: &Running, count: usize) {
    until(async || running.io.detached_handlers() == count).await;
}

/// Handlers of "n" that report their number and wait for a permit.
struct Slow {
    begun: mpsc::UnboundedReceiver<String>,
    go: Arc<Semaphore>,
    in_flight: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

impl Slow {
    fn of(io: &Server) -> Self {
        let (sender, begun) = mpsc::unbounded_channel();
        let go = Arc::new(Semaphore::new(0));
        let (in_flight, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let slow =
            Self { begun, go: Arc::clone(&go), in_flight: Arc::clone(&in_flight), peak: Arc::clone(&peak) };
        let numbers = sender.clone();
        io.on("n", move |Data(number): Data<usize>| {
            let (numbers, go) = (numbers.clone(), Arc::clone(&go));
            let (in_flight, peak) = (Arc::clone(&in_flight), Arc::clone(&peak));
            async move {
                peak.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                numbers.send(number.to_string()).unwrap();
                go.acquire().await.unwrap().forget();
                in_flight.fetch_sub(1, Ordering::SeqCst);
            }
        });
        io.on_disconnect(move |reason: DisconnectReason| {
            sender.send(reason.to_string()).unwrap();
            async {}
        });
        slow
    }

    async fn next(&mut self) -> String {
        soon(self.begun.recv()).await.unwrap()
    }
}

/// Starts a server with slow handlers.
async fn start_slow(config: Config, set_up: impl FnOnce(&Server)) -> (Running, Slow) {
    let mut slow = None;
    let running = start(builder().config(config), |io| {
        slow = Some(Slow::of(io));
        set_up(io);
    })
    .await;
    (running, slow.unwrap())
}

fn events(numbers: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!(r#"42["n",{number}]"#))
}

/// A client sends more events than may run at a time, sends a close packet and closes the connection.
#[tokio::test]
async fn waiting_events_are_handled_before_the_disconnect() {
    let (running, mut slow) = start_slow(Config::default(), |_| {}).await;
    let (mut ws, _) = running.connect().await;
    ws.send_together(events(0..200).chain(["41".to_owned()])).await;
    for number in 0..128 {
        assert_eq!(slow.next().await, number.to_string());
    }
    ws.close().await;
    slow.go.add_permits(200);
    for number in 128..200 {
        assert_eq!(slow.next().await, number.to_string());
    }
    assert_eq!(slow.next().await, "client namespace disconnect");
    assert_eq!(slow.peak.load(Ordering::SeqCst), 128);
    detached(&running, 0).await;
}

/// A middleware delays the first event until the connection has ended, so all events wait in the server's
/// memory.
#[tokio::test]
async fn waiting_events_are_handled_after_the_disconnect_within_the_limit() {
    for (goodbye, reason) in [(Some("41"), "client namespace disconnect"), (None, "transport close")] {
        let gate = Arc::new(Semaphore::new(0));
        let pass = Arc::clone(&gate);
        let mut config = Config::default();
        config.max_handlers_in_flight = 8;
        let (running, mut slow) = start_slow(config, |io| {
            io.event_middleware(move || {
                let pass = Arc::clone(&pass);
                async move {
                    let _passed = pass.acquire().await.unwrap();
                }
            });
        })
        .await;
        let (mut ws, _) = running.connect().await;
        ws.send_together(events(0..100).chain(goodbye.map(str::to_owned))).await;
        ws.close().await;
        let waiting = 100 + usize::from(goodbye.is_some());
        detached(&running, waiting).await;
        assert_eq!(running.io.len(), 1, "it is there until its events have begun");
        gate.add_permits(1);
        for number in 0..8 {
            assert_eq!(slow.next().await, number.to_string());
        }
        assert_eq!(slow.in_flight.load(Ordering::SeqCst), 8);
        slow.go.add_permits(100);
        for number in 8..100 {
            assert_eq!(slow.next().await, number.to_string());
        }
        assert_eq!(slow.next().await, reason);
        assert_eq!(slow.peak.load(Ordering::SeqCst), 8);
        detached(&running, 0).await;
        assert_eq!(running.io.len(), 0);
    }
}

/// A middleware that never decides does not hold the state of a disconnected client forever.
#[tokio::test]
async fn waiting_events_are_dropped_after_their_timeout() {
    let mut config = Config::default();
    config.waiting_events_timeout = Duration::from_millis(20);
    let (running, mut slow) = start_slow(config, |io| {
        io.event_middleware(std::future::pending::<()>);
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send_together(events(0..10)).await;
    ws.close().await;
    assert_eq!(slow.next().await, "transport close");
    detached(&running, 0).await;
}

/// Repeated reconnects must not multiply the number of handlers that one connection may run.
#[tokio::test]
async fn handlers_of_disconnected_clients_are_bounded() {
    let mut config = Config::default();
    config.max_detached_handlers = 20;
    let (running, mut slow) = start_slow(config, |_| {}).await;
    for round in 1..=2 {
        let (mut ws, _) = running.connect().await;
        ws.send_together(events(0..10)).await;
        for number in 0..10 {
            assert_eq!(slow.next().await, number.to_string());
        }
        assert_eq!(running.io.detached_handlers(), 10 * (round - 1));
        ws.close().await;
        assert_eq!(slow.next().await, "transport close");
        detached(&running, 10 * round).await;
    }
    let mut ws = running.open().await;
    ws.send("40").await;
    assert_eq!(ws.text().await, r#"44{"message":"the server is busy","data":{"code":"busy"}}"#);
    assert_eq!(running.io.len(), 0);
    slow.go.add_permits(1);
    detached(&running, 19).await;
    join(&mut ws, "/").await;
    slow.go.add_permits(19);
    detached(&running, 0).await;
}

/// The rate of connects to a namespace is limited, since each one calls the application.
#[tokio::test]
async fn the_rate_of_connects_is_limited() {
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    let mut config = Config::default();
    (config.max_namespaces, config.max_refused_connects) = (8, 10);
    let running = start(builder().config(config), |io| {
        io.on_connect(move || {
            count.fetch_add(1, Ordering::SeqCst);
            async {}
        });
    })
    .await;
    let mut ws = running.open().await;
    let begun = Instant::now();
    let mut refused = 0;
    while refused < 11 {
        ws.send("40").await;
        if ws.text().await == r#"44{"message":"too many connects"}"# {
            refused += 1;
        } else {
            ws.send("41").await;
        }
    }
    let refilled = 16.0 * begun.elapsed().as_secs_f64();
    ws.closed().await;
    let came = came.load(Ordering::SeqCst);
    assert!((64..=64 + refilled as usize).contains(&came), "{came}, {refilled}");
}

/// A connection that joins more namespaces than the limit is closed, and its sockets disconnect.
#[tokio::test]
async fn the_namespaces_of_a_connection_are_bounded() {
    let mut config = Config::default();
    config.max_namespaces = 3;
    let running = start(builder().config(config), |io| {
        for number in 1..=4 {
            io.of(&format!("/{number}"));
        }
    })
    .await;
    let sockets = |running: &Running| -> usize {
        (1..=4).map(|number| running.io.of(&format!("/{number}")).len()).sum()
    };
    let mut ws = running.open().await;
    for number in 1..=3 {
        join(&mut ws, &format!("/{number}")).await;
    }
    assert_eq!(sockets(&running), 3);
    ws.send("40/4,").await;
    ws.closed().await;
    until(async || sockets(&running) == 0).await;
}

/// Repeated connects to an unknown namespace are refused up to a limit.
#[tokio::test]
async fn refused_connects_are_bounded() {
    let mut config = Config::default();
    config.max_refused_connects = 3;
    let running = start(builder().config(config), crate::support::answering).await;
    let (mut ws, _) = running.connect().await;
    for _ in 0..3 {
        ws.send("40/nowhere,").await;
        assert_eq!(ws.text().await, r#"44/nowhere,{"message":"Invalid namespace"}"#);
    }
    nothing_else(&mut ws).await;
    ws.send("40/nowhere,").await;
    ws.closed().await;
}

/// Waits until the server counts this many received bytes.
async fn received(running: &Running, is: impl Fn(usize) -> bool) {
    until(async || is(running.io.engine().stats().received_bytes)).await;
}

/// Packets without their last attachment, of all clients together, stay within the server's budget.
#[tokio::test]
async fn incomplete_packets_stay_within_the_server_budget() {
    let running = start(builder().engine(|engine| engine.max_received_bytes(1_000_000)), |_| {}).await;
    let packet = r#"452-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    let (mut holder, _) = running.connect().await;
    holder.send(packet).await;
    holder.send_binary(&[0; 700_000]).await;
    received(&running, |bytes| (700_000..701_000).contains(&bytes)).await;
    let (mut refused, _) = running.connect().await;
    refused.send(packet).await;
    refused.send_binary(&[0; 500_000]).await;
    refused.closed().await;
    holder.cut();
    received(&running, |bytes| bytes == 0).await;
}

/// Events that wait for a middleware count in the server's budget until they are handled.
#[tokio::test]
async fn waiting_events_count_in_the_server_budget() {
    let go = Arc::new(Semaphore::new(0));
    let permits = Arc::clone(&go);
    let running = start(builder(), |io| {
        io.event_middleware(move || {
            let permits = Arc::clone(&permits);
            async move { permits.acquire().await.unwrap().forget() }
        });
        io.on("large", || async {});
    })
    .await;
    let (mut ws, _) = running.connect().await;
    let large = format!(r#"42["large","{}"]"#, "x".repeat(10_000));
    ws.send_together([large.clone(), large.clone(), large]).await;
    received(&running, |bytes| (20_000..30_000).contains(&bytes)).await;
    go.add_permits(3);
    received(&running, |bytes| bytes == 0).await;
}

/// While a middleware delays the first event of a client, further events wait in the server up to a limit,
/// and beyond it at the client.
#[tokio::test]
async fn events_waiting_for_a_middleware_are_bounded() {
    let mut config = Config::default();
    config.max_waiting_events = 10;
    let beat = Duration::from_millis(50);
    let builder = builder().ping_interval(beat).ping_timeout(beat).config(config);
    let running = start(builder, |io| {
        io.event_middleware(std::future::pending::<()>);
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send_together(events(0..100)).await;
    // Nothing more is read, not even pongs. After the end of the connection the held events are counted until
    // they are dropped: the waiting ones, and the one in the middleware.
    until(async || running.io.detached_handlers() > 0).await;
    assert_eq!(running.io.detached_handlers(), 11);
}

/// Events beyond the rate wait, and nothing is lost: a few in the server, the others at the client.
#[tokio::test]
async fn the_rate_of_events_is_limited() {
    let mut config = Config::default();
    (config.events_per_second, config.event_burst, config.max_waiting_events) = (1, 5, 10);
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let running = start(builder().config(config), |io| {
        io.of("/other");
        io.on("n", move |socket: Socket, Data(number): Data<usize>| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { socket.emit("done", &number) }
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    // The clock advances only while all tasks wait.
    tokio::time::pause();
    ws.send_together(events(0..30).chain(["40/other,".to_owned()])).await;
    for number in 0..5 {
        assert_eq!(ws.text().await, format!(r#"42["done",{number}]"#));
    }
    for number in 5..30 {
        let before = tokio::time::Instant::now();
        assert_eq!(ws.text().await, format!(r#"42["done",{number}]"#));
        assert!(before.elapsed() > Duration::from_millis(500), "one a second");
        assert_eq!(handled.load(Ordering::SeqCst), number + 1);
    }
    // Later packets kept their place.
    assert!(ws.text().await.starts_with("40/other,{"));
}

/// Beyond the rate and the events that wait nothing is read, not even pongs. After the end of the connection the
/// waiting events start at once, so that they can be counted.
#[tokio::test]
async fn events_beyond_the_rate_are_bounded() {
    let mut config = Config::default();
    (config.events_per_second, config.event_burst, config.max_waiting_events) = (1, 1, 10);
    let mut slow = None;
    let beat = Duration::from_millis(50);
    let builder = builder().config(config).ping_interval(beat).ping_timeout(beat);
    let running = start(builder, |io| slow = Some(Slow::of(io))).await;
    let mut slow = slow.unwrap();
    let (mut ws, _) = running.connect().await;
    ws.send_together(events(0..100)).await;
    detached(&running, 11).await;
    for number in 0..11 {
        assert_eq!(slow.next().await, number.to_string());
    }
    slow.go.add_permits(11);
    assert_eq!(slow.next().await, "ping timeout", "no other event was read");
    detached(&running, 0).await;
}
