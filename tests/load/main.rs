//! Event order under load: no event is lost, and no event overtakes another.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engineio::SlowConsumer;
use serde_json::Value;
use socketio_server::{Ack, Args, Binary, ConnectError, Data, Server, Socket};
use tests::raw::{Polling, WebSocket, soon};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

async fn serve(io: &Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let io = io.clone();
    tokio::spawn(async move { io.serve(listener).await });
    addr
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

/// Events that a client emits directly after the response to its CONNECT reach
/// their handlers: those of the namespace, and those that `on_connect` registers.
///
/// `FIRST_EVENTS` sets the number of clients.
#[tokio::test(flavor = "multi_thread")]
async fn first_events_are_not_lost() {
    const AT_A_TIME: u64 = 64;
    let clients = number("FIRST_EVENTS", 100_000);
    let io = Server::builder().build().unwrap();
    io.middleware(|| async {
        tokio::task::yield_now().await;
        Ok::<_, ConnectError>(())
    });
    let counted = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&counted);
    io.on("shared", move |Data(number): Data<u64>| {
        count.fetch_add(1, Ordering::Relaxed);
        async move { Ack(number) }
    });
    io.on_connect(|socket: Socket| async move {
        socket.on("own", |Data(number): Data<u64>| async move { Ack(number) });
        tokio::task::yield_now().await;
    });
    let addr = serve(&io).await;
    // Load: a task broadcasts continuously.
    let noise = tokio::spawn({
        let io = io.clone();
        async move {
            loop {
                io.emit("noise", &0).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let next = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..AT_A_TIME)
        .map(|_| {
            let next = Arc::clone(&next);
            tokio::spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < clients {
                    first_events(addr).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    noise.abort();
    assert_eq!(counted.load(Ordering::Relaxed), clients);
}

async fn first_events(addr: SocketAddr) {
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    ws.send("40").await;
    // A broadcast may arrive first, but not before the response to the CONNECT.
    assert!(ws.text().await.starts_with("40{"));
    ws.send(r#"421["shared",1]"#).await;
    ws.send(r#"422["own",2]"#).await;
    let mut missing = vec!["431[1]", "432[2]"];
    while !missing.is_empty() {
        let text = ws.text().await;
        missing.retain(|answer| *answer != text);
    }
    ws.cut();
}

/// Eight producers, text and binary, polling and then WebSocket: each event arrives once and in the order of
/// its producer.
///
/// `ORDERED_EVENTS` sets the number of events.
#[tokio::test(flavor = "multi_thread")]
async fn events_keep_their_order_across_an_upgrade() {
    const PRODUCERS: u64 = 8;
    let events = number("ORDERED_EVENTS", 1_000_000) / PRODUCERS;
    // The outbox is small, so every poll returns little and the producers wait for each other continuously.
    let io = Server::builder()
        .engine(|engine| engine.max_buffered(64 * 1024, SlowConsumer::Refuse))
        .build()
        .unwrap();
    let addr = serve(&io).await;
    let polling = Polling::open(addr, "/socket.io/?EIO=4&transport=polling").await;
    polling.post("40").await;
    polling.poll().await;
    let socket = io.sockets().remove(0);
    for producer in 0..PRODUCERS {
        let socket = socket.clone();
        tokio::spawn(async move {
            for number in 0..events {
                if (number + producer) % 5 == 0 {
                    let data = Binary::from([producer.to_le_bytes(), number.to_le_bytes()].concat());
                    socket.emit_when_ready("binary", &data).await.unwrap();
                } else {
                    socket.emit_when_ready("text", &Args((producer, number))).await.unwrap();
                }
            }
        });
    }
    let mut order = Order { next: vec![0; PRODUCERS as usize], awaits_data: false };
    for _ in 0..20 {
        for packet in polling.poll().await.split('\x1e') {
            match packet.strip_prefix('b') {
                Some(base64) => order.data(&decode(base64)),
                None => order.text(packet),
            }
        }
    }
    // The poll that waits during the probe returns the messages sent before, and is then released.
    let mut ws = polling.probe().await.unwrap();
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    loop {
        let packets = polling.poll().await;
        if packets == "6" {
            break;
        }
        for packet in packets.split('\x1e').filter(|packet| *packet != "6") {
            match packet.strip_prefix('b') {
                Some(base64) => order.data(&decode(base64)),
                None => order.text(packet),
            }
        }
        if packets.ends_with("\x1e6") {
            break;
        }
    }
    ws.send("5").await;
    while order.next.iter().any(|next| *next < events) {
        match soon(ws.next()).await.unwrap() {
            Message::Text(text) => order.text(&text),
            Message::Binary(data) => order.data(&data),
            other => panic!("{other:?}"),
        }
    }
    assert!(!order.awaits_data);
    socket.emit("end", &()).unwrap();
    assert_eq!(ws.text().await, r#"42["end",null]"#, "nothing twice");
}

/// The events received so far.
struct Order {
    /// The next number of each producer.
    next: Vec<u64>,
    /// Whether the text of a binary event has arrived; its data must come next.
    awaits_data: bool,
}

impl Order {
    fn text(&mut self, packet: &str) {
        assert!(!self.awaits_data, "{packet}");
        if packet.starts_with("451-") {
            self.awaits_data = true;
            return;
        }
        let event: Vec<Value> = serde_json::from_str(packet.strip_prefix("42").unwrap()).unwrap();
        self.check(event[1].as_u64().unwrap(), event[2].as_u64().unwrap());
    }

    fn data(&mut self, data: &[u8]) {
        assert!(std::mem::take(&mut self.awaits_data));
        let number = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().unwrap());
        self.check(number(0), number(8));
    }

    fn check(&mut self, producer: u64, number: u64) {
        let next = &mut self.next[producer as usize];
        assert_eq!(number, *next, "of producer {producer}");
        *next += 1;
    }
}

fn decode(base64: &str) -> Vec<u8> {
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64).unwrap()
}
