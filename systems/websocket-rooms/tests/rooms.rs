//! The server: event order, rooms, users, exclusions, metadata, states, and limits.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use tests::raw::{Request, WebSocket, soon};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use websocket_rooms::{
    CloseReason, Connection, ConnectionOptions, ConnectionState, Farewell, Identity, JoinError, Message,
    MessageType, Metadata, Origins, Refusal, SendError, Server, ServerEvent, ServerEventKind, ServerOptions,
    ServerStats,
};

struct Running {
    server: Server,
    addr: SocketAddr,
    served: JoinHandle<std::io::Result<()>>,
    connected: mpsc::UnboundedReceiver<Connection>,
}

async fn start(options: ServerOptions) -> Running {
    let server = Server::new(options);
    server.authenticate(|handshake| async move {
        let mut metadata = Metadata::new();
        metadata.insert("device".to_owned(), handshake.query("device").into());
        match handshake.query("user").as_deref() {
            Some("mallory") => Err(Refusal::unauthorized("not you")),
            user => Ok(Identity { user: user.map(str::to_owned), metadata }),
        }
    });
    let (record, connected) = mpsc::unbounded_channel();
    server.on_connect(move |_, connection| {
        let _ = record.send(connection);
        async {}
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = server.clone();
    let served = tokio::spawn(async move { serving.serve(listener).await });
    Running { server, addr, served, connected }
}

impl Running {
    async fn join(&mut self, target: &str) -> (WebSocket, Connection) {
        let ws = WebSocket::open(self.addr, target).await.unwrap();
        (ws, soon(self.connected.recv()).await.unwrap())
    }
}

#[tokio::test]
async fn messages_reach_the_selected_connections() {
    let mut running = start(ServerOptions::default()).await;
    let server = running.server.clone();
    let (mut ada, ada_there) = running.join("/?user=ada&device=phone").await;
    let (mut ada_too, ada_too_there) = running.join("/?user=ada&device=desk").await;
    let (mut bob, bob_there) = running.join("/?user=bob").await;
    for there in [&ada_there, &bob_there] {
        assert!(server.join_room(there.id(), "tea").await.unwrap());
    }
    assert!(!server.join_room(bob_there.id(), "tea").await.unwrap());

    assert_eq!(server.broadcast("all"), 3);
    assert_eq!(server.broadcast_except("not ada", [ada_there.id(), ada_too_there.id()]), 1);
    assert_eq!(server.broadcast_to_room("tea", serde_json::json!({ "room": "tea" })), 2);
    assert_eq!(server.broadcast_to_room_except("tea", "not bob", [bob_there.id()]), 1);
    assert_eq!(server.broadcast_to_room("empty room", "?"), 0);
    assert_eq!(server.send_to_user("ada", "to ada, everywhere"), 2);
    assert_eq!(server.send_to_user("eve", "?"), 0);
    server.send(bob_there.id(), "to bob").unwrap();
    assert_eq!(server.send("unknown", "?"), Err(SendError::NotOpen));
    ada_too_there.send_json(&("to this", 1)).unwrap();
    server.broadcast(vec![1, 2, 3]);

    for expected in ["all", r#"{"room":"tea"}"#, "not bob", "to ada, everywhere"] {
        assert_eq!(ada.text().await, expected);
    }
    for expected in ["all", "to ada, everywhere", r#"["to this",1]"#] {
        assert_eq!(ada_too.text().await, expected);
    }
    for expected in ["all", "not ada", r#"{"room":"tea"}"#, "to bob"] {
        assert_eq!(bob.text().await, expected);
    }
    for ws in [&mut ada, &mut ada_too, &mut bob] {
        assert_eq!(ws.binary().await, [1, 2, 3]);
    }

    let names = |connections: Vec<Connection>| {
        let mut names: Vec<_> = connections.iter().map(|known| known.user().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(server.connections()), ["ada", "ada", "bob"]);
    assert_eq!(names(server.room_connections("tea")), ["ada", "bob"]);
    assert_eq!(names(server.user_connections("ada")), ["ada", "ada"]);
    assert_eq!(server.stats(), ServerStats { connections: 3, rooms: 1, users: 2 });
    assert_eq!(server.rooms(), [server.room("tea").unwrap()]);
    assert_eq!(server.room("tea").unwrap().len, 2);
}

#[tokio::test]
async fn a_connection_reports_its_details() {
    let mut running = start(ServerOptions::default()).await;
    let (mut ws, there) = running.join("/?user=ada+l%C3%B6ve&device=phone").await;
    assert_eq!((there.id().len(), there.user()), (32, Some("ada löve")));
    assert_eq!(there.metadata()["device"], "phone");
    assert_eq!(there.set_metadata("version", "1.0"), None);
    assert_eq!(running.server.connection(there.id()).unwrap().metadata()["version"], "1.0");
    assert!(there.connected_at() <= std::time::SystemTime::now());
    assert_eq!(there.peer().unwrap().ip(), running.addr.ip());
    assert_eq!((there.state(), there.latency(), there.queued_bytes()), (ConnectionState::Open, None, 0));
    running.server.join_room(there.id(), "b").await.unwrap();
    running.server.join_room(there.id(), "a").await.unwrap();
    assert_eq!(there.rooms().iter().map(|room| &**room).collect::<Vec<_>>(), ["a", "b"]);
    there.send("last words").unwrap();
    there.close(4000, "enough");
    assert_ne!(there.state(), ConnectionState::Open);
    assert_eq!(there.send("too late"), Err(SendError::NotOpen));
    assert_eq!(ws.text().await, "last words");
    assert_eq!(ws.closed().await, Some(4000));
    ws.cut();
    assert_eq!(soon(there.closed()).await, CloseReason::Local(Farewell::new(4000, "enough")));
    assert_eq!((there.state(), there.rooms().len()), (ConnectionState::Closed, 0));
    assert_eq!(running.server.join_room(there.id(), "a").await, Err(JoinError::Gone));
    assert_eq!(running.server.stats(), ServerStats::default());
}

#[tokio::test]
async fn events_are_delivered_in_order() {
    let recorded: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut running = start(ServerOptions::default()).await;
    let server = running.server.clone();
    let record = |what: &str| {
        let (recorded, what) = (Arc::clone(&recorded), what.to_owned());
        move |detail: &str| recorded.lock().unwrap().push(format!("{what} {detail}"))
    };
    let (done, mut is_done) = mpsc::unbounded_channel();
    let connect = record("connect");
    server.on_connect(move |server, connection| {
        connect(connection.user().unwrap());
        async move {
            server.join_room(connection.id(), "lobby").await.unwrap();
            server.join_room(connection.id(), "other").await.unwrap();
        }
    });
    let (join, leave, message) = (record("room:join"), record("room:leave"), record("message"));
    server.on_room_join(move |_, _, room| {
        join(&format!("{} {}", room.name, room.len));
        async {}
    });
    server.on_room_leave(move |_, _, room| {
        leave(&format!("{} {}", room.name, room.len));
        async {}
    });
    server.on_message(move |server, connection, got| {
        message(&format!("{:?} {}", got.kind(), String::from_utf8_lossy(got.data())));
        async move {
            // Later events wait for this one.
            tokio::task::yield_now().await;
            server.leave_room(connection.id(), "other").await;
            connection.send("handled").unwrap();
        }
    });
    let (control, gone) = (record("control"), record("disconnect"));
    server.events().on(ServerEventKind::Control, move |event| {
        if let ServerEvent::Control(_, _, got) = event {
            control(&format!("{:?}", got.kind()));
        }
        async {}
    });
    server.on_disconnect(move |_, _, reason| {
        gone(&reason.to_string());
        let _ = done.send(());
        async {}
    });
    let (mut ws, _) = running.join("/?user=ada").await;
    ws.send("one").await;
    ws.send_binary(b"two").await;
    assert_eq!([ws.text().await, ws.text().await], ["handled", "handled"]);
    ws.close().await;
    ws.cut();
    soon(is_done.recv()).await.unwrap();
    let expected = [
        "connect ada",
        "room:join lobby 1",
        "room:join other 1",
        "message Text one",
        "room:leave other 0",
        "message Binary two",
        "control Close",
        "room:leave lobby 0",
        "disconnect closed by the other side",
    ];
    assert_eq!(*recorded.lock().unwrap(), expected);
    assert!(server.rooms().is_empty());
}

#[tokio::test]
async fn a_refused_client_receives_the_reason() {
    let options = ServerOptions {
        path: Some("/live".to_owned()),
        max_connections: 1,
        origins: Origins::List(["https://good.test".to_owned()].into()),
        ..ServerOptions::default()
    };
    let mut running = start(options).await;
    let refused = async |target, headers: &[(&str, &str)]| {
        WebSocket::open_with(running.addr, target, headers).await.err()
    };
    assert_eq!(refused("/", &[]).await, Some(404));
    assert_eq!(refused("/live?user=mallory", &[]).await, Some(401));
    assert_eq!(refused("/live", &[("origin", "https://evil.test")]).await, Some(403));
    let plain = Request::new("GET", "/live").send(running.addr).await;
    assert_eq!(plain.both(), (426, "this is a WebSocket server"));
    assert_eq!(plain.header("upgrade"), Some("websocket"));
    let nonsense = Request::new("POST", "/live").body("x").send(running.addr).await;
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST.as_u16());
    let large = Request::new("GET", "/live").header("x", &"x".repeat(20_000)).send(running.addr).await;
    assert_eq!(large.status, 431);
    // Refused clients do not count towards the limit.
    let ws = WebSocket::open_with(running.addr, "/live", &[("origin", "https://good.test")]).await.unwrap();
    let there = soon(running.connected.recv()).await.unwrap();
    assert_eq!(WebSocket::open(running.addr, "/live").await.err(), Some(503));
    ws.cut();
    assert_eq!(soon(there.closed()).await, CloseReason::Lost);
    WebSocket::open(running.addr, "/live").await.unwrap();
}

#[tokio::test]
async fn pages_of_the_same_host_may_connect() {
    let running = start(ServerOptions::default()).await;
    let own = format!("http://{}", running.addr);
    WebSocket::open_with(running.addr, "/", &[("origin", &own)]).await.unwrap();
    for origin in ["http://evil.test", "null"] {
        assert_eq!(WebSocket::open_with(running.addr, "/", &[("origin", origin)]).await.err(), Some(403));
    }
}

#[tokio::test]
async fn limits_are_enforced() {
    let connection = ConnectionOptions {
        max_message_bytes: 1000,
        max_queued_bytes: 50_000,
        ..ConnectionOptions::default()
    };
    let mut running =
        start(ServerOptions { connection, max_rooms_per_connection: 2, ..ServerOptions::default() }).await;
    let server = running.server.clone();
    let (mut ws, there) = running.join("/").await;
    for (room, expected) in [("a", Ok(true)), ("b", Ok(true)), ("c", Err(JoinError::TooManyRooms))] {
        assert_eq!(server.join_room(there.id(), room).await, expected);
    }
    assert!(server.leave_room(there.id(), "a").await);
    assert!(!server.leave_room(there.id(), "a").await);
    assert_eq!(server.join_room(there.id(), "c").await, Ok(true));
    ws.send(&"x".repeat(1001)).await;
    assert_eq!(ws.closed().await, Some(1009));
    ws.cut();
    assert_eq!(soon(there.closed()).await, CloseReason::TooLarge);

    // The client reads nothing, so messages queue up to the limit.
    let (_deaf, there) = running.join("/").await;
    let message = Message::from(vec![0; 20_000]);
    let mut refused = Ok(());
    for _ in 0..10_000 {
        refused = there.send(&message);
        if refused.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(refused, Err(SendError::SlowConsumer));
    assert_eq!(soon(there.closed()).await, CloseReason::SlowConsumer);
}

#[tokio::test]
async fn silent_connections_are_pinged_and_then_closed() {
    let quick = Duration::from_millis(50);
    let connection = ConnectionOptions {
        ping_interval: quick,
        ping_timeout: Duration::from_secs(3),
        ..ConnectionOptions::default()
    };
    let mut running = start(ServerOptions { connection, ..ServerOptions::default() }).await;
    let (answered, mut answers) = mpsc::unbounded_channel();
    running.server.events().on(ServerEventKind::Control, move |event| {
        if let ServerEvent::Control(_, connection, message) = event {
            let _ = answered.send((connection.latency().is_some(), message.kind()));
        }
        async {}
    });
    let (mut alive, there) = running.join("/").await;
    let reading = tokio::spawn(async move { while alive.next().await.is_some() {} });
    assert_eq!(soon(answers.recv()).await.unwrap(), (true, MessageType::Pong));
    assert_eq!(there.state(), ConnectionState::Open);
    reading.abort();
    let (_deaf, there) = running.join("/").await;
    assert_eq!(soon(there.closed()).await, CloseReason::PingTimeout);
}

#[tokio::test]
async fn a_handler_panic_ends_only_its_connection() {
    let mut running = start(ServerOptions::default()).await;
    running.server.on_message(|_, connection, message| async move {
        assert_ne!(message.text(), Some("panic"), "as asked for");
        connection.send(message).unwrap();
    });
    let (mut bad, there) = running.join("/").await;
    let (mut good, _) = running.join("/").await;
    bad.send("panic").await;
    assert_eq!(bad.closed().await, Some(1011));
    bad.cut();
    assert_eq!(soon(there.closed()).await, CloseReason::HandlerFailed);
    good.send("fine").await;
    assert_eq!(good.text().await, "fine");
    assert_eq!(running.server.stats().connections, 1);
}

#[tokio::test]
async fn a_closing_server_sends_close_frames_to_all_connections() {
    let mut running = start(ServerOptions::default()).await;
    let (mut ws, there) = running.join("/").await;
    // A connection without a request does not delay the shutdown.
    let _silent = tokio::net::TcpStream::connect(running.addr).await.unwrap();
    let (gone, mut is_gone) = mpsc::unbounded_channel();
    running.server.on_disconnect(move |_, _, _| {
        let _ = gone.send(());
        async {}
    });
    assert!(running.server.disconnect(there.id()));
    assert_eq!(ws.closed().await, Some(1000));
    ws.cut();
    soon(is_gone.recv()).await.unwrap();
    assert!(!running.server.disconnect(there.id()));
    let (mut ws, _) = running.join("/").await;
    running.server.broadcast("goodbye");
    running.server.close();
    assert_eq!(ws.text().await, "goodbye");
    assert_eq!(ws.closed().await, Some(1001));
    ws.cut();
    soon(running.served).await.unwrap().unwrap();
    assert!(is_gone.try_recv().is_ok());
}
