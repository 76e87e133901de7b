//! Disconnects of sockets.

use std::time::Duration;

use socketio_server::{Data, DisconnectReason, EventName, Socket};
use tests::raw::soon;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{answering, builder, join, nothing_else, start};

/// SIO-SRV-032, SIO-SRV-033, SIO-SRV-034
#[tokio::test]
async fn an_invalid_state_closes_the_session() {
    let running = start(builder(), |_| {}).await;
    for posts in [&["40", "40"][..], &["42[\"some event\"]"], &["40", "4abc"]] {
        let client = running.polling().await;
        for packet in posts {
            assert_eq!(client.post(packet).await.status, 200, "{posts:?}");
        }
        if posts[0] == "40" {
            let answer = client.poll().await;
            assert!(answer.starts_with(r#"40{"sid":""#) && !answer.contains('\u{1e}'), "{posts:?}: {answer}");
        }
        assert_eq!(client.poll().await, "6\u{1e}1", "{posts:?}");
    }
}

/// SIO-SRV-047, SIO-SRV-146, SIO-SRV-147, SIO-SRV-148, SIO-SRV-149, SIO-SRV-129
#[tokio::test]
async fn rooms_are_left_between_disconnecting_and_disconnect() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        io.on_connect(|socket: Socket| async move {
            socket.join("a");
            socket.join(["b", "c"]);
            socket.leave("c");
            socket.leave("never joined");
        });
        let first = sender.clone();
        io.on_disconnecting(move |socket: Socket| {
            first.send((socket.rooms().len(), None)).unwrap();
            async {}
        });
        io.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
            socket.join("after");
            sender.send((socket.rooms().len(), Some(reason))).unwrap();
            async {}
        });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    let rooms = running.io.socket(&id).unwrap().rooms();
    assert_eq!(rooms.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), [id.as_str(), "a", "b"]);
    let socket = running.io.socket(&id).unwrap();
    socket.leave_all();
    assert_eq!(socket.rooms().iter().map(AsRef::as_ref).collect::<Vec<&str>>(), [id.as_str()]);
    assert!(running.io.rooms().is_empty(), "the rooms of the last member are gone");
    socket.join(["a", "b"]);
    ws.send("41").await;
    assert_eq!(soon(seen.recv()).await.unwrap(), (3, None));
    assert_eq!(soon(seen.recv()).await.unwrap(), (0, Some(DisconnectReason::ClientNamespaceDisconnect)));
    assert_eq!((running.io.len(), running.io.rooms().len()), (0, 0));
    assert_eq!(DisconnectReason::ClientNamespaceDisconnect.to_string(), "client namespace disconnect");
}

