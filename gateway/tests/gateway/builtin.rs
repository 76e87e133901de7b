//! Built-in events of an unmodified gateway, over both protocols.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use socketio_server::Ack;
use tests::raw::{Request, WebSocket, until};

use crate::support::start;

#[tokio::test]
async fn queries_are_answered_by_event_and_acknowledgement() {
    for native in [true, false] {
        let running = start(json!({})).await;
        let mut client = if native { running.native("/").await } else { running.socketio().await };
        for (event, data, answer) in [
            ("ping", json!({}), "pong"),
            ("status", json!({}), "status_response"),
            ("echo", json!({"message": "é"}), "echo_response"),
            ("info", json!({}), "info_response"),
            ("message", json!({"content": "hello"}), "message_received"),
        ] {
            client.emit(event, data.clone()).await;
            let by_event = client.heard(answer).await;
            assert!(by_event.is_object());
            let by_ack = client.ask(event, data).await;
            let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&by_ack), keys(&by_event));
        }
        let echoed = client.ask("echo", json!([1, null])).await;
        assert_eq!((&echoed["received"], &echoed["socketId"]), (&json!([1, null]), &json!(client.id)));
        assert_eq!(client.ask("status", json!(null)).await["server"]["status"], "ok");
        client.ask("join", json!("a")).await;
        let session = client.ask("info", json!(null)).await["session"].take();
        assert_eq!((&session["rooms"], &session["isLoggedIn"]), (&json!(["a"]), &json!(false)));
    }
}

#[tokio::test]
async fn messages_reach_the_others_in_the_room() {
    let running = start(json!({})).await;
    let [mut native, mut socketio] = running.both().await;
    let mut outsider = running.native("/").await;
    for (client, event) in [(&mut native, "join"), (&mut socketio, "room:join")] {
        assert_eq!(client.ask(event, json!({"room": "r"})).await, json!({"room": "r"}));
    }
    let received = native.ask("message", json!({"room": "r", "content": {"text": "hi"}})).await;
    assert_eq!(received["success"], true);
    let message = socketio.heard("message").await;
    assert_eq!(
        (&message["from"], &message["room"], &message["content"]),
        (&json!(native.id), &json!("r"), &json!({"text": "hi"}))
    );
    socketio.emit("message", json!("to all")).await;
    for client in [&mut native, &mut outsider] {
        let message = client.heard("message").await;
        assert_eq!((&message["content"], &message["room"]), (&json!("to all"), &json!(null)));
    }
    // A client that is not in the room cannot send to it.
    let refused = outsider.ask("message", json!({"room": "r", "content": 1})).await;
    assert_eq!(refused["error"], "not a member of this room");
    // An application event is relayed to the room that it names.
    socketio.heard("message_received").await;
    outsider.emit("typing", json!({"room": "r"})).await;
    native.emit("typing", json!({"room": "r", "who": "n"})).await;
    assert_eq!(socketio.heard("typing").await, json!({"room": "r", "who": "n"}));
    // A client that left receives nothing more.
    assert_eq!(socketio.ask("leave", json!("r")).await, json!({"room": "r"}));
    native.emit("typing", json!({"room": "r"})).await;
    native.emit("message", json!("last")).await;
    assert_eq!(socketio.heard("message").await["content"], "last");
}

/// Lists in place of objects are refused: serde would read the items as the fields in their order.
#[tokio::test]
async fn a_list_is_not_accepted_in_place_of_an_object() {
    let running = start(json!({})).await;
    let [mut native, mut socketio] = running.both().await;
    for client in [&mut native, &mut socketio] {
        client.ask("join", json!("lobby")).await;
        for event in ["join", "leave", "join_room", "leave_room"] {
            client.emit(event, json!(["lobby"])).await;
            let error = client.heard("error").await;
            let message = error["message"].as_str().unwrap();
            assert_eq!(error["event"], event);
            assert!(message.ends_with("the name of a room, or an object {room}, is expected"), "{message}");
            assert_eq!(client.ask(event, json!(["lobby"])).await, json!({"error": message}));
            assert_eq!(client.heard("error").await, error);
        }
        let refused = client.ask("authenticate", json!(["token"])).await;
        assert!(refused["error"].as_str().unwrap().contains("expected an object"), "{refused}");
        assert_eq!(client.heard("error").await["event"], "authenticate");
    }
    native.emit("typing", json!(["lobby"])).await;
    native.emit("message", json!(["lobby", "hi"])).await;
    let message = socketio.heard("message").await;
    assert_eq!((&message["room"], &message["content"]), (&json!(null), &json!(["lobby", "hi"])));
}

