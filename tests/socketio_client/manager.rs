//! Managers: connections that open without a socket, events of the connection, and settings at run time.

use std::time::Duration;

use socketio_client::{ConnectError, Manager, ManagerEvent, Payload, Transport};
use tests::raw::{soon, start as start_engine};

use crate::support::{Log, builder, emptied, record, start, unused_addr};

/// A log of the events that `name` knows.
fn log_events(
    manager: &Manager,
    name: impl Fn(&ManagerEvent) -> Option<String> + Send + Sync + 'static,
) -> Log<String> {
    let log = Log::new();
    let write = log.writer();
    manager.on_event(move |event| name(event).into_iter().for_each(&write));
    log
}

#[tokio::test]
async fn a_manager_opens_without_a_socket() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").transports([Transport::WebSocket]).build();
    let mut log = record(&manager);
    assert_eq!((manager.transport(), manager.session_id()), (None, None));
    manager.open().open();
    let session = running.opened().await;
    assert_eq!(log.next().await, "open");
    assert_eq!(manager.transport(), Some(Transport::WebSocket));
    assert_eq!(manager.session_id().as_ref(), Some(session.id()));
    // The first packet of the connection is the CONNECT of the first socket.
    let socket = manager.socket("/");
    socket.connect();
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"a"}"#).unwrap();
    soon(socket.connected()).await.unwrap();
    // The last socket closes the connection.
    socket.disconnect();
    assert_eq!(log.next().await, "close: io client disconnect");
    assert_eq!((manager.transport(), manager.session_id()), (None, None));
    running.emptied().await;
}

#[tokio::test]
async fn an_opened_manager_reconnects_and_closes() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let mut log = record(&manager);
    manager.open();
    running.opened().await.abort();
    let seen = log.take(5).await;
    assert!(seen[1].starts_with("close: transport"), "{seen:?}");
    assert_eq!([&*seen[0], &*seen[2], &*seen[3], &*seen[4]], ["open", "attempt 1", "open", "reconnect 1"]);
    soon(manager.close()).await;
    assert_eq!(log.next().await, "close: io client disconnect");
    running.emptied().await;

    let failing =
        builder(unused_addr().await).reconnection(|reconnection| reconnection.attempts = Some(1)).build();
    let mut log = record(&failing);
    failing.open();
    let seen = log.take(5).await;
    assert!(seen[0].starts_with("error") && seen[2].starts_with("error"), "{seen:?}");
    assert_eq!([&*seen[1], &*seen[3], &*seen[4]], ["attempt 1", "failed", "reconnect error"]);
    soon(failing.close()).await;
    assert!(log.rest().is_empty());
}

#[tokio::test]
async fn a_dropped_manager_closes_what_it_opened() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let mut log = record(&manager);
    manager.open();
    running.opened().await;
    assert_eq!(log.next().await, "open");
    drop(manager);
    running.emptied().await;
}

#[tokio::test]
async fn with_auto_connect_sockets_connect_by_themselves() {
    let running = start().await;
    let manager = builder(running.addr).auto_connect(true).build();
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    for socket in [&root, &chat] {
        soon(socket.connected()).await.unwrap();
    }
    assert_eq!(running.io.engine().stats().sessions, 1);
    soon(manager.close()).await;
    assert!(!root.is_active() && !chat.is_active());
    emptied(&running.io).await;
}

