//! Handlers, middlewares, answers and the ways out, as an application uses them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use socketio_server::{
    Ack, AckError, AckSender, Arguments, Auth, Binary, ConnectError, Data, DisconnectReason, EmitError,
    EventName, RawArgs, Server, Socket, State,
};
use tests::raw::soon;
use tokio::sync::mpsc;

use crate::support::{builder, join, nothing_else, start};

fn answering(io: &Server) {
    io.on("still there?", |socket: Socket| async move { socket.emit("yes", &socketio_server::Args(())) });
}

/// SIO-SRV-079, SIO-SRV-081, SIO-SRV-103
#[tokio::test]
async fn handlers_take_typed_arguments() {
    #[derive(Deserialize)]
    struct Point {
        x: i32,
        y: i32,
    }
    let running = start(builder(), |io| {
        io.on("one", |Data(point): Data<Point>| async move { Ack(point.x + point.y) });
        io.on("several", |Arguments((a, b, c)): Arguments<(i32, String, Vec<u8>)>| async move {
            Ack(format!("{a}{b}{c:?}"))
        });
        io.on("nothing", |Data(nothing): Data<Option<i32>>| async move { Ack(nothing.is_none()) });
        io.on("count", |args: RawArgs, EventName(name): EventName| async move {
            Ack(format!("{name} {}", args.len()))
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    for (event, answer) in [
        (r#"421["one",{"x":1,"y":2}]"#, "431[3]"),
        (r#"422["several",1,"2",[3]]"#, r#"432["12[3]"]"#),
        (r#"423["nothing",null]"#, "433[true]"),
        (r#"424["nothing"]"#, "434[true]"),
        (r#"425["count",1,{},"x"]"#, r#"435["count 3"]"#),
    ] {
        ws.send(event).await;
        assert_eq!(ws.text().await, answer);
    }
}

/// What does not fit is reported and answered, never silent; the socket lives on.
#[tokio::test]
async fn a_misfit_reaches_the_hook_and_the_client() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let errors = Arc::clone(&seen);
    let running = start(builder(), move |io| {
        answering(io);
        io.on("number", |Data(_): Data<u8>| async {});
        io.on_error(move |_, error| errors.lock().unwrap().push(error.to_string()));
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"427["number","x"]"#).await;
    let answer = ws.text().await;
    assert!(answer.starts_with(r#"437[{"error":"argument 0: "#), "{answer}");
    ws.send(r#"42["number",300]"#).await;
    nothing_else(&mut ws).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].starts_with("number: argument 0: "), "{seen:?}");
}

/// SIO-SRV-100, SIO-SRV-107, SIO-SRV-108
#[tokio::test]
async fn what_a_handler_returns_is_the_answer() {
    let running = start(builder(), |io| {
        io.on("unit", || async {});
        io.on("value", || async { Ack(json!({"a": 1})) });
        io.on("two", || async { Ack(socketio_server::Args((1, 2))) });
        io.on("tuple", || async { Ack((1, 2)) });
        io.on("ok", || async { Ok::<_, ConnectError>(Ack(true)) });
        io.on("err", || async { Err::<(), _>("no such thing") });
        io.on("binary", |Data(binary): Data<Binary>| async move { Ack(binary) });
        io.on("later", |ack: Option<AckSender>| async move {
            tokio::task::yield_now().await;
            ack.unwrap().send("late").unwrap();
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    for (event, answer) in [
        (r#"421["unit"]"#, "431[]"),
        (r#"422["value"]"#, r#"432[{"a":1}]"#),
        (r#"423["two"]"#, "433[1,2]"),
        (r#"424["tuple"]"#, "434[[1,2]]"),
        (r#"425["ok"]"#, "435[true]"),
        (r#"426["err"]"#, r#"436[{"error":"no such thing"}]"#),
        (r#"427["later"]"#, r#"437["late"]"#),
    ] {
        ws.send(event).await;
        assert_eq!(ws.text().await, answer);
    }
    ws.send(r#"451-8["binary",{"_placeholder":true,"num":0}]"#).await;
    ws.send_binary(&[9]).await;
    assert_eq!(ws.text().await, r#"461-8[{"_placeholder":true,"num":0}]"#);
    assert_eq!(ws.binary().await, [9]);
}

/// SIO-SRV-101
#[tokio::test]
async fn handlers_start_in_order_and_wait_beside_each_other() {
    let running = start(builder(), |io| {
        io.on("slow", |socket: Socket| async move {
            socket.emit("slow begins", &()).unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
            socket.emit("slow ends", &()).unwrap();
        });
        io.on("fast", |socket: Socket, Data(n): Data<i32>| async move { socket.emit("fast", &n) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"42["slow"]"#).await;
    ws.send(r#"42["fast",1]"#).await;
    ws.send(r#"42["fast",2]"#).await;
    for expected in
        [r#"42["slow begins",null]"#, r#"42["fast",1]"#, r#"42["fast",2]"#, r#"42["slow ends",null]"#]
    {
        assert_eq!(ws.text().await, expected);
    }
}

/// SIO-SRV-109, SIO-SRV-102, SIO-SRV-104, SIO-SRV-176, SIO-SRV-178
#[tokio::test]
async fn the_server_asks_and_the_client_answers() {
    let (sender, mut sockets) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        io.on_connect(move |socket: Socket| {
            sender.send(socket).unwrap();
            async {}
        });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    let socket = sockets.recv().await.unwrap();
    assert_eq!(socket.id(), id);
    assert_ne!(socket.id(), socket.session().id().as_str(), "the session's id is a secret");
    let asking = socket.clone();
    let answer = tokio::spawn(async move { asking.emit_with_ack::<i32>("question", &1).await });
    assert_eq!(ws.text().await, r#"420["question",1]"#);
    ws.send("430[42]").await;
    assert_eq!(answer.await.unwrap().unwrap(), 42);
    // A late, doubled or invented answer changes nothing.
    ws.send("430[43]").await;
    ws.send("4399[1]").await;
    let asking = socket.clone();
    let answer = tokio::spawn(async move { asking.emit_with_ack::<Option<i32>>("empty", &()).await });
    assert_eq!(ws.text().await, r#"421["empty",null]"#);
    ws.send("431[]").await;
    assert_eq!(answer.await.unwrap().unwrap(), None);
}

/// SIO-SRV-174, SIO-SRV-175, SIO-SRV-177
#[tokio::test]
async fn an_answer_that_does_not_come_is_an_error() {
    let (sender, mut sockets) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        io.on_connect(move |socket: Socket| {
            sender.send(socket).unwrap();
            async {}
        });
    })
    .await;
    let (ws, _) = running.connect().await;
    let socket = sockets.recv().await.unwrap();
    let late = socket.timeout(Duration::from_millis(10)).emit_with_ack::<()>("x", &()).await;
    assert!(matches!(late, Err(AckError::Timeout)), "{late:?}");
    let zero = socket.timeout(Duration::ZERO).emit_with_ack::<()>("x", &()).await;
    assert!(matches!(zero, Err(AckError::Timeout)), "{zero:?}");
    let asking = socket.clone();
    let gone = tokio::spawn(async move { asking.emit_with_ack::<()>("x", &()).await });
    tokio::task::yield_now().await;
    drop(ws);
    let gone = soon(gone).await.unwrap();
    assert!(matches!(gone, Err(AckError::Disconnected)), "{gone:?}");
    let after = socket.emit("x", &());
    assert!(matches!(after, Err(EmitError::Send(_))), "{after:?}");
}

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

/// SIO-SRV-159, SIO-SRV-160, SIO-SRV-161, SIO-SRV-162, SIO-SRV-165, SIO-SRV-167, SIO-SRV-168
#[tokio::test]
async fn middlewares_decide_in_order() {
    let running = start(builder(), |io| {
        let chat = io.of("/chat");
        chat.middleware(|socket: Socket, Auth(auth): Auth<serde_json::Value>| async move {
            assert!(!socket.is_connected());
            socket.extensions().insert(auth["token"].as_str().unwrap_or_default().to_owned());
            Ok::<(), ConnectError>(())
        });
        chat.middleware(|socket: Socket| async move {
            tokio::task::yield_now().await;
            match socket.extensions().get::<String>().as_deref() {
                Some("good") => Ok(()),
                Some("plain") => Err(ConnectError::new("not you")),
                _ => Err(ConnectError::new("not allowed").with_data(json!({"a": "b", "c": 3}))),
            }
        });
        chat.middleware(|socket: Socket| async move {
            assert_eq!(socket.extensions().get::<String>().as_deref(), Some("good"));
            Ok::<(), ConnectError>(())
        });
        chat.on_connect(|socket: Socket| async move {
            assert!(socket.is_connected());
            socket.emit("hi", &socket.extensions().get::<String>()).unwrap();
        });
    })
    .await;
    let mut ws = running.open().await;
    ws.send(r#"40/chat,{"token":"bad"}"#).await;
    assert_eq!(ws.text().await, r#"44/chat,{"message":"not allowed","data":{"a":"b","c":3}}"#);
    ws.send(r#"40/chat,{"token":"plain"}"#).await;
    assert_eq!(ws.text().await, r#"44/chat,{"message":"not you"}"#);
    join(&mut ws, "/").await;
    ws.send(r#"40/chat,{"token":"good"}"#).await;
    assert!(ws.text().await.starts_with(r#"40/chat,{"sid":""#));
    assert_eq!(ws.text().await, r#"42/chat,["hi","good"]"#);
}

/// SIO-SRV-128, SIO-SRV-163, SIO-SRV-164
#[tokio::test]
async fn rooms_of_a_middleware_count_from_the_connect_on() {
    let release = Arc::new(tokio::sync::Notify::new());
    let waiting = Arc::clone(&release);
    let running = start(builder(), move |io| {
        io.middleware(move |socket: Socket, Auth(auth): Auth<serde_json::Value>| {
            socket.join("early");
            let waiting = Arc::clone(&waiting);
            async move {
                waiting.notified().await;
                if auth["ok"] == true { Ok(()) } else { Err("no") }
            }
        });
    })
    .await;
    let mut ws = running.open().await;
    ws.send(r#"40{"ok":true}"#).await;
    let mut gone = running.open().await;
    gone.send(r#"40{"ok":true}"#).await;
    gone.send("41").await;
    gone.closed().await;
    running.io.to("early").emit("too early", &()).await.unwrap();
    assert_eq!(running.io.room_len("early"), 0);
    release.notify_one();
    assert!(ws.text().await.starts_with("40{"));
    running.io.to("early").emit("now", &()).await.unwrap();
    assert_eq!(ws.text().await, r#"42["now",null]"#);
    assert_eq!(
        (running.io.len(), running.io.room_len("early")),
        (1, 1),
        "the one that went away never was in"
    );

    let mut refused = running.open().await;
    refused.send(r#"40{"ok":false}"#).await;
    release.notify_one();
    assert_eq!(refused.text().await, r#"44{"message":"no"}"#);
    assert_eq!((running.io.len(), running.io.room_len("early")), (1, 1));
}

/// SIO-SRV-032, SIO-SRV-033, SIO-SRV-034
#[tokio::test]
async fn an_invalid_state_closes_the_session() {
    let running = start(builder(), |_| {}).await;
    for packets in ["40\u{1e}40", "42[\"some event\"]", "40\u{1e}4abc"] {
        let client = running.polling().await;
        assert_eq!(client.post(packets).await.status, 200, "{packets}");
        let mut polls = vec![client.poll().await];
        if packets.starts_with("40") && !polls[0].ends_with("\u{1e}1") {
            polls.push(client.poll().await);
        }
        let all = polls.join("|");
        assert!(all.ends_with('1'), "{packets}: {all}");
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

/// SIO-SRV-047, SIO-SRV-146, SIO-SRV-147, SIO-SRV-148, SIO-SRV-149, SIO-SRV-129
#[tokio::test]
async fn a_socket_leaves_its_rooms_between_disconnecting_and_disconnect() {
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
            sender.send((socket.rooms().len().saturating_sub(1), Some(reason))).unwrap();
            async {}
        });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    let rooms = running.io.socket(&id).unwrap().rooms();
    assert_eq!(rooms.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), [id.as_str(), "a", "b"]);
    ws.send("41").await;
    assert_eq!(seen.recv().await.unwrap(), (3, None));
    assert_eq!(seen.recv().await.unwrap(), (0, Some(DisconnectReason::ClientNamespaceDisconnect)));
    assert_eq!((running.io.len(), running.io.rooms().len()), (0, 0));
    assert_eq!(DisconnectReason::ClientNamespaceDisconnect.to_string(), "client namespace disconnect");
}

/// A handler that panics ends its session. The sockets leave all the same, whatever their handlers of that do.
#[tokio::test]
async fn a_panic_leaves_no_ghosts() {
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        answering(io);
        io.on("check", |Data(fine): Data<bool>| async move { assert!(fine, "as asked") });
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
    let (mut other, _) = running.connect().await;
    let (mut ws, _) = running.connect().await;
    join(&mut ws, "/foo").await;
    ws.send(r#"42["check",false]"#).await;
    assert_eq!(ws.closed().await, Some(1011));
    for _ in 0..2 {
        assert_eq!(soon(reasons.recv()).await.unwrap(), "forced server close");
    }
    assert_eq!((running.io.len(), running.io.of("/foo").len()), (1, 0));
    nothing_else(&mut other).await;
}

/// A socket that is leaving cannot be put out once more: its handlers are called once.
#[tokio::test]
async fn a_socket_leaves_once() {
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
async fn disconnecting_the_client_leaves_all_namespaces() {
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        for name in ["/", "/foo"] {
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
    running.io.socket(&id).unwrap().disconnect(true);
    assert_eq!(ws.text().await, "41");
    assert_eq!(ws.text().await, "41/foo,");
    ws.closed().await;
    for _ in 0..2 {
        assert_eq!(reasons.recv().await.unwrap(), "server namespace disconnect");
    }
}

/// SIO-SRV-027, SIO-SRV-028
#[tokio::test]
async fn closing_the_server_disconnects_everybody() {
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        io.on_disconnect(move |reason: DisconnectReason| {
            sender.send(reason.as_str()).unwrap();
            async {}
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    running.io.close();
    ws.closed().await;
    assert_eq!(reasons.recv().await.unwrap(), "server shutting down");
    assert_eq!(running.io.len(), 0);
}

/// SIO-SRV-130, SIO-SRV-131, SIO-SRV-132
#[tokio::test]
async fn a_socket_has_handlers_of_its_own() {
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
    let (mut ws, _) = running.connect().await;
    for events in [&["first", "any", "own", "once"][..], &["first", "any", "own"]] {
        ws.send(r#"42["x",null]"#).await;
        for event in events {
            assert_eq!(ws.text().await, format!(r#"42["{event}",null]"#));
        }
    }
    nothing_else(&mut ws).await;
}

/// State is the server's, by type.
#[tokio::test]
async fn handlers_share_state() {
    let running = start(builder().state(Arc::new(Mutex::new(0))), |io| {
        io.on("count", |State(count): State<Arc<Mutex<i32>>>| async move {
            let mut count = count.lock().unwrap();
            *count += 1;
            Ack(*count)
        });
        io.on("missing", |_: State<String>| async {});
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["count"]"#).await;
    assert_eq!(ws.text().await, "431[1]");
    ws.send(r#"422["count"]"#).await;
    assert_eq!(ws.text().await, "432[2]");
    ws.send(r#"423["missing"]"#).await;
    assert!(ws.text().await.contains("no state of type"));
}

/// SIO-SRV-112, SIO-SRV-113, SIO-SRV-114
#[tokio::test]
async fn the_handshake_is_known() {
    let running = start(builder(), |io| {
        io.of("/foo").on("handshake", |socket: Socket, Auth(auth): Auth<serde_json::Value>| async move {
            let handshake = socket.handshake();
            assert!(handshake.address().unwrap().ip().is_loopback());
            assert!(!handshake.is_secure());
            assert!(handshake.url().starts_with("/socket.io/?"));
            Ack(json!({"query": handshake.query().get("EIO"), "auth": auth, "host": handshake.header("host").is_some()}))
        });
    })
    .await;
    let mut ws = running.open().await;
    ws.send(r#"40/foo,{"key1":"aa","key2":"&=bb"}"#).await;
    ws.text().await;
    ws.send(r#"42/foo,1["handshake"]"#).await;
    assert_eq!(ws.text().await, r#"43/foo,1[{"auth":{"key1":"aa","key2":"&=bb"},"host":true,"query":"4"}]"#);
}

/// With msgpack a packet is one binary message, its binary data in place.
#[tokio::test]
async fn msgpack_is_a_parser_too() {
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
    io.except("nobody").emit("except", &5).await.unwrap();
    io.compress(false).emit("compress", &6).await.unwrap();
    for event in
        [r#""emit",1"#, r#""message",2"#, r#""to",3"#, r#""in",4"#, r#""except",5"#, r#""compress",6"#]
    {
        assert_eq!(ws.text().await, format!("42[{event}]"));
    }
    assert_eq!(io.fetch_sockets().await.unwrap().len(), 1);
}

/// SIO-SRV-025, SIO-SRV-026
#[tokio::test]
async fn a_handshake_may_be_refused() {
    let allow = |engine: engineio::ServerBuilder| {
        engine.allow_request(|request| {
            let good = request.uri.query().is_some_and(|query| query.contains("good"));
            async move { if good { Ok(()) } else { Err("not you".to_owned()) } }
        })
    };
    let running = start(builder().cors(engineio::Cors::any()).engine(allow), |_| {}).await;
    let ask = async |query: &str| {
        let target = format!("/socket.io/?EIO=4&transport=polling{query}");
        tests::raw::Request::new("GET", &target)
            .header("origin", "http://foo.example")
            .send(running.addr)
            .await
    };
    assert_eq!(ask("&good").await.status, 200);
    let refused = ask("").await;
    assert_eq!((refused.status, refused.text()), (403, r#"{"code":4,"message":"not you"}"#));
}

/// SIO-SRV-118
#[tokio::test]
async fn a_port_may_be_served_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    for _ in 0..2 {
        let io = builder().build().unwrap();
        io.on("ev", |Data(number): Data<u32>| async move { Ack(number) });
        let listener = match listener.take() {
            Some(listener) => listener,
            None => tokio::net::TcpListener::bind(addr).await.unwrap(),
        };
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
