//! Broadcasts: selection of rooms, calls for many sockets, volatile events.

use std::sync::atomic::{AtomicUsize, Ordering};

use socketio_server::{Binary, Broadcast, Socket};
use tests::raw::{WebSocket, soon};

use crate::support::{builder, join, nothing_else, room_handlers, start, three_clients};

/// Checks which clients have received the event, and that they have received nothing else.
async fn expect_event(clients: &mut [(WebSocket, String)], expected: [bool; 3]) {
    for ((ws, _), expected) in clients.iter_mut().zip(expected) {
        if expected {
            assert_eq!(ws.text().await, r#"42["e",1]"#);
        }
        nothing_else(ws).await;
    }
}

/// SIO-SRV-059, SIO-SRV-061, SIO-SRV-139, SIO-SRV-142, SIO-SRV-143
#[tokio::test]
async fn broadcasts_of_the_server_select_rooms_and_exceptions() {
    let (running, mut clients) = three_clients().await;
    let io = &running.io;
    let second = clients[1].1.clone();
    io.emit("e", &1).await.unwrap();
    expect_event(&mut clients, [true, true, true]).await;
    io.to("a").emit("e", &1).await.unwrap();
    expect_event(&mut clients, [true, true, false]).await;
    io.to("a").to("b").emit("e", &1).await.unwrap();
    expect_event(&mut clients, [true, true, false]).await;
    io.r#in(["a", "b"]).except("b").emit("e", &1).await.unwrap();
    expect_event(&mut clients, [true, false, false]).await;
    io.except(second.as_str()).emit("e", &1).await.unwrap();
    expect_event(&mut clients, [true, false, true]).await;
    io.to(second.as_str()).emit("e", &1).await.unwrap();
    expect_event(&mut clients, [false, true, false]).await;
    io.to("empty room").emit("e", &1).await.unwrap();
    expect_event(&mut clients, [false, false, false]).await;
}

/// SIO-SRV-141, SIO-SRV-144, SIO-SRV-150, SIO-SRV-151
#[tokio::test]
async fn broadcasts_of_a_socket_exclude_the_socket() {
    let (running, mut clients) = three_clients().await;
    let socket = running.io.socket(&clients[0].1).unwrap();
    let third = clients[2].1.clone();
    socket.broadcast().emit("e", &1).await.unwrap();
    expect_event(&mut clients, [false, true, true]).await;
    socket.to("a").emit("e", &1).await.unwrap();
    expect_event(&mut clients, [false, true, false]).await;
    socket.except("b").emit("e", &1).await.unwrap();
    expect_event(&mut clients, [false, false, true]).await;
    socket.broadcast().except(third).emit("e", &1).await.unwrap();
    expect_event(&mut clients, [false, true, false]).await;
}

/// SIO-SRV-037, SIO-SRV-152
#[tokio::test]
async fn a_broadcast_can_be_cloned_and_extended() {
    let (running, mut clients) = three_clients().await;
    let to_a = running.io.to("a");
    let _not_sent = to_a.clone().to("b").except("a").volatile().compress(false);
    to_a.emit("e", &1).await.unwrap();
    expect_event(&mut clients, [true, true, false]).await;
}

/// The values of a broadcast are serialized once, for any number of receivers.
#[tokio::test]
async fn a_broadcast_is_serialized_once() {
    struct Counted(AtomicUsize);
    impl serde::Serialize for Counted {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.fetch_add(1, Ordering::SeqCst);
            serializer.serialize_u8(1)
        }
    }
    let (running, mut clients) = three_clients().await;
    let value = Counted(AtomicUsize::new(0));
    running.io.emit("e", &value).await.unwrap();
    expect_event(&mut clients, [true, true, true]).await;
    assert_eq!(value.0.load(Ordering::SeqCst), 1);
    running.io.to("empty room").emit("e", &value).await.unwrap();
    assert_eq!(value.0.load(Ordering::SeqCst), 1, "nobody would read it");
}

/// SIO-SRV-060, SIO-SRV-139
#[tokio::test]
async fn namespaces_are_separate() {
    let running = start(builder(), |io| {
        room_handlers(io);
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

/// SIO-SRV-201, SIO-SRV-202, SIO-SRV-204, SIO-SRV-205, SIO-SRV-206, SIO-SRV-207
#[tokio::test]
async fn many_sockets_join_and_leave_at_once() {
    let (running, clients) = three_clients().await;
    let io = &running.io;
    let found = async |broadcast: Broadcast| {
        let found = broadcast.fetch_sockets().await.unwrap();
        let mut ids: Vec<_> = found.iter().map(|socket| socket.id().to_owned()).collect();
        ids.sort();
        ids
    };
    let sorted = |count: usize| {
        let mut ids: Vec<_> = clients[..count].iter().map(|(_, id)| id.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(io.fetch_sockets().await.unwrap().len(), 3);
    assert_eq!(found(io.local()).await, sorted(3));
    assert_eq!(found(io.to("a")).await, sorted(2));
    io.to("a").sockets_join(["c", "d"]).await.unwrap();
    assert_eq!((io.room_len("c"), io.room_len("d")), (2, 2));
    io.sockets_join("all").await.unwrap();
    assert_eq!(io.room_len("all"), 3);
    io.to("b").sockets_leave("c").await.unwrap();
    assert_eq!(io.room_len("c"), 1);
    io.sockets_leave("all").await.unwrap();
    assert!(!io.rooms().iter().any(|room| &**room == "all"));
    drop(clients);
}

/// SIO-SRV-208, SIO-SRV-209
#[tokio::test]
async fn many_sockets_are_disconnected_at_once() {
    let (running, mut clients) = three_clients().await;
    running.io.disconnect_sockets(true).await.unwrap();
    for (client, _) in &mut clients {
        assert_eq!(client.text().await, "41");
        client.closed().await;
    }
    let (running, mut clients) = three_clients().await;
    running.io.to("a").disconnect_sockets(true).await.unwrap();
    for (client, _) in &mut clients[..2] {
        assert_eq!(client.text().await, "41");
        client.closed().await;
    }
    nothing_else(&mut clients[2].0).await;
    assert_eq!(running.io.len(), 1);
    running.io.disconnect_sockets(false).await.unwrap();
    assert_eq!(clients[2].0.text().await, "41");
    join(&mut clients[2].0, "/").await;
}

/// SIO-SRV-053, SIO-SRV-054, SIO-SRV-090, SIO-SRV-092, SIO-SRV-094, SIO-SRV-095, SIO-SRV-096, SIO-SRV-098
#[tokio::test]
async fn volatile_events_are_sent_immediately_or_dropped() {
    let running = start(builder(), |io| {
        room_handlers(io);
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
    soon(socket.session().drained()).await.unwrap();
    running.io.emit("regular", &1).await.unwrap();
    running.io.volatile().emit("behind it", &2).await.unwrap();
    assert_eq!(ws.text().await, r#"42["regular",1]"#);
    nothing_else(&mut ws).await;
    // Of two with attachments the first arrives, with its attachment.
    for to_all in [false, true] {
        soon(socket.session().drained()).await.unwrap();
        for data in [b"1", b"2"] {
            let data = Binary::from_static(data);
            if to_all {
                running.io.volatile().emit("binary", &data).await.unwrap();
            } else {
                socket.volatile().emit("binary", &data).unwrap();
            }
        }
        assert_eq!(ws.text().await, r#"451-["binary",{"_placeholder":true,"num":0}]"#);
        assert_eq!(ws.binary().await, b"1");
        nothing_else(&mut ws).await;
    }
}
