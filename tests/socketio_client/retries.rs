//! Events that are sent until they are acknowledged.

use std::time::Duration;

use engineio::client::Proxies;
use socketio_client::{AckError, Args, EmitError, Manager, Overflow, Socket, Transport};
use tests::raw::{soon, start as start_engine, until};

use crate::support::{Log, builder, start, start_with};

/// SIO-CLI-112
#[tokio::test]
async fn one_event_is_in_flight_at_a_time() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = Manager::builder(&format!("http://{}", running.addr))
        .unwrap()
        .engine(|engine| engine.proxy(Proxies::None))
        .path("/engine.io/")
        .retries(1)
        .build();
    let socket = manager.socket("/");
    for number in 1..=3 {
        socket.emit("echo", &number).unwrap();
    }
    assert_eq!(socket.queued(), 3);
    socket.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"a"}"#).unwrap();
    for (number, left) in [(1, 2), (2, 1), (3, 0)] {
        let id = number - 1;
        assert_eq!(running.message().await, format!(r#"2{id}["echo",{number}]"#).into());
        assert_eq!(socket.queued(), left + 1);
        session.send(&*format!("3{id}[{number}]")).unwrap();
    }
    until(async || socket.queued() == 0).await;
    socket.disconnect();
    assert_eq!(running.message().await, "1".into());
}

/// An event that is due while the outbox is full is sent as soon as there is capacity.
#[tokio::test]
async fn an_event_waits_for_outbox_capacity() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr)
        .path("/engine.io/")
        .transports([Transport::WebSocket])
        .engine(|engine| engine.configure(|config| config.max_buffered = 10))
        .retries(1)
        .build();
    let socket = manager.socket("/");
    // The outbox takes one message of any size.
    socket.on("fill", |socket: Socket| async move {
        socket.volatile().emit("full", "more than ten bytes").unwrap();
    });
    for number in 1..=2 {
        socket.emit("echo", &number).unwrap();
    }
    socket.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"a"}"#).unwrap();
    assert_eq!(running.message().await, r#"20["echo",1]"#.into());
    // Both arrive with one read, after which the outbox is sent.
    session.send(r#"2["fill"]"#).unwrap();
    session.send("30[1]").unwrap();
    assert_eq!(running.message().await, r#"2["full","more than ten bytes"]"#.into());
    let second = running.message().await;
    assert!(second.as_bytes().ends_with(br#"["echo",2]"#), "{second:?}");
}

/// SIO-CLI-113
#[tokio::test]
async fn an_event_without_ack_is_dropped_after_its_retries() {
    let mut seen = Log::new();
    let write = seen.writer();
    let running = start_with(move |io| {
        io.of("/").on("lost", move |_: Option<socketio_server::AckSender>| {
            write(());
            async {}
        });
    })
    .await;
    let socket = builder(running.addr).retries(3).ack_timeout(Duration::from_millis(50)).build().socket("/");
    soon(socket.connect().connected()).await.unwrap();
    let error = soon(socket.emit_with_ack::<u32>("lost", &Args(()))).await.unwrap_err();
    assert!(matches!(error, AckError::Timeout));
    seen.take(4).await;
    assert_eq!((seen.rest().len(), socket.queued()), (0, 0));
    assert_eq!(soon(socket.emit_with_ack::<u32>("echo", &7)).await.unwrap(), 7);
}

/// SIO-CLI-114
#[tokio::test]
async fn the_retry_queue_waits_for_the_connection() {
    let running = start().await;
    let socket = builder(running.addr).retries(3).build().socket("/");
    let waiting = socket.clone();
    let answer = tokio::spawn(async move { waiting.emit_with_ack::<u32>("echo", &1).await });
    tokio::task::yield_now().await;
    assert_eq!(socket.queued(), 1);
    socket.connect();
    assert_eq!(soon(answer).await.unwrap().unwrap(), 1);
}

/// SIO-CLI-115
#[tokio::test]
async fn an_event_of_the_connect_handler_is_sent_once() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").retries(1).build();
    let socket = manager.socket("/");
    socket.on_connect(|socket: Socket| async move { socket.emit("echo", &Option::<u8>::None).unwrap() });
    socket.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"a"}"#).unwrap();
    assert_eq!(running.message().await, r#"20["echo",null]"#.into());
    session.send("30[null]").unwrap();
    until(async || socket.queued() == 0).await;
    socket.disconnect();
    assert_eq!(running.message().await, "1".into());
}

/// As at the official client, an event is sent `retries` + 1 times at most.
#[tokio::test]
async fn a_lost_connection_counts_as_a_try() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let socket = builder(running.addr).path("/engine.io/").retries(1).build().socket("/");
    socket.connect();
    let waiting = socket.clone();
    let mut answer = tokio::spawn(async move { waiting.emit_with_ack::<u32>("work", &1).await });
    soon(async {
        while socket.queued() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    socket.emit("next", &2).unwrap();
    for number in 0..2 {
        assert!(!answer.is_finished());
        let session = running.opened().await;
        assert_eq!(running.message().await, "0".into());
        session.send(r#"0{"sid":"a"}"#).unwrap();
        assert_eq!(running.message().await, format!(r#"2{number}["work",1]"#).into());
        session.abort();
    }
    assert!(matches!(soon(&mut answer).await.unwrap(), Err(AckError::Disconnected)));
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"a"}"#).unwrap();
    assert_eq!(running.message().await, r#"22["next",2]"#.into());
    assert_eq!(socket.queued(), 1);
}

#[tokio::test]
async fn without_retries_events_do_not_wait_for_each_other() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").retries(0).build();
    let (root, chat) = (manager.socket("/"), manager.socket("/chat"));
    // Each socket may have its own settings.
    chat.set_retries(1).set_ack_timeout(Some(Duration::from_millis(20)));
    root.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"a"}"#).unwrap();
    soon(root.connected()).await.unwrap();
    for number in 1..=2 {
        root.emit("root", &number).unwrap();
        chat.emit("chat", &number).unwrap();
    }
    assert_eq!((root.queued(), chat.queued()), (0, 2));
    for number in 1..=2 {
        assert_eq!(running.message().await, format!(r#"2["root",{number}]"#).into());
    }
    chat.connect();
    assert_eq!(running.message().await, "0/chat,".into());
    session.send(r#"0/chat,{"sid":"b"}"#).unwrap();
    // No acknowledgement arrives, so each event is sent twice.
    for (id, number) in [(0, 1), (1, 1), (2, 2), (3, 2)] {
        assert_eq!(running.message().await, format!(r#"2/chat,{id}["chat",{number}]"#).into());
    }
}

#[tokio::test]
async fn a_lost_connection_does_not_count_as_a_retry() {
    let mut seen = Log::new();
    let write = seen.writer();
    let running = start_with(move |io| {
        io.of("/").on(
            "work",
            move |peer: socketio_server::Socket,
                  socketio_server::Data(number): socketio_server::Data<u32>| {
                write(number);
                async move {
                    // For the first ten numbers, the connection is cut before the ack is sent.
                    if number < 10 {
                        peer.session().abort();
                    }
                    Ok::<_, String>(())
                }
            },
        );
    })
    .await;
    let socket = builder(running.addr).retries(1).count_lost_connections(false).build().socket("/");
    socket.connect();
    let counted = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = counted.clone();
    socket.on_disconnect(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async {}
    });
    socket.emit("work", &9).unwrap();
    assert_eq!(seen.take(5).await, [9; 5]);
    assert!(counted.load(std::sync::atomic::Ordering::Relaxed) >= 4);
    assert_eq!(socket.queued(), 1);
}

/// The queued events, while the server is unreachable or does not acknowledge, have a limit in bytes.
#[tokio::test]
async fn the_retry_queue_is_bounded() {
    let running = start().await;
    let socket = builder(running.addr).buffer(1000, Overflow::Refuse).retries(1).build().socket("/");
    let emit = || socket.emit("echo", &"x".repeat(300));
    let kept = (0..10).take_while(|_| emit().is_ok()).count();
    assert_eq!((kept, socket.queued()), (3, 3));
    assert!(matches!(emit(), Err(EmitError::Full)));
    soon(socket.connect().connected()).await.unwrap();
    until(async || emit().is_ok()).await;
}
