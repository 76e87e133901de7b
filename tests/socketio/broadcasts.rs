//! Emits to many.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engineio::SlowConsumer;
use serde_json::json;
use socketio_server::{Args, Config, Data, Namespace, Room, RoomEvent, Server, Socket};

use crate::support::{Running, builder, nothing_else, start};
use tests::raw::{WebSocket, soon};

fn rooms(io: &Server) {
    io.on("still there?", |socket: Socket| async move { socket.emit("yes", &Args(())) });
    io.on("join", |socket: Socket, Data(rooms): Data<Vec<String>>| async move { socket.join(rooms) });
}

/// Three clients: the first in `a`, the second in `a` and `b`, the third in none.
async fn three() -> (Running, Vec<(WebSocket, String)>) {
    let running = start(builder(), rooms).await;
    let mut clients = Vec::new();
    for joined in [&["a"][..], &["a", "b"], &[]] {
        let (mut ws, id) = running.connect().await;
        ws.send(&format!("421{}", json!(["join", joined]))).await;
        assert_eq!(ws.text().await, "431[]");
        clients.push((ws, id));
    }
    (running, clients)
}

/// Each of the clients got the event as often as said, and nothing else.
async fn got(clients: &mut [(WebSocket, String)], expected: [bool; 3]) {
    for ((ws, _), expected) in clients.iter_mut().zip(expected) {
        if expected {
            assert_eq!(ws.text().await, r#"42["e",1]"#);
        }
        nothing_else(ws).await;
    }
}

/// SIO-SRV-059, SIO-SRV-061, SIO-SRV-139, SIO-SRV-142, SIO-SRV-143
#[tokio::test]
async fn the_server_picks_rooms_and_exceptions() {
    let (running, mut clients) = three().await;
    let io = &running.io;
    let second = clients[1].1.clone();
    io.emit("e", &1).await.unwrap();
    got(&mut clients, [true, true, true]).await;
    io.to("a").emit("e", &1).await.unwrap();
    got(&mut clients, [true, true, false]).await;
    io.to("a").to("b").emit("e", &1).await.unwrap();
    got(&mut clients, [true, true, false]).await;
    io.r#in(["a", "b"]).except("b").emit("e", &1).await.unwrap();
    got(&mut clients, [true, false, false]).await;
    io.except(second.as_str()).emit("e", &1).await.unwrap();
    got(&mut clients, [true, false, true]).await;
    io.to(second.as_str()).emit("e", &1).await.unwrap();
    got(&mut clients, [false, true, false]).await;
    io.to("nobody").emit("e", &1).await.unwrap();
    got(&mut clients, [false, false, false]).await;
}

/// SIO-SRV-141, SIO-SRV-144, SIO-SRV-150, SIO-SRV-151
#[tokio::test]
async fn a_socket_leaves_itself_out() {
    let (running, mut clients) = three().await;
    let socket = running.io.socket(&clients[0].1).unwrap();
    let third = clients[2].1.clone();
    socket.broadcast().emit("e", &1).await.unwrap();
    got(&mut clients, [false, true, true]).await;
    socket.to("a").emit("e", &1).await.unwrap();
    got(&mut clients, [false, true, false]).await;
    socket.except("b").emit("e", &1).await.unwrap();
    got(&mut clients, [false, false, true]).await;
    socket.broadcast().except(third).emit("e", &1).await.unwrap();
    got(&mut clients, [false, true, false]).await;
}

/// SIO-SRV-037, SIO-SRV-152
#[tokio::test]
async fn a_broadcast_can_be_kept_and_extended() {
    let (running, mut clients) = three().await;
    let to_a = running.io.to("a");
    let _not_sent = to_a.clone().to("b").except("a").volatile().compress(false);
    to_a.emit("e", &1).await.unwrap();
    got(&mut clients, [true, true, false]).await;
}

/// SIO-SRV-060, SIO-SRV-139
#[tokio::test]
async fn namespaces_are_apart() {
    let running = start(builder(), |io| {
        rooms(io);
        io.of("/other");
    })
    .await;
    let (mut here, _) = running.connect().await;
    let (mut there, _) = running.connect_to("/other").await;
    running.io.emit("e", &1).await.unwrap();
    running.io.of("/other").emit("f", &2).await.unwrap();
    assert_eq!(here.text().await, r#"42["e",1]"#);
    assert_eq!(there.text().await, r#"42/other,["f",2]"#);
}

/// SIO-SRV-153, SIO-SRV-155, SIO-SRV-157
#[tokio::test]
async fn a_broadcast_collects_answers() {
    let (running, mut clients) = three().await;
    let io = running.io.clone();
    let asking =
        tokio::spawn(async move { io.timeout(Duration::from_secs(20)).emit_with_ack::<i32>("q", &()).await });
    for (number, (ws, _)) in clients.iter_mut().enumerate() {
        // One id for all: the question is encoded once.
        assert_eq!(ws.text().await, r#"420["q",null]"#);
        ws.send(&format!("430[{number}]")).await;
    }
    let mut answers = asking.await.unwrap().unwrap();
    answers.sort_unstable();
    assert_eq!(answers, [0, 1, 2]);
    let nobody = running.io.to("nobody").emit_with_ack::<i32>("q", &()).await.unwrap();
    assert!(nobody.is_empty());
}

/// SIO-SRV-154, SIO-SRV-156
#[tokio::test]
async fn a_broadcast_says_how_many_did_not_answer() {
    let (running, mut clients) = three().await;
    let io = running.io.clone();
    let asking =
        tokio::spawn(
            async move { io.timeout(Duration::from_millis(300)).emit_with_ack::<i32>("q", &()).await },
        );
    for (ws, _) in &mut clients[..2] {
        assert_eq!(ws.text().await, r#"420["q",null]"#);
        ws.send("430[1]").await;
    }
    let partial = asking.await.unwrap().unwrap_err().partial().unwrap();
    assert_eq!((partial.answers, partial.missing), (vec![1, 1], 1));
    // Somebody who leaves instead of answering is not waited for.
    let io = running.io.clone();
    let asking =
        tokio::spawn(async move { io.timeout(Duration::from_secs(60)).emit_with_ack::<i32>("q", &()).await });
    clients[2].0.text().await;
    assert_eq!(clients[2].0.text().await, r#"421["q",null]"#);
    for (ws, _) in clients.drain(..) {
        ws.cut();
    }
    let partial = soon(asking).await.unwrap().unwrap_err().partial().unwrap();
    assert_eq!((partial.answers, partial.missing), (vec![], 3));
}

/// What clients answer waits until the last one has, so it is bounded together. Nobody waits for what was dropped.
#[tokio::test]
async fn gathered_answers_are_bounded() {
    let mut config = Config::default();
    config.max_gathered_bytes = 1000;
    let (sender, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let running = start(builder().config(config), |io| {
        io.on("answered", move || {
            sender.send(()).unwrap();
            async {}
        });
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(running.connect().await.0);
    }
    let io = running.io.clone();
    let asking =
        tokio::spawn(async move { io.timeout(Duration::MAX).emit_with_ack::<String>("q", &()).await });
    for (ws, length) in clients.iter_mut().zip([400, 500, 200]) {
        assert_eq!(ws.text().await, r#"420["q",null]"#);
        ws.send(&format!(r#"430["{}"]"#, "x".repeat(length))).await;
        // They arrive in this order.
        ws.send(r#"42["answered"]"#).await;
        soon(answered.recv()).await.unwrap();
    }
    let partial = soon(asking).await.unwrap().unwrap_err().partial().unwrap();
    let lengths: Vec<usize> = partial.answers.iter().map(String::len).collect();
    assert_eq!((lengths, partial.missing), (vec![400, 200], 1));
}

/// Whom nobody may ask any more, because it owes too many answers, is not passed over in silence.
#[tokio::test]
async fn who_owes_too_many_answers_is_missing() {
    let mut config = Config::default();
    config.max_pending_acks = 1;
    let running = start(builder().config(config), |_| {}).await;
    let (mut ws, id) = running.connect().await;
    let socket = running.io.socket(&id).unwrap();
    let first = tokio::spawn(async move { socket.emit_with_ack::<i32>("first", &()).await });
    assert_eq!(ws.text().await, r#"420["first",null]"#);
    let asked = running.io.timeout(Duration::MAX).emit_with_ack::<i32>("second", &()).await;
    let partial = asked.unwrap_err().partial().unwrap();
    assert_eq!((partial.answers, partial.missing), (vec![], 1));
    ws.send("430[1]").await;
    assert_eq!(soon(first).await.unwrap().unwrap(), 1);
}

/// SIO-SRV-201, SIO-SRV-202, SIO-SRV-204, SIO-SRV-205, SIO-SRV-206, SIO-SRV-207
#[tokio::test]
async fn many_sockets_join_and_leave_at_once() {
    let (running, clients) = three().await;
    let io = &running.io;
    assert_eq!(io.sockets().len(), 3);
    io.to("a").sockets_join(["c", "d"]).await.unwrap();
    assert_eq!((io.room_len("c"), io.room_len("d")), (2, 2));
    io.sockets_join("everybody").await.unwrap();
    assert_eq!(io.room_len("everybody"), 3);
    io.to("b").sockets_leave("c").await.unwrap();
    assert_eq!(io.room_len("c"), 1);
    io.sockets_leave("everybody").await.unwrap();
    assert!(!io.rooms().iter().any(|room| &**room == "everybody"));
    drop(clients);
}

/// SIO-SRV-208, SIO-SRV-209
#[tokio::test]
async fn many_sockets_are_disconnected_at_once() {
    let (running, mut clients) = three().await;
    running.io.to("b").disconnect_sockets(true).await.unwrap();
    assert_eq!(clients[1].0.text().await, "41");
    clients[1].0.closed().await;
    running.io.disconnect_sockets(false).await.unwrap();
    for client in [0, 2] {
        assert_eq!(clients[client].0.text().await, "41");
    }
    assert_eq!(running.io.len(), 0);
}

/// SIO-SRV-053, SIO-SRV-054, SIO-SRV-090, SIO-SRV-092, SIO-SRV-094, SIO-SRV-095, SIO-SRV-096, SIO-SRV-098
#[tokio::test]
async fn volatile_means_now_or_never() {
    let running = start(builder(), |io| {
        rooms(io);
        io.on("go", |socket: Socket| async move {
            socket.emit("kept", &1).unwrap();
            socket.volatile().emit("dropped", &2).unwrap();
            socket.emit("kept", &3)
        });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    ws.send(r#"42["go"]"#).await;
    assert_eq!(ws.text().await, r#"42["kept",1]"#);
    assert_eq!(ws.text().await, r#"42["kept",3]"#);
    let socket = running.io.socket(&id).unwrap();
    soon(socket.session().drained()).await.unwrap();
    running.io.volatile().emit("idle", &1).await.unwrap();
    running.io.volatile().emit("second", &2).await.unwrap();
    assert_eq!(ws.text().await, r#"42["idle",1]"#);
    nothing_else(&mut ws).await;
}

/// Rooms that come and go are told.
#[tokio::test]
async fn room_events_are_seen() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let running = start(builder(), move |io| {
        rooms(io);
        io.on_room_event(move |event| seen.lock().unwrap().push(event.clone()));
    })
    .await;
    let (ws, id) = running.connect().await;
    let socket = running.io.socket(&id).unwrap();
    socket.join("a");
    socket.join("a");
    socket.leave("a");
    let (room, id): (Room, Room) = ("a".into(), id.into());
    let expected = [
        RoomEvent::Created(room.clone()),
        RoomEvent::Joined(room.clone(), id.clone()),
        RoomEvent::Left(room.clone(), id),
        RoomEvent::Deleted(room),
    ];
    assert_eq!(*events.lock().unwrap(), expected);
    drop(ws);
}

/// A second hook does not replace the first, in no kind of hooks.
#[tokio::test]
async fn all_hooks_are_called_until_they_are_removed() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let running = start(builder(), |io| {
        io.on("number", |Data(_): Data<u8>| async {});
    })
    .await;
    let mut ids = Vec::new();
    for name in ["first", "second"] {
        let note = |kind: &'static str| {
            let calls = Arc::clone(&calls);
            move || calls.lock().unwrap().push((kind, name))
        };
        let (error, room, broadcast) = (note("error"), note("room"), note("broadcast"));
        ids.push(running.io.on_error(move |_, _| error()));
        ids.push(running.io.on_room_event(move |_| room()));
        ids.push(running.io.on_broadcast(move |_| broadcast()));
    }
    let (mut ws, id) = running.connect().await;
    let socket = running.io.socket(&id).unwrap();
    let taken = || std::mem::take(&mut *calls.lock().unwrap());

    socket.join("room");
    let both = |kind| [(kind, "first"), (kind, "second")];
    // One event for the new room, one for its member.
    assert_eq!(taken(), [both("room"), both("room")].concat());
    running.io.emit("all", &1).await.unwrap();
    assert_eq!(taken(), both("broadcast"));
    assert_eq!(ws.text().await, r#"42["all",1]"#);
    ws.send(r#"421["number","none"]"#).await;
    assert!(ws.text().await.starts_with(r#"431[{"error":"#));
    assert_eq!(taken(), both("error"));

    for id in &ids[..3] {
        assert!(running.io.off(*id) && !running.io.off(*id));
    }
    socket.leave("room");
    running.io.emit("all", &2).await.unwrap();
    assert_eq!(taken(), [("room", "second"), ("room", "second"), ("broadcast", "second")]);
}

/// A handler whose destructor uses the namespace, as a captured handle may.
#[tokio::test]
async fn removed_handlers_are_dropped_without_a_lock() {
    struct Reenter(Namespace, Option<Socket>);
    impl Drop for Reenter {
        fn drop(&mut self) {
            self.0.on("added", || async {});
            if let Some(socket) = &self.1 {
                socket.on("added", || async {});
            }
        }
    }
    let running = start(builder(), |_| {}).await;
    let (_ws, id) = running.connect().await;
    let io = &running.io;
    let socket = io.socket(&id).unwrap();
    let guard = |socket: Option<&Socket>| {
        let guard = Arc::new(Reenter(io.of("/"), socket.cloned()));
        move || {
            let _ = &guard;
            async {}
        }
    };
    let removed = tokio::task::spawn_blocking({
        let (io, socket) = (io.clone(), socket.clone());
        let handlers = [io.on("event", guard(None)), io.on("other", guard(None))];
        let own = [socket.on("event", guard(Some(&socket))), socket.on_any(guard(Some(&socket)))];
        let outgoing = Reenter(io.of("/"), Some(socket.clone()));
        let outgoing = socket.on_any_outgoing(move |_, _| {
            let _ = &outgoing;
        });
        move || {
            let removed = io.off(handlers[0]);
            io.off_event("other");
            let own = own.map(|id| socket.off(id));
            removed && own == [true; 2] && socket.off_any_outgoing(outgoing)
        }
    });
    assert!(soon(removed).await.unwrap());
}

/// A client that keeps its session although it is too slow misses what is for all, and who counts hears of it.
#[tokio::test]
async fn a_broadcast_that_finds_no_room_is_counted() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let counted = Arc::clone(&seen);
    let small = builder().engine(|engine| engine.max_buffered(1000, SlowConsumer::Refuse));
    let running = start(small, move |io| {
        io.on_broadcast(move |delivered| {
            counted.lock().unwrap().push((delivered.receivers, delivered.refused));
        });
    })
    .await;
    let client = running.polling().await;
    client.post("40").await;
    assert!(client.poll().await.starts_with("40{"));
    // Nothing leaves before the client asks for it, and the first event is taken however large it is.
    running.io.emit("fill", &"x".repeat(2000)).await.unwrap();
    running.io.emit("more", &1).await.unwrap();
    let asked = running.io.timeout(Duration::from_millis(1)).emit_with_ack::<()>("asked", &2).await;
    assert!(asked.is_err());
    assert_eq!(*seen.lock().unwrap(), [(1, 0), (0, 1), (0, 1)]);
    assert!(client.poll().await.starts_with(r#"42["fill","#));
    running.io.emit("room", &3).await.unwrap();
    assert_eq!(client.poll().await, r#"42["room",3]"#);
}

/// Who counts broadcasts hears of each, with whom it reached and whom it did not.
#[tokio::test]
async fn broadcasts_can_be_counted() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let counted = Arc::clone(&seen);
    let running = start(builder(), move |io| {
        rooms(io);
        let tenants = io.of_pattern("/tenant/{name}").unwrap();
        for namespace in [&**io, &tenants] {
            let counted = Arc::clone(&counted);
            namespace.on_broadcast(move |delivered| {
                counted.lock().unwrap().push((delivered.receivers, delivered.dropped));
            });
        }
    })
    .await;
    let mut ids = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..2 {
        let (ws, id) = running.connect().await;
        ids.push(id);
        clients.push(ws);
    }
    for id in &ids {
        let socket = running.io.socket(id).unwrap();
        soon(socket.session().drained()).await.unwrap();
    }
    let told = || std::mem::take(&mut *seen.lock().unwrap());
    running.io.emit("all", &1).await.unwrap();
    running.io.volatile().emit("late", &2).await.unwrap();
    running.io.to(ids[0].as_str()).emit("one", &3).await.unwrap();
    assert_eq!(told(), [(2, 0), (0, 2), (1, 0)]);
    // Nothing is sent where nobody is meant, and one socket is no broadcast.
    running.io.to("nobody").emit("none", &4).await.unwrap();
    running.io.socket(&ids[0]).unwrap().emit("own", &5).unwrap();
    assert_eq!(told(), []);
    let waiting = running.io.timeout(Duration::from_millis(1));
    assert!(waiting.emit_with_ack::<()>("asked", &6).await.is_err());
    assert_eq!(told(), [(2, 0)]);
    // What was registered with a pattern holds for what it made.
    clients[0].send("40/tenant/x,").await;
    while !clients[0].text().await.starts_with("40/tenant/x,") {}
    running.io.namespace("/tenant/x").unwrap().emit("all", &7).await.unwrap();
    assert_eq!(told(), [(1, 0)]);
}