#[tokio::test]
async fn reserved_rooms_cannot_be_joined() {
    let running = start(json!({"events": {"max_rooms": 2}})).await;
    let [mut native, mut socketio] = running.both().await;
    for (room, said) in [
        (json!(""), "a room name is empty"),
        (json!("x".repeat(257)), "a room name is longer than 256 bytes"),
        (json!("user:ada"), "room names with the prefix user: are reserved"),
        (json!(socketio.id), "the room name is the id of a socket"),
    ] {
        assert_eq!(native.ask("join", room).await["error"], said);
    }
    for room in ["a", "b", "a"] {
        assert_eq!(socketio.ask("join", json!(room)).await, json!({"room": room}));
    }
    socketio.emit("join", json!("c")).await;
    assert_eq!(socketio.heard("error").await, json!({"event": "join", "message": "more than 2 rooms"}));
    assert!(native.ask("join", json!(5)).await["error"].is_string());

    let closed = start(json!({"events": {"join": false, "relay": false}})).await;
    let [mut native, mut socketio] = closed.both().await;
    let refused = native.ask("join", json!("a")).await;
    assert_eq!(refused["error"], "events.join is off: clients cannot join rooms");
    native.emit("message", json!("for an empty room")).await;
    assert_eq!(native.heard("message_received").await["success"], true);
    assert!(socketio.ask("ping", json!(null)).await["timestamp"].is_string(), "and nothing came before");
}

#[tokio::test]
async fn events_without_a_handler_are_relayed() {
    let running = start(json!({})).await;
    let [mut native, mut socketio] = running.both().await;
    for client in [&mut native, &mut socketio] {
        client.ask("join", json!("r")).await;
    }
    for event in ["room:message", "message_room", "room:ping", "typing_room"] {
        native.emit(event, json!({"room": "r", "n": 1})).await;
        assert_eq!(socketio.heard(event).await, json!({"room": "r", "n": 1}));
    }
}

