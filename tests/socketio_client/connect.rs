//! Connecting and disconnecting of namespaces, several of them over one connection.

use std::time::Duration;

use serde_json::{Value, json};
use socketio_client::{Args, ConnectError, DisconnectReason, Socket, SocketEvent, Transport};
use tests::raw::{LONG, soon, start as start_engine};

use crate::support::{Log, builder, builder_of, emptied, record, shared, start, start_with, unused_addr};

/// SIO-CLI-010, SIO-CLI-058, SIO-CLI-059, SIO-CLI-060
#[tokio::test]
async fn a_socket_connects_and_has_an_id() {
    let running = start().await;
    for transports in
        [vec![Transport::Polling], vec![Transport::WebSocket], vec![Transport::Polling, Transport::WebSocket]]
    {
        let manager = builder(running.addr).transports(transports).build();
        for namespace in ["/", "/foo"] {
            let socket = manager.socket(namespace);
            let mut log = Log::new();
            let write = log.writer();
            socket.on("hi", move || {
                write(());
                async {}
            });
            assert_eq!((socket.id(), socket.is_active()), (None, false));
            soon(socket.connect().connected()).await.unwrap();
            socket.emit("hi", &Args(())).unwrap();
            log.next().await;
            let who: Value = soon(socket.emit_with_ack("who", &Args(()))).await.unwrap();
            assert_eq!(who["id"].as_str().map(str::to_owned), socket.id());
            assert_ne!(who["id"], who["engine"]);
            socket.disconnect();
            assert_eq!((socket.id(), socket.is_connected(), socket.is_active()), (None, false, false));
        }
        soon(manager.close()).await;
    }
    emptied(&running.io).await;
}

/// SIO-CLI-011
#[tokio::test]
async fn no_connection_is_opened_before_connect() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let socket = manager.socket("/");
    socket.emit("hi", &Args(())).unwrap();
    soon(manager.close()).await;
    assert_eq!(running.io.engine().stats().sessions, 0);
    assert!(matches!(socket.connected().await, Err(ConnectError::Inactive)));
}

/// SIO-CLI-012, SIO-CLI-013, SIO-CLI-014, SIO-CLI-015, SIO-CLI-020, SIO-SRV-043, SIO-SRV-049
#[tokio::test]
async fn namespaces_of_one_manager_share_a_connection() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let (root, chat) = (manager.socket("/"), manager.socket("foo"));
    assert_eq!(chat.namespace(), "/foo");
    assert!(chat == manager.socket("/foo") && chat != root);
    assert!(manager.socket("") == root);
    soon(root.connect().connected()).await.unwrap();
    soon(chat.connect().connected()).await.unwrap();
    assert_ne!(root.id(), chat.id());
    assert_eq!(running.io.engine().stats().sessions, 1);
    let other = builder(running.addr).build().socket("/");
    soon(other.connect().connected()).await.unwrap();
    assert_eq!(running.io.engine().stats().sessions, 2);
}

/// SIO-CLI-003, SIO-CLI-004, SIO-CLI-005, SIO-CLI-006, SIO-CLI-009
#[tokio::test]
async fn the_path_of_a_url_is_the_namespace() {
    for (url, namespace, host, port) in [
        ("localhost:3000", "/", "localhost", 3000),
        ("//localhost:3000", "/", "localhost", 3000),
        ("http://google.com/", "/", "google.com", 80),
        ("https://woot.com/some-namespace", "/some-namespace", "woot.com", 443),
    ] {
        let socket = Socket::new(url).unwrap();
        assert_eq!(socket.namespace(), namespace);
        let manager = builder_of(url).build();
        assert_eq!((manager.url().host(), manager.url().port()), (host, port));
    }
    let running = start().await;
    let socket = Socket::new(&format!("http://{}/foo", running.addr)).unwrap();
    soon(socket.connect().connected()).await.unwrap();
    let manager = builder(running.addr).path("/elsewhere/").reconnection(|r| r.enabled = false).build();
    assert!(matches!(soon(manager.socket("/").connect().connected()).await, Err(ConnectError::Open(_))));
}

/// SIO-CLI-021, SIO-CLI-023, SIO-CLI-035
#[tokio::test]
async fn a_socket_can_disconnect_and_connect_again() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    let mut ids = Vec::new();
    for _ in 0..3 {
        soon(root.connect().connected()).await.unwrap();
        ids.extend(root.id());
        root.disconnect();
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    // The connection is still closing.
    soon(chat.connect().connected()).await.unwrap();
    soon(root.connect().connected()).await.unwrap();
    assert_eq!(running.io.engine().stats().sessions, 1);
}

