//! The native protocol: its clients are sockets like all others.

use serde_json::{Value, json};
use socketio_server::{Ack, Args, Binary, Data, RawArgs, Socket};
use tests::raw::{WebSocket, soon, until};

use crate::support::start;

#[tokio::test]
async fn a_clients_goodbye_is_answered() {
    let running = start(json!({})).await;
    let mut client = running.native("/").await;
    client.ws.close().await;
    let answer = soon(client.ws.next()).await;
    assert!(matches!(answer, Some(tokio_tungstenite::tungstenite::Message::Close(_))), "{answer:?}");
}

#[tokio::test]
async fn a_room_has_members_of_both_kinds() {
    let running = start(json!({})).await;
    let [mut native, mut socketio] = running.both().await;
    for client in [&mut native, &mut socketio] {
        client.emit("join", json!("news")).await;
        assert_eq!(client.heard("joined").await, json!({"room": "news"}));
    }
    let io = running.gateway.io();
    assert_eq!(io.room_len("news"), 2);
    io.to("news").emit("headline", &json!({"n": 1})).await.unwrap();
    io.to("news").except(native.id.as_str()).emit("not for native", &1).await.unwrap();
    io.to("news").emit("several", &Args((1, "two"))).await.unwrap();
    assert_eq!(native.heard("headline").await, json!({"n": 1}));
    assert_eq!(native.next().await, json!({"event": "several", "args": [1, "two"]}));
    assert_eq!(socketio.heard("headline").await, json!({"n": 1}));
    assert_eq!(socketio.heard("not for native").await, 1);
    let mut ids: Vec<String> = io.sockets().iter().map(|socket| socket.id().to_owned()).collect();
    ids.sort();
    let mut expected = [native.id.clone(), socketio.id.clone()];
    expected.sort();
    assert_eq!(ids, expected);

    native.ws.close().await;
    until(async || io.room_len("news") == 1).await;
}

#[tokio::test]
async fn answers_in_both_directions() {
    let running = start(json!({})).await;
    let io = running.gateway.io();
    io.on("double", |Data(number): Data<i64>| async move { Ack(number * 2) });
    let mut client = running.native("/some/path").await;
    assert_eq!(client.ask("double", json!(21)).await, 42);
    assert_eq!(
        client.ask("double", json!("x")).await["error"].as_str().map(|error| error.is_empty()),
        Some(false)
    );
    // Clients that request no acknowledgement receive the error as an event.
    assert_eq!(client.heard("error").await["event"], "double");

    let socket = io.socket(&client.id).unwrap();
    let asking = tokio::spawn(async move { socket.emit_with_ack::<Value>("question", &json!("why")).await });
    let question = client.next().await;
    assert_eq!((&question["event"], &question["data"]), (&json!("question"), &json!("why")));
    client.ws.send(&json!({"id": question["id"], "data": {"because": 1}}).to_string()).await;
    assert_eq!(soon(asking).await.unwrap().unwrap(), json!({"because": 1}));
}

#[tokio::test]
async fn binary_alone_and_attached() {
    let running = start(json!({"events": {"relay": false}})).await;
    let io = running.gateway.io();
    io.on("echo back", |socket: Socket, args: RawArgs| async move { socket.emit("echoed", &args) });
    let mut client = running.native("/").await;
    let socket = io.socket(&client.id).unwrap();
    let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
    socket.on("message", move |Data(data): Data<Binary>| {
        let sent = heard.send(data);
        async move { assert!(sent.is_ok()) }
    });

    client.ws.send_binary(&[0, 255]).await;
    assert_eq!(soon(hearing.recv()).await.unwrap().0[..], [0, 255]);
    client.heard("message_received").await;
    assert_eq!(client.ws.binary().await, [0, 255]);
    socket.emit("message", &Binary::from_static(&[7])).unwrap();
    assert_eq!(client.ws.binary().await, [7]);

    let placeholder = |num: u32| json!({"_placeholder": true, "num": num});
    let data = json!({"a": placeholder(0), "b": [placeholder(1)]});
    client.ws.send(&json!({"event": "echo back", "data": data, "attachments": 2}).to_string()).await;
    client.ws.send_binary(b"one").await;
    client.ws.send_binary(b"").await;
    assert_eq!(client.next().await, json!({"event": "echoed", "data": data, "attachments": 2}));
    assert_eq!(client.ws.binary().await, b"one");
    assert_eq!(client.ws.binary().await, b"");
}