/// The embedding program decides about the events that it handles. An event that is relayed has no
/// acknowledgement.
#[tokio::test]
async fn an_event_with_a_handler_is_not_relayed() {
    let running = start(json!({})).await;
    running.gateway.io().on("own", || async { Ack("handled") });
    let [mut native, mut socketio] = running.both().await;
    for client in [&mut native, &mut socketio] {
        client.ask("join", json!("r")).await;
    }
    assert_eq!(native.ask("own", json!({"room": "r"})).await, "handled");
    native.ws.send(r#"{"event":"typing","id":7,"data":{"room":"r"}}"#).await;
    assert_eq!(socketio.heard("typing").await, json!({"room": "r"}), "and nothing came before");
    native.ws.send(r#"{"event":"echo","id":8,"data":[1.0]}"#).await;
    assert_eq!(native.heard("echo_response").await["received"], json!([1.0]), "and nothing came before");
    let acknowledged = native.next().await;
    assert_eq!((&acknowledged["id"], &acknowledged["data"]["received"]), (&json!(8), &json!([1.0])));
}

#[tokio::test]
async fn clients_cannot_send_events_of_the_server() {
    let running = start(json!({})).await;
    let [mut native, mut socketio] = running.both().await;
    for client in [&mut native, &mut socketio] {
        client.ask("join", json!("r")).await;
    }
    for event in
        ["error", "connected", "joined", "left", "message_received", "pong", "echo_response", "stats"]
    {
        native.emit(event, json!({"room": "r", "message": "the token has expired"})).await;
        let error = native.heard("error").await;
        assert_eq!(error["event"], event);
    }
    native.emit("typing", json!({"room": "r"})).await;
    assert_eq!(socketio.heard("typing").await, json!({"room": "r"}), "and nothing came before");
}

/// A relayed event cannot imitate an event of the server.
#[tokio::test]
async fn native_clients_distinguish_relayed_events_from_those_of_the_server() {
    let running = start(json!({})).await;
    let [mut native, mut socketio] = running.both().await;
    let mut sender = running.native("/").await;
    for client in [&mut native, &mut socketio, &mut sender] {
        client.ask("join", json!("r")).await;
    }
    let data = json!({"room": "r", "n": 1});
    // Whatever a client writes there.
    let forged = json!({"event": "order", "data": data, "from": socketio.id});
    sender.ws.send(&forged.to_string()).await;
    assert_eq!(native.next().await, json!({"event": "order", "data": data, "from": sender.id}));
    assert_eq!(socketio.ws.text().await, format!(r#"42["order",{data}]"#), "as it was sent");
    let io = running.gateway.io();
    io.to("r").emit("order", &data).await.unwrap();
    assert_eq!(native.next().await, json!({"event": "order", "data": data}));
    assert_eq!(socketio.ws.text().await, format!(r#"42["order",{data}]"#));

    // The same with a listener of what goes out, by another way in the server, and from the other protocol.
    let id = native.id.clone();
    let _listening = io.socket(&id).unwrap().on_any_outgoing(|_: &str, _: &socketio_server::RawArgs| {});
    socketio.emit("order", data.clone()).await;
    assert_eq!(native.next().await, json!({"event": "order", "data": data, "from": socketio.id}));
    socketio.emit("message", json!("hello")).await;
    let message = native.next().await;
    assert_eq!((&message["from"], &message["data"]["from"]), (&json!(socketio.id), &json!(socketio.id)));
    socketio.ws.send(r#"451-["message",{"_placeholder":true,"num":0}]"#).await;
    socketio.ws.send_binary(&[7]).await;
    let placeholder = json!({"_placeholder": true, "num": 0});
    let binary = json!({"event": "message", "data": placeholder, "attachments": 1, "from": socketio.id});
    assert_eq!(native.next().await, binary);
    assert_eq!(native.ws.binary().await, [7]);
    io.socket(&id).unwrap().emit("message", &socketio_server::Binary::from_static(&[8])).unwrap();
    assert_eq!(native.ws.binary().await, [8], "without a word before it");
}

#[tokio::test]
async fn no_room_has_the_name_of_another_socket_in_a_pattern() {
    let running = start(json!({"server": {"namespaces": ["/tenant/{t}"]}})).await;
    let mut first = running.native("/?namespace=/tenant/a").await;
    let second = running.native("/?namespace=/tenant/a").await;
    let refused = first.ask("join", json!(second.id)).await;
    assert_eq!(refused, json!({"error": "the room name is the id of a socket"}));
}

/// Echo keeps the original JSON text: a parsed tree would lose digits and key order, and need a limit of
/// depth.
#[tokio::test]
async fn echo_and_message_answer_byte_by_byte() {
    let running = start(json!({})).await;
    let mut ws = WebSocket::open(running.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    assert!(ws.text().await.starts_with("42[\"connected\""));
    let large = format!("[{}1]", "{\"\":0},".repeat(50_000));
    for sent in ["{\"b\":1.000000000000000000001,\"a\":0,\"b\":1e400}", &large] {
        for (event, field) in [("echo", "received"), ("message", "data")] {
            ws.send(&format!("421[\"{event}\",{sent}]")).await;
            let expected = format!("\"{field}\":{sent}");
            for _ in 0..2 {
                let answer = ws.text().await;
                assert!(answer.contains(&expected), "{event}");
            }
        }
    }
}

/// A client that knows the id of a session could read and send as its client.
#[tokio::test]
async fn the_id_of_a_version_2_client_does_not_open_its_session() {
    let running = start(json!({"transport": {"allow_eio3": true}})).await;
    let mut observer = running.native("/").await;
    let mut ws = WebSocket::open(running.addr, "/socket.io/?EIO=3&transport=websocket").await.unwrap();
    let open = ws.text().await;
    let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    let session = open["sid"].as_str().unwrap();
    assert_eq!(ws.text().await, "40");
    let connected: Value = serde_json::from_str(ws.text().await.strip_prefix("42").unwrap()).unwrap();
    ws.send(r#"42["message","hello"]"#).await;
    let message = observer.heard("message").await;
    let id = message["from"].as_str().unwrap();
    assert_ne!(id, session);
    assert_eq!(connected[1]["socketId"], id, "the client hears which one it has");
    for protocol in [3, 4] {
        let poll = format!("/socket.io/?EIO={protocol}&transport=polling&sid={id}");
        assert_eq!(Request::new("GET", &poll).send(running.addr).await.status, 400);
    }
    // The API and the checks of room names use this id.
    let sockets = running.operator("GET", "/api/sockets").send(running.addr).await;
    assert!(sockets.text().contains(id) && !sockets.text().contains(session), "{}", sockets.text());
    assert_eq!(observer.ask("join", json!(id)).await["error"], "the room name is the id of a socket");
    assert!(ws.text().await.starts_with(r#"42["message_received","#));
    let call = running.operator("POST", "/api/emit_to_client").header("content-type", "application/json");
    let call = call.body(json!({"client_id": id, "event": "e"}).to_string()).send(running.addr).await;
    assert_eq!(call.status, 200, "{}", call.text());
    assert_eq!(ws.text().await, r#"42["e",null]"#);
}

/// Buffer for log lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn clients_cause_no_log_lines() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::DEBUG);
    // The default subscriber is per thread, and all tasks of this test run on this thread.
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
    let limits = json!({"events_per_second": 1, "burst_seconds": 1, "excess": "refuse"});
    let running = start(json!({"limits": limits})).await;
    let mut client = running.socketio().await;
    let event = format!("a\n\u{1b}[31mforged{}", "x".repeat(1000));
    let packet = format!("42{}", json!([event, 1]));
    client.ws.send_together([packet.clone(), packet.clone(), packet]).await;
    until(async || log.text().contains("event or acknowledgement dropped")).await;
    let text = log.text();
    assert!(text.contains(r"error=a\n\u{1b}[31mforgedxxx"), "{text}");
    assert!(
        !text.contains('\u{1b}') && !text.contains("\nforged") && !text.contains(&"x".repeat(64)),
        "{text}"
    );
}

/// Answers to binary data, and messages with binary content, have the data and no placeholders without it.
#[tokio::test]
async fn binary_data_comes_back_and_reaches_the_others() {
    let running = start(json!({})).await;
    let [mut native, mut socketio] = running.both().await;
    for client in [&mut native, &mut socketio] {
        client.ask("join", json!("r")).await;
    }
    let placeholder = json!({"_placeholder": true, "num": 0});

    // With an acknowledgement, which has the same content as the event.
    for (event, data) in [
        ("echo", json!({"file": placeholder})),
        ("echo", placeholder.clone()),
        ("message", json!({"room": "r", "content": [placeholder]})),
    ] {
        let key = if event == "echo" { "received" } else { "data" };
        socketio.ws.send(&format!("451-1{}", json!([event, data]))).await;
        socketio.ws.send_binary(&[1, 2]).await;
        for head in [format!(r#"451-["{event}"#), "461-1[".to_owned()] {
            let mut text = socketio.ws.text().await;
            while text.starts_with("42[\"joined\"") {
                text = socketio.ws.text().await;
            }
            assert!(text.starts_with(&head) && text.contains(&format!(r#""{key}":{data}"#)), "{text}");
            assert_eq!(socketio.ws.binary().await, [1, 2]);
        }
    }
    // The message has the form of one without binary data.
    let mut message = native.next().await;
    while message["event"] != "message" {
        message = native.next().await;
    }
    assert_eq!((&message["attachments"], &message["from"]), (&json!(1), &json!(socketio.id)));
    let data = &message["data"];
    assert_eq!((&data["from"], &data["room"]), (&json!(socketio.id), &json!("r")));
    assert_eq!(data["content"], json!([placeholder]));
    assert_eq!(native.ws.binary().await, [1, 2]);

    // A binary message alone.
    native.ws.send_binary(&[3]).await;
    let received = native.next().await;
    assert_eq!((&received["event"], &received["attachments"]), (&json!("message_received"), &json!(1)));
    assert_eq!(received["data"]["data"], placeholder);
    assert_eq!(native.ws.binary().await, [3]);
    assert_eq!(socketio.ws.text().await, format!(r#"451-["message",{placeholder}]"#));
    assert_eq!(socketio.ws.binary().await, [3]);
}
