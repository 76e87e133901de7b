//! Arguments of events, the fallback handler, and listeners of outgoing events.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engineio::{PacketType, Transport};
use serde_json::json;
use socketio_server::{Ack, Binary, Data, EventName, RawArgs, SessionEvent, Socket};
use tests::raw::soon;
use tokio::sync::{Semaphore, mpsc};

use crate::support::{Notes, answering, builder, join, note, nothing_else, start};

#[tokio::test]
async fn the_fallback_receives_events_without_handler() {
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

/// SIO-SRV-133, SIO-SRV-134, SIO-SRV-135, SIO-SRV-136, SIO-SRV-137
#[tokio::test]
async fn listeners_receive_all_outgoing_events() {
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
    assert_eq!(socket.listeners_any_outgoing(), [second, first]);
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
    assert!(socket.listeners_any_outgoing().is_empty());
    socket.emit("eight", &8).unwrap();
    assert_eq!(notes.lock().unwrap().len(), expected.len());
}

/// SIO-SRV-083, SIO-SRV-084, SIO-SRV-085, SIO-SRV-086, SIO-SRV-087, SIO-SRV-088
#[tokio::test]
async fn arguments_of_every_type_keep_their_position() {
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

/// SIO-SRV-080, SIO-SRV-099
#[tokio::test]
async fn send_emits_the_event_message() {
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

/// SIO-SRV-055, SIO-SRV-056, SIO-SRV-119, SIO-SRV-120
#[tokio::test]
async fn an_emit_can_disable_compression() {
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
async fn large_events_are_exchanged_in_both_directions() {
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

/// SIO-SRV-110, SIO-SRV-111
#[tokio::test]
async fn a_socket_provides_its_session() {
    let running = start(builder(), |io| {
        io.of("/other");
    })
    .await;
    let (mut ws, id) = running.connect().await;
    let other = join(&mut ws, "/other").await;
    let session = running.io.socket(&id).unwrap().session().clone();
    assert!(session.is_same(running.io.of("/other").socket(&other).unwrap().session()));
    assert_eq!(session.transport(), Transport::WebSocket);
    assert!(running.io.engine().session(session.id().as_str()).is_some());
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

/// SIO-SRV-111
#[tokio::test]
async fn a_socket_hears_the_events_of_its_connection() {
    let (sender, mut events) = mpsc::unbounded_channel();
    let sender = Mutex::new(Some(sender));
    let running = start(builder(), |io| {
        answering(io);
        io.on_connect(move |socket: Socket| {
            let sender = sender.lock().unwrap().take().unwrap();
            let held = socket.clone();
            socket.on_session_event(move |session, event| {
                assert!(session.is_same(held.session()));
                sender.send(event.clone()).unwrap();
            });
            let removed = socket.on_session_event(|_, _| unreachable!("removed"));
            assert!(socket.off_session_event(removed) && !socket.off_session_event(removed));
            async {}
        });
    })
    .await;
    let polling = running.polling().await;
    polling.post("40").await;
    assert!(polling.poll().await.starts_with("40{"));
    let mut ws = polling.upgrade().await;
    nothing_else(&mut ws).await;
    ws.send("1").await;
    ws.closed().await;
    let mut came = Vec::new();
    // The hook is dropped at the end of the connection, although it holds the socket.
    while let Some(event) = soon(events.recv()).await {
        came.push(event);
    }
    let at = |event: &SessionEvent| {
        came.iter().position(|found| found == event).unwrap_or_else(|| panic!("{came:?}"))
    };
    let upgraded = at(&SessionEvent::Upgrade(Transport::WebSocket));
    let expected = [
        SessionEvent::Packet(PacketType::Message),
        SessionEvent::Flush(vec![PacketType::Message]),
        SessionEvent::Drain,
        SessionEvent::Packet(PacketType::Close),
    ];
    assert_eq!(came[upgraded + 1..came.len() - 1], expected);
    assert!(matches!(came.last(), Some(SessionEvent::Close(_))), "{came:?}");
}
