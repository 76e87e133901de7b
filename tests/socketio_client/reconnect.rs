//! Reconnection: attempts, their limits, and their end.

use std::time::Duration;

use serde_json::{Value, json};
use socketio_client::{Args, ConnectError, DisconnectReason, EventName, ManagerEvent, Socket, SocketEvent};
use socketio_server::{Recovery, Server};
use tests::raw::{soon, start as start_engine};

use crate::support::{
    Log, builder, emptied, is_pending, record, serve, shared, start, start_with, unused_addr,
};

/// SIO-CLI-022, SIO-CLI-065, SIO-CLI-066
#[tokio::test]
async fn a_lost_connection_is_reopened() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let mut log = record(&manager);
    let socket = manager.socket("/");
    let mut events = socket.events();
    soon(socket.connect().connected()).await.unwrap();
    let id = socket.id();
    socket.emit("close", &Args(())).unwrap();
    assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Connect { recovered: false })));
    let Some(SocketEvent::Disconnect(reason)) = soon(events.recv()).await else { panic!("still there") };
    assert!(matches!(reason, DisconnectReason::TransportClose(_) | DisconnectReason::TransportError(_)));
    assert_eq!(socket.id(), None);
    assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Connect { recovered: false })));
    assert!(socket.id().is_some() && socket.id() != id);
    let seen = log.take(4).await;
    assert!(seen[1].starts_with("close: transport"), "{seen:?}");
    assert_eq!((&*seen[0], &*seen[2], &*seen[3]), ("open", "attempt 1", "open"));
    assert_eq!(log.next().await, "reconnect 1");
}

/// SIO-SRV-077
#[tokio::test]
async fn a_manual_reconnect_is_one_connect() {
    let running = start().await;
    let socket = builder(running.addr).build().socket("/");
    let mut log = Log::new();
    let write = log.writer();
    socket.on_connect(move |socket: Socket| {
        write(socket.id());
        async {}
    });
    soon(socket.connect().connected()).await.unwrap();
    assert_eq!(log.next().await, socket.id());
    socket.disconnect();
    soon(socket.connect().connected()).await.unwrap();
    assert_eq!(log.next().await, socket.id());
    let _: u32 = soon(socket.emit_with_ack("echo", &1)).await.unwrap();
    assert!(log.rest().is_empty());
}

/// SIO-CLI-024
#[tokio::test]
async fn a_lost_connection_is_reopened_after_a_manual_reconnect() {
    let running = start().await;
    let socket = builder(running.addr).build().socket("/");
    soon(socket.connect().connected()).await.unwrap();
    socket.disconnect();
    let mut events = socket.events();
    soon(socket.connect().connected()).await.unwrap();
    socket.emit("close", &Args(())).unwrap();
    let mut connects = 0;
    while connects < 2 {
        connects += u32::from(matches!(soon(events.recv()).await, Some(SocketEvent::Connect { .. })));
    }
}

/// SIO-CLI-025, SIO-CLI-031, SIO-CLI-032, SIO-CLI-033, SIO-CLI-039
#[tokio::test]
async fn attempts_are_numbered_and_can_be_limited() {
    let manager =
        builder(unused_addr().await).reconnection(|reconnection| reconnection.attempts = Some(2)).build();
    let mut log = record(&manager);
    let socket = manager.socket("/");
    // A later connect starts again with the first attempt.
    for _ in 0..2 {
        assert!(matches!(soon(socket.connect().connected()).await, Err(ConnectError::Open(_))));
        let seen: Vec<_> =
            log.take(8).await.into_iter().filter(|entry| !entry.starts_with("error")).collect();
        assert_eq!(seen, ["attempt 1", "reconnect error", "attempt 2", "failed", "reconnect error"]);
        assert!(!socket.is_active());
    }
    assert!(log.rest().is_empty());
}

/// SIO-SRV-078
#[tokio::test]
async fn attempts_at_a_closed_server_fail_once() {
    let running = start().await;
    let manager = builder(running.addr).reconnection(|reconnection| reconnection.attempts = Some(3)).build();
    let mut log = record(&manager);
    let socket = manager.socket("/");
    let mut events = socket.events();
    soon(socket.connect().connected()).await.unwrap();
    // The server is closed, and the port refuses connections.
    running.io.close();
    drop(running);
    while soon(events.recv()).await.is_some() {}
    soon(manager.close()).await;
    let seen = log.rest();
    let count = |of: &str| seen.iter().filter(|entry| entry.starts_with(of)).count();
    assert_eq!((count("attempt"), count("failed")), (3, 1), "{seen:?}");
}