#[tokio::test]
async fn pings_and_packets_are_events_of_the_manager() {
    let builder_of_server = engineio::Server::builder().ping_interval(Duration::from_millis(20));
    let mut running = start_engine(builder_of_server).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let mut pings = log_events(&manager, |event| matches!(event, ManagerEvent::Ping).then(String::new));
    let mut packets = log_events(&manager, |event| match event {
        ManagerEvent::Packet(packet) => Some(match &packet.payload {
            Payload::Connect(_) => format!("connect {}", packet.namespace.as_str()),
            Payload::Event(event) => format!("event {} {:?}", event.name(), packet.ack_id),
            other => format!("{other:?}"),
        }),
        _ => None,
    });
    let socket = manager.socket("/");
    socket.connect();
    let session = running.opened().await;
    session.send(r#"0{"sid":"a"}"#).unwrap();
    session.send(r#"27["news",1]"#).unwrap();
    // Also a packet for a namespace without a socket.
    session.send(r#"2/other,["news"]"#).unwrap();
    assert_eq!(packets.take(3).await, ["connect /", "event news Some(7)", "event news None"]);
    pings.take(2).await;
}

#[tokio::test]
async fn the_transport_of_the_connection_changes_with_an_upgrade() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let mut upgraded =
        log_events(&manager, |event| matches!(event, ManagerEvent::Upgraded).then(String::new));
    let opened = Log::new();
    let (write, handle) = (opened.writer(), std::sync::Mutex::new(Some(manager.clone())));
    let mut opened = opened;
    manager.on_event(move |event| {
        if let ManagerEvent::Open = event {
            write(handle.lock().unwrap().take().unwrap().transport());
        }
    });
    soon(manager.socket("/").connect().connected()).await.unwrap();
    assert_eq!(opened.next().await, Some(Transport::Polling));
    upgraded.next().await;
    assert_eq!(manager.transport(), Some(Transport::WebSocket));
}

/// The settings apply from the next attempt on.
#[tokio::test]
async fn settings_can_change_at_run_time() {
    let manager = builder(unused_addr().await).build();
    let mut reconnection = manager.reconnection();
    assert_eq!(reconnection.attempts, None);
    reconnection.attempts = Some(1);
    manager.set_reconnection_settings(reconnection.clone());
    assert_eq!(manager.reconnection(), reconnection);
    let mut log = record(&manager);
    assert!(soon(manager.socket("/").connect().connected()).await.is_err());
    assert_eq!(log.take(5).await.iter().filter(|entry| entry.starts_with("attempt")).count(), 1);
    manager.set_reconnection(false);
    assert!(!manager.reconnection().enabled);

    // A listener that accepts and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let manager = builder(listener.local_addr().unwrap()).build();
    assert_eq!(manager.connect_timeout(), Duration::from_secs(20));
    manager.set_connect_timeout(Duration::from_millis(20));
    manager.set_reconnection(false);
    assert!(matches!(soon(manager.socket("/").connect().connected()).await, Err(ConnectError::Timeout)));
}

/// SIO-CLI-042: the clock of the runtime drives the attempts, and a test can advance it.
#[tokio::test]
async fn attempts_follow_the_clock_of_the_runtime() {
    let addr = unused_addr().await;
    let hour = Duration::from_secs(3600);
    let manager = builder(addr)
        .connected_timeout(None)
        .reconnection(|reconnection| {
            (reconnection.delay, reconnection.delay_max) = (hour, 2 * hour);
            reconnection.attempts = Some(3);
        })
        .build();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert!(manager.socket("/").connect().connected().await.is_err());
    assert_eq!(begun.elapsed().as_secs() / 3600, 1 + 2 + 2);
}

/// Events that wait are counted where they wait.
#[tokio::test]
async fn waiting_events_are_counted() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let socket = builder(running.addr).path("/engine.io/").build().socket("/");
    socket.emit("a", &1).unwrap();
    socket.set_retries(1).emit("b", &2).unwrap();
    assert_eq!((socket.buffered(), socket.queued(), socket.early_events()), (1, 1, 0));
    socket.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"2["early"]"#).unwrap();
    soon(async {
        while socket.early_events() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    session.send(r#"0{"sid":"a"}"#).unwrap();
    assert_eq!(running.message().await, r#"2["a",1]"#.into());
    assert_eq!(running.message().await, r#"20["b",2]"#.into());
    assert_eq!((socket.buffered(), socket.queued(), socket.early_events()), (0, 1, 0));
}
