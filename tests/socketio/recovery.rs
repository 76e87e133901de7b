//! Connection state recovery.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engineio::SlowConsumer;
use serde_json::{Value, json};
use socketio_server::{Ack, ConnectError, NotRecovered, Recovery, ServerBuilder, Socket};
use tests::raw::{Polling, WebSocket, soon, until};
use tokio::sync::mpsc;

use crate::support::{Running, builder, start};

/// The identity that a client needs for a recovery.
pub(crate) struct Identity {
    pub(crate) sid: String,
    pub(crate) pid: String,
    pub(crate) offset: String,
}

pub(crate) fn recovering() -> ServerBuilder {
    builder().connection_state_recovery(Recovery::default())
}

/// Reads the response to a CONNECT.
pub(crate) fn identity(answer: &str) -> (String, String) {
    let answer: Value = serde_json::from_str(answer.strip_prefix("40").unwrap()).unwrap();
    (answer["sid"].as_str().unwrap().to_owned(), answer["pid"].as_str().unwrap().to_owned())
}

/// The last argument of an event.
pub(crate) fn offset(event: &str) -> String {
    let event: Vec<Value> = serde_json::from_str(event.strip_prefix("42").unwrap()).unwrap();
    event.last().unwrap().as_str().unwrap().to_owned()
}

/// A client that has received one event.
pub(crate) async fn connect_and_receive(running: &Running) -> (WebSocket, Identity) {
    let mut ws = running.open().await;
    ws.send("40").await;
    let (sid, pid) = identity(&ws.text().await);
    running.io.to(sid.as_str()).emit("first", &()).await.unwrap();
    let offset = offset(&ws.text().await);
    (ws, Identity { sid, pid, offset })
}

pub(crate) fn reconnect_packet(who: &Identity) -> String {
    format!("40{}", json!({"pid": who.pid, "offset": who.offset}))
}

/// Every socket that disconnects, in order.
pub(crate) fn record_disconnects(io: &socketio_server::Server) -> mpsc::UnboundedReceiver<String> {
    let (sender, left) = mpsc::unbounded_channel();
    io.on_disconnect(move |socket: Socket| {
        let sender = sender.clone();
        async move { sender.send(socket.id().to_owned()).unwrap() }
    });
    left
}

