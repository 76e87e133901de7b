//! Namespaces that are created and removed on one connection, and the state that remains.

use std::sync::Arc;

use socketio_client::{DisconnectReason, Manager, Socket};
use tests::raw::{Running, soon, start as start_engine, until};

use crate::support::{Log, builder, is_pending, start};

/// A manager whose connection stays open, and the server's end of it.
async fn connected() -> (Running, Manager, Socket, engineio::Session) {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let root = manager.socket("/");
    root.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"root"}"#).unwrap();
    soon(root.connected()).await.unwrap();
    (running, manager, root, session)
}

/// A value that lives as long as the handlers of the socket.
fn hold_in_a_handler(socket: &Socket, token: &Arc<()>) {
    let token = Arc::clone(token);
    socket.on("x", move || {
        let _ = &token;
        async {}
    });
}

/// Waits until the handlers of all namespaces are dropped. The connection's task runs on this thread and
/// needs its turns.
async fn dropped(token: &Arc<()>) {
    until(async || Arc::strong_count(token) <= 1).await;
}

#[tokio::test]
async fn no_state_is_left_of_a_thousand_namespaces() {
    let (mut running, manager, root, session) = connected().await;
    let token = Arc::new(());
    for number in 0..1000 {
        let socket = manager.socket(&format!("/{number}"));
        hold_in_a_handler(&socket, &token);
        socket.connect();
        assert_eq!(running.message().await, format!("0/{number},").into());
        session.send(format!("0/{number},{{\"sid\":\"a\"}}")).unwrap();
        soon(socket.connected()).await.unwrap();
        socket.disconnect();
        assert_eq!(running.message().await, format!("1/{number},").into());
    }
    dropped(&token).await;
    // The same holds for sockets that were never connected, with or without a connection.
    for number in 0..1000 {
        hold_in_a_handler(&manager.socket(&format!("/{number}")), &token);
    }
    dropped(&token).await;
    root.close().await;
    drop(root);
    for number in 0..1000 {
        hold_in_a_handler(&manager.socket(&format!("/{number}")), &token);
    }
    dropped(&token).await;
}

#[tokio::test]
async fn a_namespace_is_kept_while_it_is_used() {
    let (mut running, manager, _root, session) = connected().await;
    let token = Arc::new(());
    let mut log = Log::new();
    let write = log.writer();
    let chat = manager.socket("/chat");
    hold_in_a_handler(&chat, &token);
    assert!(manager.socket("chat") == chat && Arc::strong_count(&token) == 2);
    chat.on("y", {
        let write = write.clone();
        move || {
            write("y".to_owned());
            async {}
        }
    });
    chat.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
        write(format!("{} {reason}", socket.namespace()));
        async {}
    });
    chat.connect();
    assert_eq!(running.message().await, "0/chat,".into());
    // The socket is to be connected, which needs no handle.
    drop(chat);
    session.send(r#"0/chat,{"sid":"a"}"#).unwrap();
    session.send(r#"2/chat,["y"]"#).unwrap();
    assert_eq!(log.next().await, "y");
    assert!(manager.socket("/chat").is_connected());
    session.send("1/chat,").unwrap();
    assert_eq!(log.next().await, "/chat io server disconnect");
    dropped(&token).await;

    // The next socket is new and has no handlers.
    let chat = manager.socket("/chat");
    assert!(!chat.is_active());
    chat.connect();
    assert_eq!(running.message().await, "0/chat,".into());
    session.send(r#"0/chat,{"sid":"b"}"#).unwrap();
    session.send(r#"2/chat,["y"]"#).unwrap();
    soon(chat.connected()).await.unwrap();
    chat.emit("z", &1).unwrap();
    assert_eq!(running.message().await, r#"2/chat,["z",1]"#.into());
    assert!(log.rest().is_empty());
}

/// A server closes the connection after two CONNECT packets for one namespace, even if they come from
/// different sockets.
#[tokio::test]
async fn a_pending_connect_response_delays_the_next_connect() {
    let (mut running, manager, root, session) = connected().await;
    let token = Arc::new(());
    let chat = manager.socket("/chat");
    hold_in_a_handler(&chat, &token);
    chat.connect();
    assert_eq!(running.message().await, "0/chat,".into());
    chat.disconnect();
    drop(chat);
    let chat = manager.socket("/chat");
    chat.connect();
    root.emit("x", &1).unwrap();
    assert_eq!(running.message().await, r#"2["x",1]"#.into());
    session.send(r#"0/chat,{"sid":"a"}"#).unwrap();
    assert_eq!(running.message().await, "1/chat,".into());
    assert_eq!(running.message().await, "0/chat,".into());
    chat.disconnect();
    drop(chat);
    session.send(r#"4/chat,{"message":"no"}"#).unwrap();
    dropped(&token).await;

    // A lost connection owes no response either.
    let chat = manager.socket("/chat");
    hold_in_a_handler(&chat, &token);
    chat.connect();
    assert_eq!(running.message().await, "0/chat,".into());
    chat.disconnect();
    drop(chat);
    manager.set_reconnection(false);
    session.abort();
    dropped(&token).await;
}

/// The ack of an event of the previous socket must not reach the socket that replaced it.
#[tokio::test]
async fn ack_ids_are_not_reused_after_a_namespace_is_removed() {
    let (mut running, manager, _root, session) = connected().await;
    let mut asked = Vec::new();
    for _ in 0..2 {
        let token = Arc::new(());
        let chat = manager.socket("/chat");
        hold_in_a_handler(&chat, &token);
        chat.connect();
        assert_eq!(running.message().await, "0/chat,".into());
        session.send(r#"0/chat,{"sid":"a"}"#).unwrap();
        soon(chat.connected()).await.unwrap();
        {
            let mut answer = std::pin::pin!(chat.emit_with_ack::<u32>("ask", &1));
            assert!(is_pending(answer.as_mut()).await);
            asked.push(running.message().await);
        }
        chat.disconnect();
        assert_eq!(running.message().await, "1/chat,".into());
        drop(chat);
        dropped(&token).await;
    }
    assert_ne!(asked[0], asked[1]);
}

/// A handler may hold the only handle of its socket, and reconnect it.
#[tokio::test]
async fn a_handler_can_reconnect_its_socket() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let mut log = Log::new();
    let write = log.writer();
    let socket = manager.socket("/");
    socket.on_connect(move |socket: Socket| {
        write(socket.id());
        async move { socket.emit("kick", &0).unwrap() }
    });
    socket.on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
        // No other handle exists while this waits.
        tokio::task::yield_now().await;
        if matches!(reason, DisconnectReason::ServerDisconnect) {
            socket.connect();
        }
    });
    socket.connect();
    drop(socket);
    let ids = log.take(10).await;
    assert!(ids.windows(2).all(|pair| pair[0].is_some() && pair[0] != pair[1]), "{ids:?}");
    soon(manager.close()).await;
}