/// SIO-CLI-030, SIO-CLI-037
#[tokio::test]
async fn the_disconnect_of_the_last_socket_closes_the_connection() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let mut log = record(&manager);
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    soon(root.connect().connected()).await.unwrap();
    soon(chat.connect().connected()).await.unwrap();
    root.disconnect();
    let echo: u32 = soon(chat.emit_with_ack("echo", &1)).await.unwrap();
    assert_eq!((echo, chat.is_connected()), (1, true));
    assert_eq!(log.rest(), ["open"]);
    chat.disconnect();
    assert_eq!(log.next().await, "close: io client disconnect");
    emptied(&running.io).await;
}

/// SIO-CLI-069, SIO-CLI-070, SIO-CLI-071, SIO-CLI-072, SIO-CLI-073, SIO-CLI-074, SIO-CLI-075
#[tokio::test]
async fn credentials_and_parameters_reach_the_server() {
    let running = start().await;
    let url = format!("http://{}/?c=d&e=%26", running.addr);
    let manager = builder_of(&url).query("&a", "&=?a").build();
    for namespace in ["/", "/foo"] {
        let socket = manager.socket(namespace);
        let who: Value = soon(socket.connect().emit_with_ack("who", &Args(()))).await.unwrap();
        assert_eq!(who["auth"], json!({}));
        let query = who["query"].as_array().unwrap();
        for pair in [json!(["&a", "&=?a"]), json!(["c", "d"]), json!(["e", "&"])] {
            assert!(query.contains(&pair), "{query:?}");
        }
        socket.disconnect();
        socket.auth(&json!({ "token": "x" })).unwrap();
        let who: Value = soon(socket.connect().emit_with_ack("who", &Args(()))).await.unwrap();
        assert_eq!(who["auth"], json!({ "token": "x" }));
        assert!(!who["query"].to_string().contains("token"));
        socket.disconnect();
        let calls = shared::<u32>();
        let count = calls.clone();
        socket.auth_with(move || {
            let number = {
                let mut calls = count.lock().unwrap();
                *calls += 1;
                *calls
            };
            async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                json!({ "call": number })
            }
        });
        for call in 1..=2 {
            let who: Value = soon(socket.connect().emit_with_ack("who", &Args(()))).await.unwrap();
            assert_eq!(who["auth"], json!({ "call": call }));
            socket.disconnect();
        }
    }
}

/// SIO-CLI-076, SIO-CLI-077
#[tokio::test]
async fn a_refusal_has_data_and_ends_the_attempts() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let mut log = record(&manager);
    for (namespace, message, data) in [
        ("/no", "Auth failed (custom namespace)", Some(json!({ "a": "b" }))),
        ("/nowhere", "Invalid namespace", None),
    ] {
        let socket = manager.socket(namespace);
        let mut events = socket.events();
        let error = soon(socket.connect().connected()).await.unwrap_err();
        let ConnectError::Refused(refusal) = &error else { panic!("{error}") };
        assert_eq!((refusal.message.as_str(), &refusal.data), (message, &data));
        assert_eq!(error.to_string(), message);
        assert!(!socket.is_active());
        let Some(SocketEvent::ConnectError(error)) = soon(events.recv()).await else { panic!("no error") };
        assert_eq!(error.to_string(), message);
        assert!(soon(events.recv()).await.is_none());
        assert_eq!(log.take(2).await, ["open", "close: io client disconnect"]);
    }
    soon(manager.close()).await;
    assert_eq!(log.rest(), [""; 0]);
}

/// SIO-CLI-036
#[tokio::test]
async fn a_server_of_version_2_is_reported() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let socket = manager.socket("/");
    socket.connect();
    running.opened().await.send("0").unwrap();
    let error = soon(socket.connected()).await.unwrap_err();
    assert!(matches!(error, ConnectError::V2Server), "{error}");
}

/// SIO-CLI-061, SIO-CLI-062
#[tokio::test]
async fn a_port_without_server_is_a_connect_error() {
    let manager = builder(unused_addr().await).build();
    let socket = manager.socket("/");
    let mut events = socket.events();
    socket.connect();
    let Some(SocketEvent::ConnectError(error)) = soon(events.recv()).await else { panic!("no error") };
    assert!(matches!(error, ConnectError::Open(_)), "{error}");
    assert!(socket.is_active());
    // A socket that disconnects during its connect receives no error.
    let running = start().await;
    let manager = builder(running.addr).build();
    let socket = manager.socket("/");
    let mut events = socket.events();
    socket.connect().disconnect();
    assert!(soon(events.recv()).await.is_none());
    soon(manager.close()).await;
}

