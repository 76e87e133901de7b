//! Events that are emitted while the client is disconnected.

use socketio_client::{AckError, Data, EmitError, Overflow, Socket};
use tests::raw::soon;

use crate::support::{Log, builder, start};

fn numbers(socket: &Socket) -> Log<u32> {
    let log = Log::new();
    let write = log.writer();
    socket.on("sent back", move |Data(number): Data<u32>| {
        write(number);
        async {}
    });
    log
}

/// SIO-CLI-080
#[tokio::test]
async fn buffered_events_are_sent_first_and_in_order() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let socket = manager.socket("/");
    let mut log = numbers(&socket);
    socket.on_connect(|socket: Socket| async move { socket.emit("send back", &3).unwrap() });
    for number in 0..3 {
        socket.emit("send back", &number).unwrap();
    }
    socket.connect();
    assert_eq!(log.take(4).await, [0, 1, 2, 3]);
}

/// SIO-CLI-082, SIO-CLI-083, SIO-CLI-084
#[tokio::test]
async fn volatile_events_are_sent_immediately_or_dropped() {
    let running = start().await;
    let socket = builder(running.addr).build().socket("/");
    let mut log = numbers(&socket);
    socket.volatile().emit("send back", &1).unwrap();
    soon(socket.connect().connected()).await.unwrap();
    // After the ack the connection is idle.
    let _: u32 = soon(socket.emit_with_ack("echo", &1)).await.unwrap();
    socket.volatile().emit("send back", &2).unwrap();
    assert_eq!(log.next().await, 2);
    socket.emit("send back", &3).unwrap();
    // No task has run since, so the previous event has not been sent.
    socket.volatile().emit("send back", &4).unwrap();
    socket.emit("send back", &5).unwrap();
    assert_eq!(log.take(2).await, [3, 5]);
}

#[tokio::test]
async fn the_buffer_is_bounded() {
    let running = start().await;
    for overflow in [Overflow::Refuse, Overflow::DropOldest] {
        let socket = builder(running.addr).buffer(10_000, overflow).build().socket("/");
        let log = Log::new();
        let write = log.writer();
        socket.on("sent back", move |Data(text): Data<String>| {
            write(text.len());
            async {}
        });
        let mut log = log;
        let first = socket.clone();
        let first =
            tokio::spawn(async move { first.emit_with_ack::<String>("echo", &"x".repeat(4000)).await });
        tokio::task::yield_now().await;
        socket.emit("send back", &"x".repeat(4001)).unwrap();
        let third = socket.emit("send back", &"x".repeat(4002));
        match overflow {
            Overflow::Refuse => {
                assert!(matches!(third, Err(EmitError::Full)));
                soon(socket.connect().connected()).await.unwrap();
                assert_eq!(soon(first).await.unwrap().unwrap().len(), 4000);
                assert_eq!(log.next().await, 4001);
            }
            _ => {
                third.unwrap();
                assert!(matches!(soon(first).await.unwrap(), Err(AckError::Dropped)));
                soon(socket.connect().connected()).await.unwrap();
                assert_eq!(log.take(2).await, [4001, 4002]);
            }
        }
        assert!(matches!(socket.disconnect().emit("big", &"x".repeat(10_000)), Err(EmitError::Full)));
    }
}

#[tokio::test]
async fn a_buffer_larger_than_the_outbox_is_sent_in_parts() {
    let running = start().await;
    let manager = builder(running.addr)
        .engine(|engine| engine.configure(|config| config.max_buffered = 20_000))
        .build();
    let socket = manager.socket("/");
    let mut log = numbers(&socket);
    for number in 0..100 {
        socket.emit("echo", &"x".repeat(4000)).unwrap();
        socket.emit("send back", &number).unwrap();
    }
    socket.connect();
    assert_eq!(log.take(100).await, (0..100).collect::<Vec<_>>());
    soon(manager.close()).await;
}