/// SIO-SRV-210, SIO-SRV-211
#[tokio::test]
async fn a_recovery_restores_the_socket_and_sends_missed_events_first() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let connects = Arc::clone(&seen);
    let mut left = None;
    let running = start(recovering(), |io| {
        left = Some(record_disconnects(io));
        io.on_connect(move |socket: Socket| {
            let connects = Arc::clone(&connects);
            async move {
                let mut rooms: Vec<String> =
                    socket.rooms().iter().skip(1).map(|room| room.to_string()).collect();
                rooms.sort();
                connects.lock().unwrap().push((
                    socket.recovered(),
                    socket.data().get::<String>("name"),
                    rooms,
                ));
                socket.join(["room1", "room2"]);
                socket.data().set("name", "ada").unwrap();
            }
        });
    })
    .await;
    let polling = running.polling().await;
    polling.post("40").await;
    let (sid, pid) = identity(&polling.poll().await);
    running.io.emit("hello", &json!([1])).await.unwrap();
    let offset = offset(&polling.poll().await);
    // The client disconnects, and events continue.
    polling.post("1").await;
    assert_eq!(soon(left.as_mut().unwrap().recv()).await.unwrap(), sid);
    running.io.emit("all", &()).await.unwrap();
    running.io.to("room1").emit("room", &()).await.unwrap();
    running.io.to(sid.as_str()).emit("direct", &()).await.unwrap();
    running.io.to("room3").emit("others", &()).await.unwrap();
    running.io.except("room2").emit("others", &()).await.unwrap();
    running.io.volatile().emit("volatile", &()).await.unwrap();

    let who = Identity { sid: sid.clone(), pid: pid.clone(), offset };
    let polling = running.polling().await;
    polling.post(&reconnect_packet(&who)).await;
    let packets = polling.poll().await;
    let packets: Vec<&str> = packets.split('\x1e').collect();
    assert_eq!(packets.len(), 4, "{packets:?}");
    for (packet, name) in packets.iter().zip(["all", "room", "direct"]) {
        assert!(packet.starts_with(&format!(r#"42["{name}",null,""#)), "{packet}");
    }
    assert_eq!(identity(packets[3]), (sid, pid));
    let seen = seen.lock().unwrap();
    let rooms = vec!["room1".to_owned(), "room2".to_owned()];
    assert_eq!(*seen, [(false, None, vec![]), (true, Some("ada".to_owned()), rooms)]);
}

/// A client must not take a part of the missed events for all of them.
#[tokio::test]
async fn missed_events_over_the_outbox_limit_prevent_the_recovery() {
    let mut left = None;
    let small = recovering().engine(|engine| engine.max_buffered(2000, SlowConsumer::Refuse));
    let running = start(small, |io| left = Some(record_disconnects(io))).await;
    let (ws, who) = connect_and_receive(&running).await;
    drop(ws);
    soon(left.as_mut().unwrap().recv()).await.unwrap();
    for _ in 0..3 {
        running.io.emit("missed", &"x".repeat(900)).await.unwrap();
    }
    let client = running.polling().await;
    client.post(&reconnect_packet(&who)).await;
    assert_eq!(client.get().await.status, 400, "it is closed, and may start anew");
    let mut ws = running.open().await;
    ws.send(&reconnect_packet(&who)).await;
    assert_ne!(identity(&ws.text().await).0, who.sid);
}

/// SIO-SRV-212, SIO-SRV-213
#[tokio::test]
async fn middlewares_run_on_recovery_only_if_configured() {
    for (skip_middlewares, expected) in [(true, 1), (false, 2)] {
        let asked = Arc::new(Mutex::new(0));
        let mut left = None;
        let mut recovery = Recovery::default();
        recovery.skip_middlewares = skip_middlewares;
        let running = start(builder().connection_state_recovery(recovery), |io| {
            left = Some(record_disconnects(io));
            let asked = Arc::clone(&asked);
            io.middleware(move || {
                *asked.lock().unwrap() += 1;
                async { Ok::<_, ConnectError>(()) }
            });
            io.on("recovered?", |socket: Socket| async move { Ack(socket.recovered()) });
        })
        .await;
        let (ws, who) = connect_and_receive(&running).await;
        drop(ws);
        soon(left.as_mut().unwrap().recv()).await.unwrap();
        let mut ws = running.open().await;
        ws.send(&reconnect_packet(&who)).await;
        assert_eq!(identity(&ws.text().await), (who.sid, who.pid));
        assert_eq!(*asked.lock().unwrap(), expected);
        ws.send(r#"421["recovered?"]"#).await;
        assert_eq!(ws.text().await, "431[true]");
    }
}

/// A client whose recovery a middleware refuses can try again later.
#[tokio::test]
async fn a_refused_recovery_can_be_retried() {
    let mut left = None;
    let refuse = Arc::new(Mutex::new(false));
    let mut recovery = Recovery::default();
    recovery.skip_middlewares = false;
    let running = start(builder().connection_state_recovery(recovery), |io| {
        left = Some(record_disconnects(io));
        let refuse = Arc::clone(&refuse);
        io.middleware(move || {
            let verdict = if *refuse.lock().unwrap() { Err(ConnectError::new("not now")) } else { Ok(()) };
            async { verdict }
        });
    })
    .await;
    let (ws, who) = connect_and_receive(&running).await;
    drop(ws);
    soon(left.as_mut().unwrap().recv()).await.unwrap();
    *refuse.lock().unwrap() = true;
    let mut ws = running.open().await;
    ws.send(&reconnect_packet(&who)).await;
    assert_eq!(ws.text().await, r#"44{"message":"not now"}"#);
    *refuse.lock().unwrap() = false;
    running.io.emit("missed", &()).await.unwrap();
    ws.send(&reconnect_packet(&who)).await;
    assert!(ws.text().await.starts_with(r#"42["missed",null,"#));
    assert_eq!(identity(&ws.text().await), (who.sid, who.pid));
}

/// SIO-SRV-214
#[tokio::test]
async fn an_unknown_session_starts_anew_with_a_reason() {
    let running = start(recovering(), |io| {
        io.on("why", |socket: Socket| async move {
            assert!(!socket.recovered());
            Ack(socket.not_recovered().map(|reason| reason.to_string()))
        });
    })
    .await;
    let (_still_here, who) = connect_and_receive(&running).await;
    for (auth, reason) in [
        (json!({"pid": "unknown", "offset": who.offset}), Some(NotRecovered::UnknownSession)),
        // The socket of this session is still connected.
        (json!({"pid": who.pid, "offset": who.offset}), Some(NotRecovered::UnknownSession)),
        (json!({"pid": who.pid}), None),
        (json!({"pid": 1, "offset": 2}), None),
        (json!({}), None),
    ] {
        let mut ws = running.open().await;
        ws.send(&format!("40{auth}")).await;
        let (sid, pid) = identity(&ws.text().await);
        assert!(sid != who.sid && pid != who.pid);
        ws.send(r#"421["why"]"#).await;
        let why = reason.map(|reason| reason.to_string());
        assert_eq!(ws.text().await, format!("431{}", json!([why])));
    }
}

/// A client that disconnects on purpose cannot recover its state.
#[tokio::test]
async fn a_deliberate_disconnect_is_not_recovered() {
    let running = start(recovering(), |_| {}).await;
    let (mut ws, who) = connect_and_receive(&running).await;
    ws.send("41").await;
    ws.send(&reconnect_packet(&who)).await;
    assert_ne!(identity(&ws.text().await).0, who.sid);
    let (mut ws, who) = connect_and_receive(&running).await;
    running.io.socket(&who.sid).unwrap().disconnect(false);
    assert_eq!(ws.text().await, "41");
    ws.send(&reconnect_packet(&who)).await;
    assert_ne!(identity(&ws.text().await).0, who.sid);
}

/// SIO-SRV-215, SIO-SRV-216
#[tokio::test]
async fn recovery_is_off_by_default() {
    let running = start(builder(), |io| {
        io.on(
            "why",
            |socket: Socket| async move { Ack((socket.recovered(), socket.not_recovered().is_none())) },
        );
    })
    .await;
    let (mut ws, _) = running.connect().await;
    running.io.emit("plain", &1).await.unwrap();
    assert_eq!(ws.text().await, r#"42["plain",1]"#);
    ws.send(r#"421["why"]"#).await;
    assert_eq!(ws.text().await, "431[[false,true]]");
}

/// Volatile events and events that request an ack have no offset; binary events have one.
#[tokio::test]
async fn volatile_events_and_requests_have_no_offset() {
    let running = start(recovering(), |io| {
        io.on("go", |socket: Socket| async move {
            socket.volatile().emit("volatile", &1).unwrap();
            socket.emit("binary", &socketio_server::Binary::from_static(b"x")).unwrap();
            let _ = socket.emit_with_ack::<Value>("ask", &1).await;
        });
    })
    .await;
    let mut ws = running.open().await;
    ws.send("40").await;
    ws.text().await;
    ws.send(r#"42["go"]"#).await;
    assert_eq!(ws.text().await, r#"42["volatile",1]"#);
    let binary = ws.text().await;
    assert!(binary.starts_with(r#"451-["binary",{"_placeholder":true,"num":0},""#), "{binary}");
    assert_eq!(&ws.binary().await[..], b"x");
    assert_eq!(ws.text().await, r#"420["ask",1]"#);
}

/// Clients that lose their connection repeatedly under load receive each event once and in order.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_connection_losses_lose_no_events() {
    const EVENTS: u64 = 3000;
    let running = start(recovering(), |io| {
        io.on_connect(|socket: Socket| async move { socket.join("all") });
    })
    .await;
    let io = running.io.clone();
    let clients: Vec<_> = (0..8).map(|client| tokio::spawn(unstable_client(running.addr, client))).collect();
    // Events start when all clients are in the room, so that no client misses the first ones.
    until(async || io.room_len("all") >= 8).await;
    for number in 0..EVENTS {
        io.to("all").emit("n", &number).await.unwrap();
        if number % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
    io.to("all").emit("end", &0).await.unwrap();
    for client in clients {
        let (numbers, drops) = tokio::time::timeout(Duration::from_secs(60), client).await.unwrap().unwrap();
        assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>());
        assert!(drops > 3, "only {drops} drops");
    }
}

/// Reads until the last event, and cuts its connection repeatedly.
async fn unstable_client(addr: std::net::SocketAddr, client: u64) -> (Vec<u64>, u32) {
    let mut numbers = Vec::new();
    let (mut who, mut drops): (Option<Identity>, _) = (None, 0);
    let mut random = client * 7919 + 1;
    loop {
        let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        ws.send(&who.as_ref().map_or_else(|| "40".to_owned(), reconnect_packet)).await;
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut left = 50 + (random >> 33) % 400;
        while left > 0 {
            let text = ws.text().await;
            if text.starts_with("40") {
                let (sid, pid) = identity(&text);
                match &mut who {
                    // A server that has not yet noticed the end of the old connection creates a new socket;
                    // the client then tries again.
                    Some(who) if who.sid != sid => break,
                    Some(_) => {}
                    None => who = Some(Identity { sid, pid, offset: String::new() }),
                }
                continue;
            }
            let event: Vec<Value> = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
            if event[0] == "end" {
                return (numbers, drops);
            }
            numbers.push(event[1].as_u64().unwrap());
            who.as_mut().unwrap().offset = event[2].as_str().unwrap().to_owned();
            left -= 1;
        }
        drops += 1;
        // An orderly close of the transport counts as a lost connection too, and the server notices it at
        // once.
        ws.close().await;
    }
}

#[tokio::test]
async fn a_client_without_offset_starts_anew() {
    let running = start(recovering(), |_| {}).await;
    let polling: Polling = running.polling().await;
    polling.post("40").await;
    let (sid, pid) = identity(&polling.poll().await);
    polling.post("1").await;
    let polling = running.polling().await;
    polling.post(&format!("40{}", json!({"pid": pid}))).await;
    assert_ne!(identity(&polling.poll().await).0, sid);
}

/// The handler of a disconnection may emit to its socket: the client gets the event when it returns.
#[tokio::test]
async fn an_emit_in_a_disconnect_handler_is_kept() {
    let mut left = None;
    let running = start(recovering(), |io| {
        io.on_disconnect(|socket: Socket| async move { socket.emit("missed", &1).unwrap() });
        left = Some(record_disconnects(io));
    })
    .await;
    let (ws, who) = connect_and_receive(&running).await;
    let socket = running.io.socket(&who.sid).unwrap();
    drop(ws);
    soon(left.as_mut().unwrap().recv()).await.unwrap();
    let mut ws = running.open().await;
    ws.send(&reconnect_packet(&who)).await;
    assert!(ws.text().await.starts_with(r#"42["missed",1,"#));
    assert_eq!(identity(&ws.text().await), (who.sid, who.pid));
    socket.emit("late", &1).unwrap_err();
}

/// A client that left on its own will is not awaited.
#[tokio::test]
async fn an_emit_to_a_socket_that_is_not_recoverable_fails() {
    let mut left = None;
    let running = start(recovering(), |io| left = Some(record_disconnects(io))).await;
    let (mut ws, who) = connect_and_receive(&running).await;
    let socket = running.io.socket(&who.sid).unwrap();
    ws.send("41").await;
    soon(left.as_mut().unwrap().recv()).await.unwrap();
    socket.emit("late", &1).unwrap_err();
}