/// SIO-CLI-041
#[tokio::test]
async fn another_namespace_adds_no_attempts() {
    let manager =
        builder(unused_addr().await).reconnection(|reconnection| reconnection.attempts = Some(2)).build();
    let other = manager.socket("/foo");
    manager.on_event({
        let other = std::sync::Mutex::new(Some(other));
        move |event| {
            if let ManagerEvent::ReconnectAttempt(1) = event {
                if let Some(other) = other.lock().unwrap().take() {
                    other.connect();
                }
            }
        }
    });
    let mut log = record(&manager);
    assert!(soon(manager.socket("/").connect().connected()).await.is_err());
    let seen = log.take(8).await;
    assert_eq!(seen.iter().filter(|entry| entry.starts_with("attempt")).count(), 2);
    assert_eq!(seen[seen.len() - 2..], ["failed", "reconnect error"]);
    assert!(!manager.socket("/foo").is_active());
}

/// SIO-CLI-040
#[tokio::test]
async fn no_attempts_are_made_if_reconnection_is_off() {
    let manager =
        builder(unused_addr().await).reconnection(|reconnection| reconnection.enabled = false).build();
    let mut log = record(&manager);
    assert!(soon(manager.socket("/").connect().connected()).await.is_err());
    soon(manager.close()).await;
    let seen = log.rest();
    assert!(seen.len() == 1 && seen[0].starts_with("error"), "{seen:?}");
}

/// SIO-CLI-038
#[tokio::test]
async fn the_application_can_stop_the_attempts() {
    let manager = builder(unused_addr().await).build();
    let stop = manager.clone();
    let stopping = shared::<Option<socketio_client::Manager>>();
    *stopping.lock().unwrap() = Some(stop);
    let taken = stopping.clone();
    manager.on_event(move |event| {
        if let ManagerEvent::ReconnectError(_) = event {
            if let Some(manager) = taken.lock().unwrap().take() {
                manager.set_reconnection(false);
            }
        }
    });
    let mut log = record(&manager);
    let socket = manager.socket("/");
    let mut events = socket.events();
    socket.connect();
    while soon(events.recv()).await.is_some() {}
    assert!(!socket.is_active());
    let seen = log.rest();
    assert_eq!(seen.iter().filter(|entry| entry.starts_with("attempt")).count(), 1, "{seen:?}");
}

/// SIO-CLI-027, SIO-CLI-028, SIO-CLI-029
#[tokio::test]
async fn a_disconnect_stops_the_attempts() {
    let manager = builder(unused_addr().await).build();
    let mut log = record(&manager);
    let socket = manager.socket("/");
    let mut events = socket.events();
    socket.on_connect_error(|socket: Socket| async move {
        socket.disconnect();
    });
    socket.connect();
    while soon(events.recv()).await.is_some() {}
    soon(manager.close()).await;
    assert_eq!(log.rest().len(), 1);

    // Disconnects during the attempt and connects again at once: the next attempt is the first again.
    let manager = builder(unused_addr().await).build();
    let mut log = record(&manager);
    let socket = manager.socket("/");
    let again = shared::<Vec<Socket>>();
    again.lock().unwrap().push(socket.clone());
    let taken = again.clone();
    manager.on_event(move |event| {
        if let ManagerEvent::ReconnectAttempt(2) = event {
            if let Some(socket) = taken.lock().unwrap().pop() {
                socket.disconnect().connect();
            }
        }
    });
    socket.connect();
    let mut attempts = Vec::new();
    while attempts.len() < 4 {
        attempts.extend(Some(log.next().await).filter(|entry| entry.starts_with("attempt")));
    }
    assert_eq!(attempts, ["attempt 1", "attempt 2", "attempt 1", "attempt 2"]);
}

/// SIO-CLI-034
#[tokio::test]
async fn a_healthy_connection_is_kept() {
    let io = Server::builder().ping_interval(Duration::from_millis(5)).build().unwrap();
    let running = serve(io, "127.0.0.1:0".parse().unwrap()).await;
    let manager = builder(running.addr).build();
    let mut log = record(&manager);
    let socket = manager.socket("/");
    soon(socket.connect().connected()).await.unwrap();
    for number in 0..50 {
        assert_eq!(soon(socket.emit_with_ack::<u32>("echo", &number)).await.unwrap(), number);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(log.rest(), ["open"]);
}

/// SIO-CLI-078
#[tokio::test]
async fn a_reconnect_in_the_connect_handler_is_one_disconnect() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let socket = manager.socket("/");
    let mut log = Log::new();
    let (connects, disconnects) = (log.writer(), log.writer());
    let first = std::sync::atomic::AtomicBool::new(true);
    socket.on_connect(move |socket: Socket| {
        connects("connect".to_owned());
        if first.swap(false, std::sync::atomic::Ordering::Relaxed) {
            socket.disconnect().connect();
        }
        async {}
    });
    socket.on_disconnect(move |reason: DisconnectReason| {
        disconnects(reason.to_string());
        async {}
    });
    socket.connect();
    assert_eq!(log.take(3).await, ["connect", "io client disconnect", "connect"]);
    soon(manager.close()).await;
    assert_eq!(log.next().await, "io client disconnect");
    assert!(log.rest().is_empty());
    emptied(&running.io).await;
}