/// The offset by which Socket.IO clients are recovered is no argument for native clients, which are not.
#[tokio::test]
async fn native_clients_receive_no_offsets() {
    let running = start(json!({"transport": {"recovery_ms": 60_000}})).await;
    let io = running.gateway.io();
    let [mut native, mut socketio] = running.both().await;
    let one = io.socket(&native.id).unwrap();
    io.emit("none", &Args(())).await.unwrap();
    io.emit("one", &json!(["a", ","])).await.unwrap();
    io.emit("several", &Args((1, "two"))).await.unwrap();
    io.emit("message", &Binary::from_static(&[7])).await.unwrap();
    one.emit("alone", &"text").unwrap();
    for expected in [
        json!({"event": "none"}),
        json!({"event": "one", "data": ["a", ","]}),
        json!({"event": "several", "args": [1, "two"]}),
    ] {
        assert_eq!(native.next().await, expected);
    }
    assert_eq!(native.ws.binary().await, [7]);
    assert_eq!(native.next().await, json!({"event": "alone", "data": "text"}));
    // Volatile events have no offset.
    io.volatile().emit("volatile", &"text").await.unwrap();
    assert_eq!(native.next().await, json!({"event": "volatile", "data": "text"}));
    // Socket.IO clients have it as the last argument.
    let text = socketio.ws.text().await;
    let event: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
    assert_eq!((&event[0], event[1].is_string(), &event[2]), (&json!("none"), true, &Value::Null));
}

