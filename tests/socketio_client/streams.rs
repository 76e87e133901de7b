//! Events as streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use socketio_client::{Args, Data, SocketEvent, Transport};
use tests::raw::{soon, start as start_engine};
use tokio::sync::Semaphore;

use crate::support::{Log, builder, start};

#[tokio::test]
async fn events_of_a_stream_are_in_order() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let socket = manager.socket("/");
    let mut events = socket.events();
    socket.emit("send back", &1).unwrap();
    socket.emit("kick", &Args(())).unwrap();
    socket.connect();
    let mut seen = Vec::new();
    while let Some(event) = soon(events.recv()).await {
        seen.push(match event {
            SocketEvent::Connect { recovered } => format!("connect {recovered}"),
            SocketEvent::Event { event, ack } => format!("{} {}", event.name(), ack.is_some()),
            SocketEvent::Disconnect(reason) => reason.to_string(),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, ["connect false", "sent back false", "io server disconnect"]);
}

#[tokio::test]
async fn a_stream_reader_can_acknowledge_events() {
    let running = crate::support::start_with(|io| {
        io.of("/").on_connect(|peer: socketio_server::Socket| async move {
            let answer: u32 = peer.emit_with_ack("question", &20).await.unwrap();
            peer.emit("thanks", &answer).unwrap();
        });
    })
    .await;
    let socket = builder(running.addr).build().socket("/");
    let mut events = socket.events();
    socket.connect();
    let mut thanks = None;
    while thanks.is_none() {
        match soon(events.recv()).await {
            Some(SocketEvent::Event { event, ack: Some(ack) }) => {
                let number: u32 = event.args().parse(0).unwrap();
                ack.clone().send(&(number + 1)).unwrap();
                // Only the first ack counts.
                ack.send(&0).unwrap();
            }
            Some(SocketEvent::Event { event, ack: None }) => {
                thanks = Some(event.args().parse::<u32>(0).unwrap());
            }
            Some(SocketEvent::Connect { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(thanks, Some(21));
}

#[tokio::test]
async fn a_slow_stream_reader_delays_the_server() {
    let running = start().await;
    let manager = builder(running.addr).configure(|config| config.max_waiting_events = 4).build();
    let socket = manager.socket("/");
    let mut events = socket.events();
    soon(socket.connect().connected()).await.unwrap();
    for number in 0..200 {
        socket.emit("send back", &number).unwrap();
    }
    // The connection is not read, so this ack arrives only after all but the last few events have been taken.
    let answering = socket.clone();
    let answer = tokio::spawn(async move { answering.emit_with_ack::<u32>("echo", &1).await });
    let mut numbers = Vec::new();
    while numbers.len() < 200 {
        match soon(events.recv()).await {
            Some(SocketEvent::Event { event, .. }) => numbers.push(event.args().parse::<u32>(0).unwrap()),
            Some(SocketEvent::Connect { .. }) => {}
            other => panic!("{other:?}"),
        }
        assert!(!answer.is_finished() || numbers.len() + 5 >= 200, "overtaken after {}", numbers.len());
        tokio::task::yield_now().await;
    }
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    assert_eq!(soon(answer).await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_dropped_stream_does_not_block_the_connection() {
    let mut running = start_engine(engineio::Server::builder()).await;
    // A session during an upgrade reads in any case.
    let manager = builder(running.addr)
        .path("/engine.io/")
        .transports([Transport::WebSocket])
        .configure(|config| config.max_waiting_events = 2)
        .build();
    let socket = manager.socket("/");
    let mut log = Log::new();
    let write = log.writer();
    socket.on("x", move |Data(number): Data<u32>| {
        write(number);
        async {}
    });
    socket.connect();
    let session = running.opened().await;
    session.send(r#"0{"sid":"a"}"#).unwrap();
    soon(socket.connected()).await.unwrap();
    let mut number = 0;
    for is_followed in [false, true] {
        let events = socket.events();
        for _ in 0..3 {
            number += 1;
            session.send(format!(r#"2["x",{number}]"#)).unwrap();
        }
        // Two events fill the buffer, and the third is not read.
        assert_eq!(log.take(2).await, [number - 2, number - 1]);
        tokio::task::yield_now().await;
        assert!(log.rest().is_empty());
        let _next = is_followed.then(|| socket.events());
        drop(events);
        assert_eq!(log.next().await, number);
    }
}

/// A server that sends faster than the handlers run has to wait.
#[tokio::test]
async fn waiting_handlers_are_bounded() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr)
        .path("/engine.io/")
        .transports([Transport::WebSocket])
        .configure(|config| config.max_waiting_handlers = 2)
        .build();
    let socket = manager.socket("/");
    let mut log = Log::new();
    let write = log.writer();
    let (go, in_flight, peak) =
        (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (pass, most) = (Arc::clone(&go), Arc::clone(&peak));
    socket.on("x", move |Data(number): Data<u32>| {
        most.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        write(number);
        let (pass, in_flight) = (Arc::clone(&pass), Arc::clone(&in_flight));
        async move {
            pass.acquire().await.unwrap().forget();
            in_flight.fetch_sub(1, Ordering::SeqCst);
        }
    });
    socket.connect();
    let session = running.opened().await;
    session.send(r#"0{"sid":"a"}"#).unwrap();
    soon(socket.connected()).await.unwrap();
    for number in 0..10 {
        session.send(format!(r#"2["x",{number}]"#)).unwrap();
    }
    assert_eq!(log.take(2).await, [0, 1]);
    go.add_permits(10);
    assert_eq!(log.take(8).await, [2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(peak.load(Ordering::SeqCst), 2);
}
