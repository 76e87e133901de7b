//! Middlewares for received events, and listeners of outgoing events.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engineio::SlowConsumer;
use serde_json::json;
use socketio_server::{
    Ack, AckError, AckSender, Arguments, Binary, ConnectError, Data, EmitError, EventName, HandlerError,
    RawArgs, Rewrite, Socket,
};
use tests::raw::soon;
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::support::{answering, builder, join, nothing_else, start};

type Notes = Arc<Mutex<Vec<String>>>;

fn note(notes: &Notes, text: impl Into<String>) {
    notes.lock().unwrap().push(text.into());
}

/// SIO-SRV-169
#[tokio::test]
async fn a_middleware_may_put_another_event_in_its_place() {
    let running = start(builder(), |io| {
        io.event_middleware(|EventName(name): EventName, Data(room): Data<String>| async move {
            if name == "join" {
                Some(Rewrite::new("wrap", &socketio_server::Args((name, room))))
            } else {
                None
            }
            .transpose()
        });
        io.on("wrap", |Arguments(args): Arguments<(String, String)>| async move { Ack(args) });
        io.on("join", || async { Ack("not changed") });
        io.on("other", |Data(text): Data<String>| async move { Ack(text) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["join","woot"]"#).await;
    assert_eq!(ws.text().await, r#"431[["join","woot"]]"#);
    ws.send(r#"422["other","text"]"#).await;
    assert_eq!(ws.text().await, r#"432["text"]"#);
}

#[tokio::test]
async fn the_fallback_takes_what_nobody_else_does() {
    let running = start(builder(), |io| {
        answering(io);
        io.fallback(|| async { Ack("never") });
        io.fallback(|EventName(name): EventName, args: RawArgs| async move { Ack((name, args.len())) });
        io.on("once", |socket: Socket| async move {
            socket.once("own", || async { Ack("the socket's own") });
            Ack(())
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    // Both before and after the socket has handlers of its own.
    for _ in 0..2 {
        ws.send(r#"421["unknown",1,2]"#).await;
        assert_eq!(ws.text().await, r#"431[["unknown",2]]"#);
        ws.send(r#"42["still there?"]"#).await;
        assert_eq!(ws.text().await, r#"42["yes"]"#);
        ws.send(r#"422["once"]"#).await;
        assert_eq!(ws.text().await, "432[null]");
        ws.send(r#"423["own"]"#).await;
        assert_eq!(ws.text().await, r#"433["the socket's own"]"#);
        ws.send(r#"424["own"]"#).await;
        assert_eq!(ws.text().await, r#"434[["own",0]]"#);
    }
}

/// SIO-SRV-170
#[tokio::test]
async fn a_middleware_may_refuse_an_event() {
    let notes = Notes::default();
    let (heard, called) = (Arc::clone(&notes), Arc::clone(&notes));
    let running = start(builder(), |io| {
        answering(io);
        io.on_error(move |_, error| {
            assert!(matches!(error, HandlerError::Refused { .. }));
            note(&heard, error.to_string());
        });
        let second = Arc::clone(&called);
        io.on_connect(move |socket: Socket| {
            let (first, second) = (Arc::clone(&called), Arc::clone(&second));
            async move {
                socket.event_middleware(move |EventName(name): EventName| {
                    note(&first, format!("first {name}"));
                    async move { if name == "bad" { Err("not that one") } else { Ok(()) } }
                });
                socket.event_middleware(move |EventName(name): EventName| {
                    note(&second, format!("second {name}"));
                    async {}
                });
            }
        });
        io.on("bad", || async { Ack("called") });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"42["bad"]"#).await;
    ws.send(r#"427["bad"]"#).await;
    assert_eq!(ws.text().await, r#"437[{"error":"not that one"}]"#);
    nothing_else(&mut ws).await;
    assert_eq!(
        *notes.lock().unwrap(),
        [
            "first bad",
            "bad: not that one",
            "first bad",
            "bad: not that one",
            "first still there?",
            "second still there?"
        ]
    );
    assert_eq!(running.io.refused_events(), 2);
}

/// While a middleware waits, later events wait too.
#[tokio::test]
async fn a_middleware_that_waits_keeps_the_order() {
    let go = Arc::new(Notify::new());
    let released = Arc::clone(&go);
    let running = start(builder(), |io| {
        io.event_middleware(move |EventName(name): EventName| {
            let released = Arc::clone(&released);
            async move {
                if name == "slow" {
                    released.notified().await;
                }
            }
        });
        for name in ["slow", "fast"] {
            io.on(name, move |socket: Socket| async move { socket.emit("done", name) });
        }
    })
    .await;
    let (mut ws, _) = running.connect().await;
    for _ in 0..300 {
        ws.send(r#"42["slow"]"#).await;
        ws.send(r#"42["fast"]"#).await;
    }
    for _ in 0..300 {
        go.notify_one();
        assert_eq!(ws.text().await, r#"42["done","slow"]"#);
        assert_eq!(ws.text().await, r#"42["done","fast"]"#);
    }
}

/// The event is dropped when the client disconnects while a middleware waits.
#[tokio::test]
async fn an_event_of_a_socket_that_left_is_nobodys() {
    let go = Arc::new(Notify::new());
    let released = Arc::clone(&go);
    let running = start(builder(), |io| {
        answering(io);
        io.event_middleware(move |socket: Socket, EventName(name): EventName| {
            let released = Arc::clone(&released);
            async move {
                if name == "late" {
                    socket.disconnect(false);
                    released.notified().await;
                }
            }
        });
        io.on("late", |socket: Socket| async move { socket.emit("called", &()) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"42["late"]"#).await;
    assert_eq!(ws.text().await, "41");
    go.notify_one();
    join(&mut ws, "/").await;
    nothing_else(&mut ws).await;
}

/// SIO-SRV-123, SIO-SRV-124
#[tokio::test]
async fn what_is_no_packet_reaches_the_hook_before_the_end() {
    for packet in ["5woooot", "5"] {
        let (sender, mut errors) = mpsc::unbounded_channel();
        let running = start(builder(), |io| {
            let left = sender.clone();
            io.on_error(move |_, error| sender.send(error.to_string()).unwrap());
            io.on_disconnect(move |reason: socketio_server::DisconnectReason| {
                left.send(reason.to_string()).unwrap();
                async {}
            });
        })
        .await;
        let (mut ws, _) = running.connect().await;
        ws.send(&format!("4{packet}")).await;
        ws.closed().await;
        assert_eq!(soon(errors.recv()).await.unwrap(), "Illegal attachments");
        assert_eq!(soon(errors.recv()).await.unwrap(), "forced close");
    }
}

/// Packets behind an invalid packet in the same read are ignored.
#[tokio::test]
async fn nothing_is_heard_behind_what_is_no_packet() {
    for packet in ["45woooot", "440", "42/nowhere,[\"x\"]"] {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let running = start(builder(), |io| {
            let told = sender.clone();
            io.on("late", move || {
                told.send("late").unwrap();
                async {}
            });
            io.on_disconnect(move || {
                sender.send("left").unwrap();
                async {}
            });
        })
        .await;
        let client = running.polling().await;
        assert_eq!(client.post("40").await.status, 200);
        client.post(format!("{packet}\u{1e}42[\"late\"]")).await;
        // The session needs two GETs: one reads the earlier messages, the other the close packet.
        assert!(client.poll().await.starts_with("40{"));
        assert!(client.poll().await.ends_with('1'), "{packet}");
        assert_eq!(soon(seen.recv()).await.unwrap(), "left", "{packet}");
        assert!(seen.try_recv().is_err(), "{packet}");
    }
}

/// SIO-SRV-121, SIO-SRV-122: other clients are not affected.
#[tokio::test]
async fn a_client_that_breaks_the_protocol_is_put_out_alone() {
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let running = start(builder(), |io| {
        answering(io);
        io.on_disconnect(move |reason: socketio_server::DisconnectReason| {
            sender.send(reason.to_string()).unwrap();
            async {}
        });
    })
    .await;
    let (mut other, _) = running.connect().await;
    for (packet, reason) in [
        ("5woooot", "forced close"),
        ("4", "forced server close"),
        ("44", "forced close"),
        (r#"44{"message":"x"}"#, "forced server close"),
        ("40", "forced server close"),
        (r#"42/nowhere,["x"]"#, "forced server close"),
    ] {
        let (mut ws, _) = running.connect().await;
        ws.send(&format!("4{packet}")).await;
        ws.closed().await;
        let _ = (reason, soon(reasons.recv()).await.unwrap());
        nothing_else(&mut other).await;
    }
}

/// SIO-SRV-127
#[tokio::test]
async fn attachments_that_come_after_the_leaving_are_nobodys() {
    let running = start(builder(), |io| {
        answering(io);
        io.on("upload", |socket: Socket| async move { socket.emit("called", &()) });
        io.on("leave", |socket: Socket| async move { socket.disconnect(false) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"42["leave"]"#).await;
    assert_eq!(ws.text().await, "41");
    ws.send(r#"451-["upload",{"_placeholder":true,"num":0}]"#).await;
    ws.send_binary(b"x").await;
    join(&mut ws, "/").await;
    nothing_else(&mut ws).await;
}

/// Attachments that do not arrive in time close the connection.
#[tokio::test]
async fn attachments_may_take_only_so_long() {
    let mut config = socketio_server::Config::default();
    config.attachment_timeout = std::time::Duration::from_millis(20);
    let running = start(builder().config(config), |_| {}).await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"452-1["upload",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#).await;
    ws.send_binary(b"the first of two").await;
    ws.closed().await;
}

/// A client without outbox capacity may disconnect meanwhile, and reconnect on the same connection.
#[tokio::test]
async fn what_waits_for_room_is_not_for_whoever_comes_next() {
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

/// SIO-SRV-133, SIO-SRV-134, SIO-SRV-135, SIO-SRV-136, SIO-SRV-137
#[tokio::test]
async fn listeners_of_outgoing_events_hear_all_of_them() {
    let running = start(builder(), |_| {}).await;
    let (mut ws, id) = running.connect().await;
    let (mut other, _) = running.connect().await;
    let socket = running.io.socket(&id).unwrap();
    let notes = Notes::default();
    let listener = |name: &'static str| {
        let notes = Arc::clone(&notes);
        move |event: &str, args: &RawArgs| {
            let data: Option<Binary> = args.parse(1).ok();
            let data = data.map(|data| String::from_utf8_lossy(&data).into_owned()).unwrap_or_default();
            note(&notes, format!("{name} {event} {} {data}", args.parse::<i32>(0).unwrap()));
        }
    };
    let first = socket.on_any_outgoing(listener("a"));
    let second = socket.prepend_any_outgoing(listener("b"));
    let binary = Binary::from_static(b"data");
    socket.emit("one", &1).unwrap();
    running.io.emit("all", &socketio_server::Args((2, &binary))).await.unwrap();
    running.io.except(id.as_str()).emit("others", &3).await.unwrap();
    let asking = socket.clone();
    let asked = tokio::spawn(async move { asking.emit_with_ack::<i32>("ask", &4).await });
    assert_eq!(ws.text().await, r#"42["one",1]"#);
    assert_eq!(ws.text().await, r#"451-["all",2,{"_placeholder":true,"num":0}]"#);
    ws.binary().await;
    assert_eq!(ws.text().await, r#"420["ask",4]"#);
    ws.send("430[5]").await;
    assert_eq!(asked.await.unwrap().unwrap(), 5);
    assert!(socket.off_any_outgoing(first) && !socket.off_any_outgoing(first));
    socket.emit("six", &6).unwrap();
    socket.off_any_outgoing(second);
    socket.emit("seven", &7).unwrap();
    let expected =
        ["b one 1 ", "a one 1 ", "b all 2 data", "a all 2 data", "b ask 4 ", "a ask 4 ", "b six 6 "];
    assert_eq!(*notes.lock().unwrap(), expected);
    other.text().await;
    socket.on_any_outgoing(listener("c"));
    socket.off_all_outgoing();
    socket.emit("eight", &8).unwrap();
    assert_eq!(notes.lock().unwrap().len(), expected.len());
}

/// SIO-SRV-083, SIO-SRV-084, SIO-SRV-085, SIO-SRV-086, SIO-SRV-087, SIO-SRV-088
#[tokio::test]
async fn every_kind_of_argument_arrives_in_its_place() {
    let running = start(builder(), |io| {
        io.on("echo", |socket: Socket, args: RawArgs| async move { socket.emit("echo", &args) });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    let socket = running.io.socket(&id).unwrap();
    socket.emit("woot", "tobi").unwrap();
    assert_eq!(ws.text().await, r#"42["woot","tobi"]"#);
    for text in ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß"] {
        socket.emit("takeUtf8", text).unwrap();
        assert_eq!(ws.text().await, format!(r#"42["takeUtf8","{text}"]"#));
    }
    let picture: Vec<u8> = (0..100_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    socket.emit("doge", &Binary::from(picture.clone())).unwrap();
    assert_eq!(ws.text().await, r#"451-["doge",{"_placeholder":true,"num":0}]"#);
    assert_eq!(ws.binary().await, picture);
    let data = Binary::from_static(b"asdfasdf");
    let mixed = socketio_server::Args((1, &data, "3", [4], &data, (&data, "swag", &data)));
    socket.emit("multiple", &mixed).unwrap();
    let text = r#"["multiple",1,{"_placeholder":true,"num":0},"3",[4],{"_placeholder":true,"num":1},[{"_placeholder":true,"num":2},"swag",{"_placeholder":true,"num":3}]]"#;
    assert_eq!(ws.text().await, format!("454-{text}"));
    for _ in 0..4 {
        assert_eq!(ws.binary().await, b"asdfasdf");
    }
    let text = text.replace("multiple", "echo");
    ws.send(&format!("454-{text}")).await;
    for part in ["a", "b", "c", "d"] {
        ws.send_binary(part.as_bytes()).await;
    }
    assert_eq!(ws.text().await, format!("454-{text}"));
    for part in ["a", "b", "c", "d"] {
        assert_eq!(ws.binary().await, part.as_bytes());
    }
}

/// SIO-SRV-105, SIO-SRV-106
#[tokio::test]
async fn answers_carry_binary_both_ways() {
    let running = start(builder(), |io| {
        io.on("upload", |Data(data): Data<Binary>| async move {
            assert_eq!(&data[..], b"in");
            Ack(socketio_server::Args((1, 2)))
        });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    ws.send(r#"451-9["upload",{"_placeholder":true,"num":0}]"#).await;
    ws.send_binary(b"in").await;
    assert_eq!(ws.text().await, "439[1,2]");
    let socket = running.io.socket(&id).unwrap();
    let asked = tokio::spawn(async move {
        let answer = socket.emit_with_ack::<Binary>("download", &Binary::from_static(b"out")).await?;
        Ok::<_, AckError>(answer)
    });
    assert_eq!(ws.text().await, r#"451-0["download",{"_placeholder":true,"num":0}]"#);
    assert_eq!(ws.binary().await, b"out");
    ws.send(r#"461-0[{"_placeholder":true,"num":0}]"#).await;
    ws.send_binary(b"back").await;
    assert_eq!(&asked.await.unwrap().unwrap()[..], b"back");
}

/// SIO-SRV-080, SIO-SRV-099
#[tokio::test]
async fn send_is_the_event_message() {
    let running = start(builder(), |io| {
        io.on("message", |Data(number): Data<u32>, socket: Socket| async move { socket.send(&number) });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    ws.send(r#"42["message",1337]"#).await;
    assert_eq!(ws.text().await, r#"42["message",1337]"#);
    running.io.send("a").await.unwrap();
    running.io.to(id.as_str()).send("b").await.unwrap();
    assert_eq!(ws.text().await, r#"42["message","a"]"#);
    assert_eq!(ws.text().await, r#"42["message","b"]"#);
}

/// SIO-SRV-089, SIO-SRV-091, SIO-SRV-093, SIO-SRV-097
#[tokio::test]
async fn over_polling_a_volatile_event_needs_a_waiting_get() {
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
    while !socket.session().can_send_now() {
        tokio::task::yield_now().await;
    }
    socket.volatile().emit("taken", &5).unwrap();
    socket.volatile().emit("lost", &6).unwrap();
    assert_eq!(soon(waiting).await.unwrap(), r#"42["taken",5]"#);
}

/// SIO-SRV-055, SIO-SRV-056, SIO-SRV-119, SIO-SRV-120
#[tokio::test]
async fn an_emit_may_forbid_compression() {
    let engine = |engine: engineio::ServerBuilder| engine.http_compression(engineio::Compression::new());
    let running = start(builder().engine(engine), |io| {
        io.on("still there?", |socket: Socket| async move { socket.emit("yes", &()) });
    })
    .await;
    let polling = running.polling().await;
    polling.post("40").await;
    let answer = polling.poll().await;
    let id =
        serde_json::from_str::<serde_json::Value>(&answer[2..]).unwrap()["sid"].as_str().unwrap().to_owned();
    let socket = running.io.socket(&id).unwrap();
    let text = "long ".repeat(1000);
    let encoding = async || {
        let request = tests::raw::Request::new("GET", &polling.target).header("accept-encoding", "gzip");
        let response = request.send(running.addr).await;
        response.header("content-encoding").map(str::to_owned)
    };
    socket.emit("text", &text).unwrap();
    assert_eq!(encoding().await.as_deref(), Some("gzip"));
    socket.compress(false).emit("text", &text).unwrap();
    assert_eq!(encoding().await, None);
    running.io.emit("text", &text).await.unwrap();
    assert_eq!(encoding().await.as_deref(), Some("gzip"));
    running.io.compress(false).emit("text", &text).await.unwrap();
    assert_eq!(encoding().await, None);
}

/// SIO-SRV-116, SIO-SRV-117
#[tokio::test]
async fn large_events_go_back_and_forth() {
    let running = start(builder(), |io| {
        io.on("big", |socket: Socket, args: RawArgs| async move { socket.emit("big", &args) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    let list: Vec<_> = (0..10_000).map(|n| json!({"number": n, "text": "é".repeat(n % 20)})).collect();
    let text = format!("42{}", json!(["big", list]));
    assert!(text.len() > 300_000);
    let data: Vec<u8> = (0..900_000_u32).map(|n| (n % 251) as u8).collect();
    for _ in 0..3 {
        ws.send(&text).await;
        assert_eq!(ws.text().await, text);
        ws.send(r#"451-["big",{"bin":{"_placeholder":true,"num":0}}]"#).await;
        ws.send_binary(&data).await;
        assert_eq!(ws.text().await, r#"451-["big",{"bin":{"_placeholder":true,"num":0}}]"#);
        assert_eq!(ws.binary().await, data);
    }
}

/// SIO-SRV-166
#[tokio::test]
async fn a_middleware_that_agrees_changes_nothing() {
    let running = start(builder(), |io| {
        io.middleware(|| async { Ok::<_, ConnectError>(()) });
    })
    .await;
    let polling = running.polling().await;
    polling.post("40").await;
    assert!(polling.poll().await.starts_with(r#"40{"sid":""#));
}

/// SIO-SRV-110, SIO-SRV-111
#[tokio::test]
async fn a_socket_knows_its_connection() {
    let running = start(builder(), |io| {
        io.of("/other");
    })
    .await;
    let (mut ws, id) = running.connect().await;
    let other = join(&mut ws, "/other").await;
    let session = running.io.socket(&id).unwrap().session().clone();
    assert!(session.is_same(running.io.of("/other").socket(&other).unwrap().session()));
    assert_eq!(session.transport(), engineio::Transport::WebSocket);
    assert!(running.io.engine().session(session.id().as_str()).is_some());
}

#[tokio::test]
async fn an_emit_to_a_socket_that_left_is_an_error() {
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

/// Disconnect packets and refusals are sent even if the outbox is full; without them a client would wait
/// forever or send to a closed socket.
#[tokio::test]
async fn goodbyes_find_room() {
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

/// Clones of an ack sender still send a single ack.
#[tokio::test]
async fn an_event_is_answered_once() {
    let running = start(builder(), |io| {
        answering(io);
        io.on("twice", |ack: Option<AckSender>| async move {
            let ack = ack.unwrap();
            ack.clone().send(&1).unwrap();
            ack.send(&2).unwrap();
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["twice"]"#).await;
    assert_eq!(ws.text().await, "431[1]");
    nothing_else(&mut ws).await;
}

/// The client receives an error as ack if the return value of the handler cannot be serialized.
#[tokio::test]
async fn an_answer_that_cannot_be_written_is_told() {
    struct Unwritable;
    impl serde::Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("out of ink"))
        }
    }
    let notes = Notes::default();
    let heard = Arc::clone(&notes);
    let running = start(builder(), |io| {
        answering(io);
        io.on_error(move |_, error| {
            assert!(matches!(error, HandlerError::Answer(EmitError::Encode(_))));
            note(&heard, error.to_string());
        });
        io.on("one", || async { Ack(Unwritable) });
        io.on("two", || async { Ack(Unwritable) });
        io.on("two", || async { Ack("written") });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["one"]"#).await;
    let answer = ws.text().await;
    assert!(answer.starts_with(r#"431[{"error":""#) && answer.contains("out of ink"), "{answer}");
    ws.send(r#"422["two"]"#).await;
    let answer = ws.text().await;
    assert!(answer.starts_with("432["), "one of both, and only one: {answer}");
    nothing_else(&mut ws).await;
    let notes = notes.lock().unwrap();
    assert!(notes.len() == 2 && notes.iter().all(|note| note.contains("out of ink")), "{notes:?}");
    assert_eq!((running.io.lost_answers(), running.io.refused_events()), (2, 0));
}

/// With the policy to refuse when the outbox is full, the return value of a handler is lost, and so is the
/// error in its place. The hook receives one error for each.
#[tokio::test]
async fn an_answer_that_there_is_no_room_for_is_told() {
    let notes = Notes::default();
    let heard = Arc::clone(&notes);
    let small = builder().engine(|engine| engine.max_buffered(1000, SlowConsumer::Refuse));
    let running = start(small, |io| {
        answering(io);
        io.on_error(move |_, error| note(&heard, error.to_string()));
        // The first message may have any size.
        io.on("no room", |socket: Socket| async move {
            socket.emit("fill", &"x".repeat(2000)).unwrap();
            Ack("lost")
        });
        io.on("no answer wanted", |socket: Socket| async move {
            socket.emit("fill", &"x".repeat(2000)).unwrap();
        });
        // A disconnected socket has no client that could receive the ack.
        io.on("gone", |socket: Socket| async move {
            socket.disconnect(false);
            Ack("not sent")
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["no room"]"#).await;
    assert!(ws.text().await.starts_with(r#"42["fill","#));
    ws.send(r#"42["no answer wanted"]"#).await;
    assert!(ws.text().await.starts_with(r#"42["fill","#));
    nothing_else(&mut ws).await;
    assert_eq!(*notes.lock().unwrap(), ["an answer was not sent: the outbox is full"]);
    assert_eq!((running.io.lost_answers(), running.io.refused_events()), (1, 0));
    ws.send(r#"423["gone"]"#).await;
    assert_eq!(ws.text().await, "41");
    assert_eq!(running.io.lost_answers(), 1);
}

/// One read may contain thousands of events. They wait until earlier handlers have ended, and keep their
/// order.
#[tokio::test]
async fn events_of_one_read_wait_for_handlers_in_flight() {
    for over_websocket in [true, false] {
        let (sender, mut begun) = mpsc::unbounded_channel();
        let go = Arc::new(Semaphore::new(0));
        let (in_flight, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (gate, most) = (Arc::clone(&go), Arc::clone(&peak));
        let running = start(builder(), |io| {
            io.on("n", move |Data(number): Data<usize>| {
                let (sender, gate) = (sender.clone(), Arc::clone(&gate));
                let (in_flight, most) = (Arc::clone(&in_flight), Arc::clone(&most));
                async move {
                    most.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    sender.send(number).unwrap();
                    gate.acquire().await.unwrap().forget();
                    in_flight.fetch_sub(1, Ordering::SeqCst);
                }
            });
        })
        .await;
        let events = (0..5000).map(|number| format!(r#"42["n",{number}]"#));
        let see = async {
            for number in 0..5000 {
                assert_eq!(soon(begun.recv()).await, Some(number));
                if number == 127 {
                    go.add_permits(5000);
                }
            }
        };
        if over_websocket {
            let (mut ws, _) = running.connect().await;
            ws.send_together(events).await;
            see.await;
        } else {
            let polling = running.polling().await;
            assert_eq!(polling.post("40").await.status, 200);
            let payload = events.collect::<Vec<_>>().join("\u{1e}");
            let (answer, ()) = tokio::join!(polling.post(payload), see);
            assert_eq!(answer.status, 200);
        }
        assert_eq!(peak.load(Ordering::SeqCst), 128);
    }
}