#[tokio::test]
async fn a_client_reconnects_to_a_restarted_server() {
    let running = start().await;
    let addr = running.addr;
    let manager = builder(addr).build();
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    for socket in [&root, &chat] {
        soon(socket.connect().connected()).await.unwrap();
    }
    let mut events = chat.events();
    drop(running);
    assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Disconnect(_))));
    // Events emitted in the meantime wait.
    let waiting = chat.clone();
    let waiting = tokio::spawn(async move { waiting.emit_with_ack::<u32>("echo", &5).await });
    let _running = serve(Server::builder().build().unwrap(), addr).await;
    assert_eq!(soon(waiting).await.unwrap().unwrap(), 5);
    for socket in [&root, &chat] {
        soon(socket.connected()).await.unwrap();
    }
}

/// SIO-CLI-111
#[tokio::test]
async fn a_server_with_recovery_sends_missed_events() {
    let log = Log::new();
    let running = {
        let io = Server::builder().connection_state_recovery(Recovery::default()).build().unwrap();
        io.of("/").on_connect(|peer: socketio_server::Socket| async move { peer.join("room") });
        serve(io, "127.0.0.1:0".parse().unwrap()).await
    };
    let manager = builder(running.addr).build();
    let socket = manager.socket("/");
    let write = log.writer();
    let mut log = log;
    socket.on("news", move |socketio_client::Data(number): socketio_client::Data<u32>| {
        write(number);
        async {}
    });
    let mut events = socket.events();
    soon(socket.connect().connected()).await.unwrap();
    running.io.of("/").to("room").emit("news", &1).await.unwrap();
    assert_eq!(log.next().await, 1);
    let id = socket.id();
    let io = running.io.clone();
    // Between the end of the connection and the next one.
    manager.on_event(move |event| {
        if let ManagerEvent::ReconnectAttempt(_) = event {
            let io = io.clone();
            tokio::spawn(async move { io.of("/").to("room").emit("news", &2).await.unwrap() });
        }
    });
    socket.emit("close", &Args(())).unwrap();
    assert_eq!(log.next().await, 2);
    let recovered = loop {
        if let Some(SocketEvent::Connect { recovered: true }) = soon(events.recv()).await {
            break true;
        }
    };
    assert!(recovered && socket.recovered());
    assert_eq!(socket.id(), id);
}

/// The server appends no offset to an event that requests an acknowledgement.
#[tokio::test]
async fn an_event_that_requests_an_ack_keeps_the_recovery_offset() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let socket = manager.socket("/");
    let log = Log::new();
    let write = log.writer();
    let mut log = log;
    socket.on_any(move |EventName(name): EventName| {
        write(name);
        async {}
    });
    socket.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    for packet in
        [r#"0{"sid":"a","pid":"p"}"#, r#"2["news",1,"offset 1"]"#, r#"20["question","not an offset"]"#]
    {
        session.send(packet).unwrap();
    }
    assert_eq!(log.take(2).await, ["news", "question"]);
    session.abort();
    running.opened().await;
    let connect = running.message().await;
    let credentials: Value = serde_json::from_slice(&connect.as_bytes()[1..]).unwrap();
    assert_eq!(credentials, json!({ "pid": "p", "offset": "offset 1" }));
}

/// A connect before the connection has closed opens a new connection.
#[tokio::test]
async fn a_close_ends_with_its_connection() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let socket = manager.socket("/");
    for whole in [false, true] {
        socket.connect();
        running.opened().await.send(r#"0{"sid":"a"}"#).unwrap();
        soon(socket.connected()).await.unwrap();
        let close = async {
            if whole {
                manager.close().await;
            } else {
                socket.close().await;
            }
        };
        let mut close = std::pin::pin!(close);
        assert!(is_pending(close.as_mut()).await);
        socket.connect();
        soon(close).await;
        let session = running.opened().await;
        session.send(r#"0{"sid":"b"}"#).unwrap();
        soon(socket.connected()).await.unwrap();
        assert_eq!(socket.id().as_deref(), Some("b"));
        soon(socket.close()).await;
    }
}

#[tokio::test]
async fn no_state_is_left_of_a_dropped_manager() {
    let running = start_with(|_| {}).await;
    for _ in 0..20 {
        let socket = builder(running.addr).build().socket("/");
        socket.connect();
        tokio::task::yield_now().await;
    }
    emptied(&running.io).await;
}
