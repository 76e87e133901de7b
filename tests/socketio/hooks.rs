//! Hooks for rooms, broadcasts and errors, and the removal of handlers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engineio::SlowConsumer;
use socketio_server::{Data, Namespace, Room, RoomEvent, Socket};
use tests::raw::soon;

use crate::support::{builder, room_handlers, start};

/// Hooks receive the creation and deletion of rooms, and their joins and leaves.
#[tokio::test]
async fn hooks_receive_room_events() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let running = start(builder(), move |io| {
        room_handlers(io);
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
        // The room under its own id.
        RoomEvent::Created(id.clone()),
        RoomEvent::Joined(id.clone(), id.clone()),
        RoomEvent::Created(room.clone()),
        RoomEvent::Joined(room.clone(), id.clone()),
        RoomEvent::Left(room.clone(), id),
        RoomEvent::Deleted(room),
    ];
    assert_eq!(*events.lock().unwrap(), expected);
    drop(ws);
}

/// A second hook does not replace the first; this applies to all kinds of hooks.
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

    // The room under the socket's own id.
    assert_eq!(taken().len(), 4);
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

/// The destructor of a handler may use the namespace, for example through a captured handle.
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

/// A broadcast that does not fit into the outbox of a slow client is lost for this client, and the hook
/// counts it as refused.
#[tokio::test]
async fn a_broadcast_refused_by_a_full_outbox_is_counted() {
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
    // Nothing is sent before the client polls, and the first event may have any size.
    running.io.emit("fill", &"x".repeat(2000)).await.unwrap();
    running.io.emit("more", &1).await.unwrap();
    let asked = running.io.timeout(Duration::from_millis(1)).emit_with_ack::<()>("asked", &2).await;
    assert!(asked.is_err());
    assert_eq!(*seen.lock().unwrap(), [(1, 0), (0, 1), (0, 1)]);
    assert!(client.poll().await.starts_with(r#"42["fill","#));
    running.io.emit("room", &3).await.unwrap();
    assert_eq!(client.poll().await, r#"42["room",3]"#);
}

/// The hook receives the number of receivers and of dropped messages of each broadcast.
#[tokio::test]
async fn a_hook_counts_broadcasts() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let counted = Arc::clone(&seen);
    let running = start(builder(), move |io| {
        room_handlers(io);
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
    // A broadcast without receivers and an emit to one socket do not call the hook.
    running.io.to("empty room").emit("none", &4).await.unwrap();
    running.io.socket(&ids[0]).unwrap().emit("own", &5).unwrap();
    assert_eq!(told(), []);
    let waiting = running.io.timeout(Duration::from_millis(1));
    assert!(waiting.emit_with_ack::<()>("asked", &6).await.is_err());
    assert_eq!(told(), [(2, 0)]);
    // A hook of a pattern applies to its namespaces.
    clients[0].send("40/tenant/x,").await;
    while !clients[0].text().await.starts_with("40/tenant/x,") {}
    running.io.namespace("/tenant/x").unwrap().emit("all", &7).await.unwrap();
    assert_eq!(told(), [(1, 0)]);
}
