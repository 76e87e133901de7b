//! Emits and disconnects with a full outbox, volatile events, and emits to disconnected sockets.

use engineio::SlowConsumer;
use socketio_server::{AckError, ConnectError, EmitError, Socket};
use tests::raw::{soon, until};

use crate::support::{builder, start};

/// A client without outbox capacity may disconnect meanwhile, and reconnect on the same connection.
#[tokio::test]
async fn events_in_a_full_outbox_are_not_delivered_to_the_next_socket() {
    let full = |engine: engineio::ServerBuilder| engine.max_buffered(1200, SlowConsumer::Refuse);
    let running = start(builder().engine(full), |_| {}).await;
    let client = running.polling().await;
    client.post("40").await;
    let joined = client.poll().await;
    let id = joined.split('"').nth(3).unwrap();
    let socket = running.io.socket(id).unwrap();
    socket.emit("first", &"x".repeat(700)).unwrap();
    let waiting = socket.clone();
    let mut waiting = Box::pin(async move { waiting.emit_when_ready("second", &"y".repeat(700)).await });
    let early = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx))).await;
    assert!(early.is_pending());
    client.post("41").await;
    client.post("40").await;
    assert!(client.poll().await.contains("first"));
    assert!(matches!(waiting.await, Err(EmitError::Send(engineio::SendError::Closed))));
    running.io.emit("third", &()).await.unwrap();
    let rest = client.poll().await;
    assert!(rest.contains("third") && !rest.contains("second"), "{rest}");
}

/// Disconnect packets and refusals are sent even if the outbox is full; without them a client would wait
/// forever or send to a closed socket.
#[tokio::test]
async fn disconnect_packets_are_sent_with_a_full_outbox() {
    let small = builder().engine(|engine| engine.max_buffered(1000, SlowConsumer::Refuse));
    let running = start(small, |io| {
        io.on("leave", |socket: Socket| async move {
            socket.emit("fill", &"x".repeat(2000)).unwrap();
            assert!(matches!(socket.emit("more", &1), Err(EmitError::Send(_))));
            socket.disconnect(false);
        });
        io.of("/no").middleware(|_: Socket| async { Err::<(), _>(ConnectError::new("no")) });
    })
    .await;
    let client = running.polling().await;
    client.post("40").await;
    assert!(client.poll().await.starts_with("40{"));
    // Nothing is sent before the client polls.
    client.post(r#"42["leave"]"#).await;
    client.post("40/no,").await;
    let waited = client.poll().await;
    let packets: Vec<_> = waited.split('\u{1e}').collect();
    assert!(packets[0].starts_with(r#"42["fill","#), "{waited}");
    assert_eq!(packets[1..], ["41", r#"44/no,{"message":"no"}"#]);
}

/// SIO-SRV-089, SIO-SRV-091, SIO-SRV-093, SIO-SRV-097
#[tokio::test]
async fn a_volatile_event_over_polling_needs_a_waiting_get() {
    let running = start(builder(), |_| {}).await;
    let polling = running.polling().await;
    polling.post("40").await;
    let answer = polling.poll().await;
    let id =
        serde_json::from_str::<serde_json::Value>(&answer[2..]).unwrap()["sid"].as_str().unwrap().to_owned();
    let socket = running.io.socket(&id).unwrap();
    // No GET waits: no volatile event is sent, neither before nor after a regular one.
    socket.volatile().emit("lost", &1).unwrap();
    socket.emit("regular", &2).unwrap();
    socket.volatile().emit("lost", &3).unwrap();
    socket.emit("regular", &4).unwrap();
    assert_eq!(polling.poll().await, "42[\"regular\",2]\x1e42[\"regular\",4]");
    let waiting = tokio::spawn({
        let polling = polling.clone();
        async move { polling.poll().await }
    });
    until(async || socket.session().can_send_now()).await;
    socket.volatile().emit("taken", &5).unwrap();
    socket.volatile().emit("lost", &6).unwrap();
    assert_eq!(soon(waiting).await.unwrap(), r#"42["taken",5]"#);
}

#[tokio::test]
async fn an_emit_to_a_disconnected_socket_is_an_error() {
    let running = start(builder(), |_| {}).await;
    let (mut ws, id) = running.connect().await;
    let socket = running.io.socket(&id).unwrap();
    socket.disconnect(false);
    assert_eq!(ws.text().await, "41");
    assert!(matches!(socket.emit("late", &()), Err(EmitError::Send(engineio::SendError::Closed))));
    assert!(matches!(socket.emit_with_ack::<()>("late", &()).await, Err(AckError::Disconnected)));
    assert!(socket.rooms().is_empty());
    socket.join("room");
    assert!(running.io.rooms().is_empty());
}

/// A client that reads seldom receives the latest value of each key, and all events without one.
#[tokio::test]
async fn a_slow_client_receives_the_latest_value_of_each_key() {
    let conflate = builder().engine(|engine| engine.max_buffered(100_000, SlowConsumer::Conflate));
    let running = start(conflate, |_| {}).await;
    let client = running.polling().await;
    client.post("40").await;
    let joined = client.poll().await;
    let id = joined.split('"').nth(3).unwrap();
    let socket = running.io.socket(id).unwrap();
    let key = |number| std::num::NonZeroU32::new(number).unwrap();
    for price in 1..=3 {
        socket.conflate_by(key(1)).emit("euro", &price).unwrap();
        running.io.conflate_by(key(2)).emit("yen", &price).await.unwrap();
        running.io.to(id).emit("trade", &price).await.unwrap();
    }
    let waited = client.poll().await;
    let packets: Vec<_> = waited.split('\u{1e}').collect();
    let trades = [r#"42["trade",1]"#, r#"42["trade",2]"#];
    assert_eq!(packets, [&trades[..], &[r#"42["euro",3]"#, r#"42["yen",3]"#, r#"42["trade",3]"#]].concat());
    assert_eq!(running.io.engine().stats().dropped_messages, 4);
}