/// JSON of a client is relayed unchanged.
#[tokio::test]
async fn big_numbers_and_the_order_of_keys_survive() {
    let running = start(json!({})).await;
    running.gateway.io().on("same", |args: RawArgs| async move { Ack(args) });
    let mut client = running.native("/").await;
    client.ws.send(r#"{"event":"same","id":2,"data":{"z":12345678901234567890123,"a":1.0}}"#).await;
    assert_eq!(client.ws.text().await, r#"{"id":2,"data":{"z":12345678901234567890123,"a":1.0}}"#);
}

#[tokio::test]
async fn the_namespace_is_a_query_parameter() {
    let running = start(json!({"server": {"namespaces": ["/", "/tenant/{name}"]}})).await;
    let mut client = running.native("/ws?namespace=/tenant/a&x=1").await;
    let io = running.gateway.io();
    let socket = io.of("/tenant/a").socket(&client.id).unwrap();
    assert_eq!(socket.params().get("name"), Some("a"));
    assert_eq!(socket.handshake().query().get("x"), Some("1"));
    assert_eq!(client.ask("status", json!(null)).await["connection"]["namespace"], "/tenant/a");
    assert!(io.is_empty());
    assert_eq!(WebSocket::open(running.addr, "/?namespace=/nowhere").await.err(), Some(404));
    for name in ["nowhere", "/a,b", "/a%0a", "/a%3fb"] {
        assert_eq!(
            WebSocket::open(running.addr, &format!("/?namespace={name}")).await.err(),
            Some(400),
            "{name}"
        );
    }
}

/// A refusal is the HTTP response, before the WebSocket is accepted.
#[tokio::test]
async fn a_middleware_refuses_with_a_status() {
    let running = start(json!({})).await;
    running.gateway.io().middleware(|socket: Socket| async move {
        match socket.handshake().query().get("token") {
            Some("good") if socket.handshake().header("x-more") == Some("2") => Ok(()),
            // The status comes from `data.code`; a message equal to one of the gateway's has no influence.
            Some("bad") => Err("unauthorized"),
            _ => Err("not allowed"),
        }
    });
    assert_eq!(WebSocket::open(running.addr, "/").await.err(), Some(403));
    assert_eq!(WebSocket::open(running.addr, "/?token=bad").await.err(), Some(403));
    let headers = [("x-more", "2")];
    assert!(WebSocket::open_with(running.addr, "/?token=good", &headers).await.is_ok());
    until(async || running.gateway.io().engine().stats().sessions <= 1).await;
}

#[tokio::test]
async fn invalid_messages_are_reported_and_too_many_close_the_connection() {
    let running = start(json!({})).await;
    let mut client = running.native("/").await;
    for (bad, said) in [
        ("{", "invalid message: "),
        (r#"{"event":"disconnect"}"#, "the event name disconnect is reserved"),
        (r#"{"data":1}"#, "`event` or `id` is missing"),
    ] {
        client.ws.send(bad).await;
        let error = client.heard("error").await;
        assert!(error["message"].as_str().unwrap().starts_with(said), "{error}");
    }
    // A valid message resets the count.
    assert!(client.ask("ping", json!(null)).await["timestamp"].is_string());
    for _ in 0..9 {
        client.ws.send("x").await;
        client.heard("error").await;
    }
    client.ws.send("x").await;
    assert_eq!(client.ws.closed().await, Some(1008));
    until(async || running.gateway.io().is_empty()).await;
}

#[tokio::test]
async fn too_large_messages_and_invalid_frames_close_the_connection() {
    let running = start(json!({"transport": {"max_payload_bytes": 1000}})).await;
    let mut client = running.native("/").await;
    client.ws.send(&"x".repeat(1001)).await;
    assert_eq!(client.ws.closed().await, Some(1009));
    until(async || running.gateway.io().is_empty()).await;
    let upgrade =
        tests::raw::Request::new("GET", "/").header("upgrade", "websocket").send(running.addr).await;
    assert_eq!((upgrade.status, upgrade.header("sec-websocket-version")), (400, Some("13")));
}

#[tokio::test]
async fn put_out_by_the_server() {
    let running = start(json!({})).await;
    let mut client = running.native("/").await;
    running.gateway.io().socket(&client.id).unwrap().disconnect(false);
    assert_eq!(client.ws.closed().await, Some(1008));
    until(async || running.gateway.io().engine().stats().sessions == 0).await;
}

/// Heartbeats are WebSocket pings: a client that does not answer them is disconnected.
#[tokio::test]
async fn heartbeats_reach_the_client() {
    let quick = json!({"transport": {"ping_interval_ms": 20, "ping_timeout_ms": 20_000}});
    let running = start(quick).await;
    let mut client = running.native("/").await;
    for _ in 0..3 {
        let next = client.ws.next().await.unwrap();
        assert!(next.is_ping(), "{next:?}");
    }

    let deaf = start(json!({"transport": {"ping_interval_ms": 20, "ping_timeout_ms": 50}})).await;
    let deaf_client = deaf.native("/").await;
    // The client does not read, so it sends no pong.
    until(async || deaf.gateway.io().is_empty()).await;
    drop(deaf_client);
}

/// The first message to a native client.
#[tokio::test]
async fn a_client_receives_the_protocol_that_it_speaks() {
    let running = start(json!({})).await;
    for (mut client, protocol) in running.both().await.into_iter().zip(["native", "socket.io"]) {
        assert_eq!(client.ask("status", json!(null)).await["connection"]["protocol"], protocol);
    }
}

/// A slow client receives everything in order; the translation between the protocols drops nothing.
#[tokio::test]
async fn many_messages_stay_in_order() {
    let running = start(json!({})).await;
    let mut client = running.native("/").await;
    let socket = running.gateway.io().socket(&client.id).unwrap();
    let filling = "x".repeat(1000);
    for number in 0..5000 {
        socket.emit("n", &json!([number, filling])).unwrap();
    }
    for number in 0..5000 {
        assert_eq!(client.heard("n").await[0], number);
    }
    for number in 0..2000 {
        client.emit("echo", json!(number)).await;
    }
    for number in 0..2000 {
        assert_eq!(client.heard("echo_response").await["received"], number);
    }
}

#[tokio::test]
async fn a_drain_disconnects_all_clients() {
    let running = start(json!({"server": {"drain_ms": 5000}})).await;
    let [mut native, mut socketio] = running.both().await;
    let gateway = running.gateway.clone();
    assert_eq!(running.get("/health/ready").await, (200, json!({"status": "ok"})));
    let draining = tokio::spawn(async move { gateway.drain().await });
    until(async || !running.gateway.is_ready()).await;
    assert!(native.ws.closed().await.is_some());
    socketio.ws.closed().await;
    soon(draining).await.unwrap();
    until(async || running.gateway.io().engine().stats().tasks == 0).await;
    // The port is closed.
    until(async || tokio::net::TcpStream::connect(running.addr).await.is_err()).await;
}