/// A handler that panics ends alone, as a task does: the client gets an error, the error hook is called, and the
/// socket, its other handlers and its other namespaces continue. Sockets leave even if their handlers panic.
#[tokio::test]
async fn a_panic_ends_the_handler_alone() {
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let (errors, mut failures) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        answering(io);
        io.middleware(|socket: Socket| async move {
            assert!(socket.handshake().raw_auth().is_none(), "as asked");
            Ok::<(), String>(())
        });
        io.event_middleware(
            |EventName(name): EventName| async move { assert_ne!(name, "screened", "as asked") },
        );
        io.on("check", |Data(fine): Data<bool>| async move { assert!(fine, "as asked") });
        io.on("wait", |Data(fine): Data<bool>| async move {
            tokio::task::yield_now().await;
            assert!(fine, "as asked");
        });
        io.on("call", |Data(fine): Data<bool>| {
            assert!(fine, "as asked");
            async {}
        });
        io.on_error(move |_, error| errors.send(error.to_string()).unwrap());
        io.on_disconnecting(|socket: Socket| async move { assert!(socket.rooms().is_empty(), "once more") });
        for name in ["/", "/foo"] {
            let sender = sender.clone();
            io.of(name).on_disconnect(move |reason: DisconnectReason| {
                sender.send(reason.as_str()).unwrap();
                async {}
            });
        }
    })
    .await;
    let (mut ws, _) = running.connect().await;
    join(&mut ws, "/foo").await;
    for event in ["check", "wait", "call"] {
        ws.send(&format!(r#"421["{event}",false]"#)).await;
        assert_eq!(ws.text().await, r#"431[{"error":"internal error"}]"#);
        assert_eq!(soon(failures.recv()).await.unwrap(), format!("{event}: the handler panicked"));
        ws.send(&format!(r#"42["{event}",false]"#)).await;
        assert_eq!(soon(failures.recv()).await.unwrap(), format!("{event}: the handler panicked"));
    }
    ws.send(r#"421["screened"]"#).await;
    assert_eq!(ws.text().await, r#"431[{"error":"internal error"}]"#);
    nothing_else(&mut ws).await;
    assert_eq!((running.io.len(), running.io.of("/foo").len()), (1, 1));
    assert_eq!(running.io.engine().stats().panics, 0);
    let mut refused = running.open().await;
    refused.send("40{}").await;
    assert_eq!(refused.text().await, r#"44{"message":"internal error"}"#);
    ws.close().await;
    for _ in 0..2 {
        assert!(soon(reasons.recv()).await.unwrap().starts_with("transport"));
    }
    assert_eq!((running.io.len(), running.io.of("/foo").len()), (0, 0));
}

/// A disconnecting socket cannot be disconnected again: its handlers are called once.
#[tokio::test]
async fn a_socket_disconnects_once() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        let first = sender.clone();
        io.on_disconnecting(move |socket: Socket| {
            first.send("disconnecting").unwrap();
            assert!(socket.is_connected());
            socket.disconnect(false);
            async {}
        });
        io.on_disconnect(move || {
            sender.send("disconnect").unwrap();
            async {}
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send("41").await;
    assert_eq!(soon(seen.recv()).await.unwrap(), "disconnecting");
    assert_eq!(soon(seen.recv()).await.unwrap(), "disconnect");
    join(&mut ws, "/").await;
    assert!(seen.try_recv().is_err());
}

/// SIO-SRV-046, SIO-SRV-138
#[tokio::test]
async fn a_disconnect_of_the_client_leaves_all_namespaces() {
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        for name in ["/", "/foo", "/bar"] {
            let sender = sender.clone();
            io.of(name).on_disconnect(move |reason: DisconnectReason| {
                sender.send(reason.as_str()).unwrap();
                async {}
            });
        }
    })
    .await;
    let (mut ws, id) = running.connect().await;
    join(&mut ws, "/foo").await;
    join(&mut ws, "/bar").await;
    running.io.socket(&id).unwrap().disconnect(true);
    for packet in ["41", "41/foo,", "41/bar,"] {
        assert_eq!(ws.text().await, packet);
    }
    ws.closed().await;
    for _ in 0..3 {
        assert_eq!(soon(reasons.recv()).await.unwrap(), "server namespace disconnect");
    }
}

/// A packet of Engine.IO that is invalid, and one that a client may not send.
#[tokio::test]
async fn faults_of_the_transport_have_their_reasons() {
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        io.on_disconnect(move |reason: DisconnectReason| {
            sender.send(reason.as_str()).unwrap();
            async {}
        });
    })
    .await;
    for (packet, reason) in [("invalid", "parse error"), ("2", "transport error")] {
        let (mut ws, _) = running.connect().await;
        ws.send(packet).await;
        ws.closed().await;
        assert_eq!(soon(reasons.recv()).await.unwrap(), reason);
    }
}

/// SIO-SRV-027, SIO-SRV-028
#[tokio::test]
async fn a_server_close_disconnects_all_sockets() {
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        io.on_disconnect(move |reason: DisconnectReason| {
            sender.send(reason.as_str()).unwrap();
            async {}
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    assert_eq!(running.io.len(), 1);
    running.io.close();
    ws.closed().await;
    assert_eq!(soon(reasons.recv()).await.unwrap(), "server shutting down");
    assert_eq!(running.io.len(), 0);
    // The listener is closed with `serve`.
    soon(async {
        while TcpStream::connect(running.addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// SIO-SRV-029, SIO-SRV-030
#[test]
fn a_server_that_does_not_listen_can_be_closed() {
    let io = builder().build().unwrap();
    io.close();
    io.close();
    assert!(io.is_empty());
}

/// SIO-SRV-031: no task is left, and so no timer.
#[tokio::test]
async fn no_task_is_left_after_a_close() {
    let running = start(builder(), |_| {}).await;
    let (mut ws, _) = running.connect().await;
    let polling = running.polling().await;
    polling.post("40").await;
    let metrics = tokio::runtime::Handle::current().metrics();
    assert!(metrics.num_alive_tasks() > 0);
    running.io.close();
    ws.closed().await;
    soon(async {
        while metrics.num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
