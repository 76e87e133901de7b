//! Namespaces, state and the server itself through the API of an application.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_server::{Ack, Config, ConnectError, Data, EventName, RawArgs, Recovery, Socket, State};
use tests::raw::soon;
use tokio::sync::mpsc;

use crate::support::{answering, builder, join, nothing_else, start};

/// SIO-SRV-057, SIO-SRV-126
#[tokio::test]
async fn reserved_names_are_refused() {
    let running = start(builder(), answering).await;
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        let (mut ws, id) = running.connect().await;
        let socket = running.io.socket(&id).unwrap();
        assert!(socket.emit(name, &()).is_err(), "{name}");
        nothing_else(&mut ws).await;
        ws.send(&format!(r#"42["{name}"]"#)).await;
        ws.closed().await;
    }
}

/// SIO-SRV-038, SIO-SRV-041, SIO-SRV-042, SIO-SRV-044, SIO-SRV-045
#[tokio::test]
async fn namespaces_share_a_connection() {
    let running = start(builder(), |io| {
        assert_eq!(io.of("").name(), "/");
        assert_eq!(io.of("abc").name(), "/abc");
        for name in ["/chat", "/news"] {
            io.of(name)
                .on_connect(|socket: Socket| async move { socket.emit("a", socket.namespace()).unwrap() });
            io.of(name).on_connect(|socket: Socket| async move { socket.emit("b", &()).unwrap() });
        }
    })
    .await;
    let mut ws = running.open().await;
    let chat = join(&mut ws, "/chat").await;
    assert_eq!(ws.text().await, r#"42/chat,["a","/chat"]"#);
    assert_eq!(ws.text().await, r#"42/chat,["b",null]"#);
    let news = join(&mut ws, "/news").await;
    assert_ne!(chat, news, "each namespace has an id of its own");
}

/// SIO-SRV-130, SIO-SRV-131, SIO-SRV-132
#[tokio::test]
async fn a_socket_has_its_own_handlers() {
    let running = start(builder(), |io| {
        answering(io);
        io.on_connect(|socket: Socket| async move {
            let say =
                |what: &'static str| move |socket: Socket| async move { socket.emit(what, &()).unwrap() };
            socket.on("x", say("own"));
            socket.once("x", say("once"));
            socket.on_any(|socket: Socket, EventName(name): EventName, args: RawArgs| async move {
                if name == "x" {
                    socket.emit("any", &args).unwrap();
                }
            });
            socket.prepend_any(|socket: Socket, EventName(name): EventName| async move {
                if name == "x" {
                    socket.emit("first", &()).unwrap();
                }
            });
            let gone = socket.on("x", say("gone"));
            assert!(socket.off(gone));
            assert!(!socket.off(gone));
        });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    for events in [&["first", "any", "own", "once"][..], &["first", "any", "own"]] {
        ws.send(r#"42["x",null]"#).await;
        for event in events {
            assert_eq!(ws.text().await, format!(r#"42["{event}",null]"#));
        }
    }
    nothing_else(&mut ws).await;
    let socket = running.io.socket(&id).unwrap();
    let [first, any] = socket.listeners_any()[..] else { panic!("two handlers of any event") };
    assert!(socket.off(first));
    assert_eq!(socket.listeners_any(), [any]);
    socket.off_any();
    assert!(socket.listeners_any().is_empty());
    ws.send(r#"42["x",null]"#).await;
    assert_eq!(ws.text().await, r#"42["own",null]"#);
    nothing_else(&mut ws).await;
}

/// The defaults of the official server, except that acknowledgements are not awaited for ever.
#[test]
fn settings_have_the_official_defaults() {
    let (config, recovery) = (Config::default(), Recovery::default());
    assert_eq!(config.connect_timeout, Duration::from_secs(45));
    assert_eq!(config.ack_timeout, Duration::from_secs(30));
    assert!(config.connection_state_recovery.is_none() && !config.cleanup_empty_child_namespaces);
    assert_eq!(recovery.max_disconnection_duration, Duration::from_secs(120));
    assert!(recovery.skip_middlewares);
}

/// State belongs to the server and is looked up by type.
#[tokio::test]
async fn handlers_share_state() {
    let running = start(builder().state(Arc::new(Mutex::new(0))), |io| {
        io.on("count", |State(count): State<Arc<Mutex<i32>>>| async move {
            let mut count = count.lock().unwrap();
            *count += 1;
            Ack(*count)
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["count"]"#).await;
    assert_eq!(ws.text().await, "431[1]");
    ws.send(r#"422["count"]"#).await;
    assert_eq!(ws.text().await, "432[2]");
}

/// With msgpack a packet is one binary message with the binary data in place.
#[tokio::test]
async fn the_msgpack_parser_works() {
    let running = start(builder().parser(socketio_server::Parser::Msgpack), |io| {
        io.on("echo", |socket: Socket, args: RawArgs| async move { socket.emit("echo", &args) });
    })
    .await;
    let mut ws = running.open().await;
    // {"type":0,"nsp":"/"}
    ws.send_binary(b"\x82\xa4type\x00\xa3nsp\xa1/").await;
    assert!(ws.binary().await.starts_with(b"\x83\xa4type\x00"));
    // {"type":2,"nsp":"/","data":["echo",<01 02>]}
    ws.send_binary(b"\x83\xa4type\x02\xa4data\x92\xa4echo\xc4\x02\x01\x02\xa3nsp\xa1/").await;
    let answer = ws.binary().await;
    assert!(
        answer.windows(9).any(|window| window == b"\xa4echo\xc4\x02\x01\x02"),
        "{}",
        answer.escape_ascii()
    );
}

/// SIO-SRV-035, SIO-SRV-036, SIO-SRV-039, SIO-SRV-040
#[tokio::test]
async fn the_server_is_its_root_namespace() {
    let (sender, mut connected) = mpsc::unbounded_channel();
    let running = start(builder(), |io| {
        io.middleware(|| async { Ok::<_, ConnectError>(()) });
        io.on_connect(move |socket: Socket| {
            sender.send(socket.id().to_owned()).unwrap();
            async {}
        });
    })
    .await;
    let io = &running.io;
    let (mut ws, id) = running.connect().await;
    assert_eq!(soon(connected.recv()).await.unwrap(), id);
    assert_eq!(io.name(), "/");
    assert!(io.of("/") == io.of("") && *io.of("/").name() == *"/");
    io.emit("emit", &1).await.unwrap();
    io.send(&2).await.unwrap();
    io.to(id.as_str()).emit("to", &3).await.unwrap();
    io.r#in(id.as_str()).emit("in", &4).await.unwrap();
    io.except("empty room").emit("except", &5).await.unwrap();
    io.compress(false).emit("compress", &6).await.unwrap();
    for event in
        [r#""emit",1"#, r#""message",2"#, r#""to",3"#, r#""in",4"#, r#""except",5"#, r#""compress",6"#]
    {
        assert_eq!(ws.text().await, format!("42[{event}]"));
    }
    assert_eq!(io.fetch_sockets().await.unwrap().len(), 1);
}

/// SIO-SRV-118
#[tokio::test]
async fn a_port_can_be_served_again() {
    // The port stays bound, so that no other program takes it in between.
    let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    bound.set_nonblocking(true).unwrap();
    let addr = bound.local_addr().unwrap();
    for _ in 0..2 {
        let io = builder().build().unwrap();
        io.on("ev", |Data(number): Data<u32>| async move { Ack(number) });
        let listener = tokio::net::TcpListener::from_std(bound.try_clone().unwrap()).unwrap();
        let serving = tokio::spawn({
            let io = io.clone();
            async move { io.serve(listener).await }
        });
        let mut ws =
            tests::raw::WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        ws.text().await;
        join(&mut ws, "/").await;
        ws.send(r#"420["ev",7]"#).await;
        assert_eq!(ws.text().await, "430[7]");
        io.close();
        soon(serving).await.unwrap().unwrap();
        ws.closed().await;
    }
}