/// SIO-CLI-063, SIO-CLI-064
#[tokio::test]
async fn a_server_that_does_not_respond_times_out() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for transport in [Transport::Polling, Transport::WebSocket] {
        let manager = builder(silent.local_addr().unwrap())
            .transports([transport])
            .reconnection(|reconnection| reconnection.enabled = false)
            .connect_timeout(Duration::ZERO)
            .build();
        let error = soon(manager.socket("/").connect().connected()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Timeout), "{error}");
        assert_eq!(error.to_string(), "timeout");
    }
}

#[tokio::test]
async fn the_server_can_disconnect_a_socket() {
    let running = start().await;
    let manager = builder(running.addr).build();
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    let mut events = chat.events();
    soon(root.connect().connected()).await.unwrap();
    soon(chat.connect().connected()).await.unwrap();
    chat.emit("kick", &Args(())).unwrap();
    assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Connect { recovered: false })));
    let Some(SocketEvent::Disconnect(reason)) = soon(events.recv()).await else { panic!("still there") };
    assert!(matches!(reason, DisconnectReason::ServerDisconnect));
    assert_eq!(reason.to_string(), "io server disconnect");
    assert!(soon(events.recv()).await.is_none());
    assert!(!chat.is_active() && root.is_connected());
    // It stays disconnected until the application connects it again.
    soon(chat.connect().connected()).await.unwrap();
    assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Connect { .. })));
}

#[tokio::test]
async fn a_close_sends_all_queued_events() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let log = Log::new();
        let write = log.writer();
        let running = start_with(move |io| {
            io.of("/").on("big", move |args: socketio_client::RawArgs| {
                write(args.as_bytes().len());
                async {}
            });
        })
        .await;
        let mut log = log;
        let manager = builder(running.addr).transports([transport]).build();
        let socket = manager.socket("/");
        soon(socket.connect().connected()).await.unwrap();
        for _ in 0..100 {
            socket.emit("big", &"x".repeat(50_000)).unwrap();
        }
        soon(manager.close()).await;
        assert_eq!(log.take(100).await, [50_002; 100]);
        emptied(&running.io).await;
    }
}

#[tokio::test]
async fn dropped_handles_close_the_connection() {
    let log = Log::new();
    let write = log.writer();
    let running = start_with(move |io| {
        io.of("/").on("last", move || {
            write(());
            async {}
        });
    })
    .await;
    let mut log = log;
    let socket = builder(running.addr).build().socket("/");
    soon(socket.connect().connected()).await.unwrap();
    socket.emit("last", &Args(())).unwrap();
    drop(socket);
    log.next().await;
    emptied(&running.io).await;
}

#[test]
fn a_connect_outside_of_a_runtime_panics_without_side_effects() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = runtime.block_on(start());
    let socket = builder(running.addr).build().socket("/");
    let (tell, told) = std::sync::mpsc::channel();
    let outside = socket.clone();
    std::thread::spawn(move || {
        let connecting = std::panic::AssertUnwindSafe(|| drop(outside.connect().clone()));
        tell.send(std::panic::catch_unwind(connecting).is_err())
    });
    assert!(told.recv_timeout(LONG).unwrap());
    assert!(!socket.is_active());
    runtime.block_on(async { soon(socket.connect().connected()).await.unwrap() });
}

/// SIO-CLI-106, SIO-CLI-107, SIO-CLI-108, SIO-CLI-109: clients do not keep a program alive, whether they are
/// connected or reconnecting.
#[test]
fn a_runtime_that_is_dropped_ends_its_clients() {
    let serving = tokio::runtime::Runtime::new().unwrap();
    let running = serving.block_on(start());
    for transport in [Transport::Polling, Transport::WebSocket] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let socket = builder(running.addr).transports([transport]).build().socket("/");
        runtime.block_on(async { soon(socket.connect().connected()).await.unwrap() });
        drop(runtime);
        assert!(!socket.is_active());
        serving.block_on(emptied(&running.io));
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let nowhere = serving.block_on(unused_addr());
    let hour = Duration::from_secs(3600);
    let manager = builder(nowhere).reconnection(|it| (it.delay, it.delay_max) = (hour, hour)).build();
    let socket = manager.socket("/");
    let mut events = socket.events();
    runtime.block_on(async {
        socket.connect();
        assert!(matches!(soon(events.recv()).await, Some(SocketEvent::ConnectError(_))));
    });
    assert!(socket.is_active());
    drop(runtime);
    assert!(!socket.is_active());
}
