//! Webhooks, with a scripted backend, and with a Python backend that restarts.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::raw::{WebSocket, soon, until};
use tokio::net::TcpListener;

use crate::support::start;
use crate::webhook_backend::{Backend, SECRET, native};

#[tokio::test]
async fn saved_state_stays_until_the_client_has_joined() {
    let mut backend = Backend::start().await;
    let hooks = json!({"url": format!("http://{}/", backend.addr), "retries": 0, "calls": ["connect"]});
    let auth = json!({"session_secret": SECRET, "keep_ms": 3_600_000});
    let running = start(json!({"webhooks": hooks, "auth": auth})).await;
    let io = running.gateway.io();
    let target = format!("/?token={}", running.gateway.acquire_session(None).unwrap().token);
    let (mut client, _) = tokio::join!(running.native(&target), backend.lets_in());
    client.ask("join", json!("news")).await;
    client.ws.close().await;
    until(async || io.is_empty()).await;
    // The client reconnects while the backend fails.
    let (refused, ()) = tokio::join!(WebSocket::open(running.addr, &target), async {
        backend.next("connect").await.fails(500);
    });
    assert_eq!(refused.err(), Some(503));
    let (_client, told) = tokio::join!(running.native(&target), backend.lets_in());
    assert_eq!((io.room_len("news"), &told["socket"]["rooms"]), (1, &json!(["news"])));
}

#[tokio::test]
async fn the_backend_admits_and_refuses_clients() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({})).await;
    let refused = json!({"allow": false, "message": "not today", "data": {"until": "tomorrow"}});

    let target = "/?namespace=/&a=1";
    let asking =
        tokio::spawn(WebSocket::open_with(running.addr, target, &[("cookie", "c=2"), ("x-other", "3")]));
    let call = backend.next("connect").await;
    let body = call.body();
    let about = &body["socket"];
    assert_eq!(
        (&about["namespace"], &about["transport"], &about["user"]),
        (&json!("/"), &json!("native"), &json!(null))
    );
    assert_eq!(about["address"], "127.0.0.1");
    assert_eq!(body["query"]["a"], "1");
    assert_eq!(body["headers"], json!({"cookie": "c=2"}), "only those of the settings");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let (id, time) =
        (call.headers["webhook-id"].to_str().unwrap(), call.headers["webhook-timestamp"].to_str().unwrap());
    assert_eq!(body["id"], id);
    let signed = [format!("{id}.{time}.").as_bytes(), &call.text].concat();
    let signature = call.headers["webhook-signature"].to_str().unwrap().strip_prefix("v1,").unwrap();
    hmac::verify(&key, &signed, &STANDARD.decode(signature).unwrap()).unwrap();
    call.says(refused.clone());
    assert_eq!(soon(asking).await.unwrap().err(), Some(403));

    let mut ws = WebSocket::open(running.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws.send(r#"40{"token":"t"}"#).await;
    let call = backend.next("connect").await;
    assert_eq!(call.body()["auth"], json!({"token": "t"}));
    call.says(refused.clone());
    assert_eq!(ws.text().await, r#"44{"message":"not today","data":{"until":"tomorrow"}}"#);
    for status in [401, 403] {
        ws.send("40").await;
        backend.next("connect").await.fails(status);
        assert_eq!(ws.text().await, r#"44{"message":"unauthorized","data":{"code":"refused"}}"#);
    }

    let (mut ada, ()) = tokio::join!(running.native("/"), async {
        let allowed = json!({
            "allow": true, "user": "ada", "rooms": ["lobby"], "metadata": {"plan": "pro"},
            "emit": [{"event": "welcome", "data": {"n": 1}}, {"event": "came", "room": "lobby", "others": true}],
        });
        backend.next("connect").await.says(allowed);
    });
    assert_eq!(ada.heard("welcome").await, json!({"n": 1}));
    let io = running.gateway.io();
    assert_eq!((io.room_len("lobby"), io.room_len("user:ada"), io.len()), (1, 1, 1));
    ada.ws.close().await;
    let call = backend.next("disconnect").await;
    let body = call.body();
    assert_eq!(body["reason"], "transport close");
    let about = &body["socket"];
    assert_eq!((&about["id"], &about["user"]), (&json!(ada.id), &json!("ada")));
    assert_eq!((&about["rooms"], &about["metadata"]), (&json!(["lobby"]), &json!({"plan": "pro"})));
    call.says(json!({}));
    assert!(backend.is_quiet(), "those that it refused itself need no end");
}

#[tokio::test]
async fn the_backend_handles_events() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"events": ["join"]})).await;
    let mut ada = native(&running, &mut backend).await;
    let mut bob = native(&running, &mut backend).await;

    ada.ws.send(r#"{"event":"buy","id":1,"args":[{"sum": 12345678901234567890, "of": 1.0},2]}"#).await;
    let call = backend.next("event").await;
    let text = std::str::from_utf8(&call.text).unwrap();
    assert!(
        text.contains(r#""args":[{"sum": 12345678901234567890, "of": 1.0},2],"attachments":[],"ack":true"#),
        "{text}"
    );
    assert_eq!((&call.body()["event"], &call.body()["socket"]["id"]), (&json!("buy"), &json!(ada.id)));
    call.says(json!({
        "ack": {"price": 1.5}, "rooms": ["buyers"], "metadata": {"bought": 1},
        "emit": [
            {"event": "thanks"}, {"event": "to bob", "client_id": bob.id, "data": [1]},
            {"event": "sold", "broadcast": true, "others": true}, {"event": "nowhere", "namespace": "/none", "broadcast": true},
        ],
    }));
    assert_eq!(ada.heard("thanks").await, json!(null));
    assert_eq!(ada.next().await, json!({"id": 1, "data": {"price": 1.5}}));
    assert_eq!(bob.heard("to bob").await, json!([1]));
    assert_eq!(bob.heard("sold").await, json!(null));

    // Binary data, a built-in event that `webhooks.events` sends to the backend, and one that the gateway
    // handles.
    ada.ws.send(r#"{"event":"file","data":{"_placeholder":true,"num":0},"attachments":1}"#).await;
    ada.ws.send_binary(&[1, 2, 255]).await;
    let call = backend.next("event").await;
    assert_eq!((&call.body()["attachments"], &call.body()["ack"]), (&json!(["AQL/"]), &json!(false)));
    assert_eq!(call.body()["socket"]["metadata"], json!({"bought": 1}));
    call.says(json!({"leave": ["buyers"]}));
    assert!(ada.ask("ping", json!(null)).await["timestamp"].is_string());
    let answering = tokio::spawn(async move { (ada.ask("join", json!("r")).await, ada) });
    let call = backend.next("event").await;
    assert_eq!((&call.body()["event"], &call.body()["socket"]["rooms"]), (&json!("join"), &json!([])));
    call.says(json!({"disconnect": true, "ack": "no"}));
    let (answer, mut ada) = soon(answering).await.unwrap();
    assert_eq!(answer, "no");
    ada.ws.closed().await;
    assert_eq!(backend.next("disconnect").await.body()["reason"], "server namespace disconnect");
}

/// An event that names a room reaches its members, and the backend, which acknowledges it.
#[tokio::test]
async fn the_backend_receives_events_that_are_relayed() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"calls": ["connect", "event"]})).await;
    let mut ada = native(&running, &mut backend).await;
    let mut bob = native(&running, &mut backend).await;
    for client in [&mut ada, &mut bob] {
        client.ask("join", json!("r")).await;
    }
    let data = json!({"room": "r", "n": 1});
    ada.ws.send(&json!({"event": "typing", "id": 7, "data": data}).to_string()).await;
    assert_eq!(bob.heard("typing").await, data);
    let call = backend.next("event").await;
    assert_eq!((&call.body()["event"], &call.body()["args"]), (&json!("typing"), &json!([data])));
    call.says(json!({"ack": "noted"}));
    assert_eq!(ada.next().await, json!({"id": 7, "data": "noted"}));
}

#[tokio::test]
async fn webhooks_of_a_client_are_sent_in_order() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({})).await;
    let mut ada = native(&running, &mut backend).await;
    let mut bob = native(&running, &mut backend).await;
    for number in 0..3 {
        ada.emit("e", json!(number)).await;
    }
    let first = backend.next("event").await;
    // Another client does not wait for this response, nor does the same client's built-in event.
    bob.emit("e", json!("bob")).await;
    let other = backend.next("event").await;
    assert_eq!(other.body()["args"], json!(["bob"]));
    other.says(json!({}));
    assert!(ada.ask("ping", json!(null)).await["timestamp"].is_string());
    ada.ws.close().await;
    until(async || running.gateway.io().len() == 1).await;
    assert!(backend.is_quiet(), "its second event and its end wait");
    let mut call = first;
    for number in 0..3 {
        assert_eq!(call.body()["args"], json!([number]));
        call.says(json!({}));
        let kind = if number < 2 { "event" } else { "disconnect" };
        call = backend.next(kind).await;
    }
    assert_eq!(call.body()["socket"]["id"], ada.id);
}

#[tokio::test]
async fn a_client_that_disconnects_before_admission_is_reported() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({})).await;
    let mut ws = WebSocket::open(running.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws.send("40").await;
    let call = backend.next("connect").await;
    let id = call.body()["socket"]["id"].clone();
    ws.cut();
    until(async || running.gateway.io().engine().stats().sessions == 0).await;
    call.says(json!({"allow": true}));
    let body = backend.next("disconnect").await.body();
    assert_eq!((&body["socket"]["id"], &body["reason"]), (&id, &json!("not admitted")));
}

#[tokio::test]
async fn safe_webhooks_are_retried() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"retries": 2, "failures": 100})).await;
    let joining = async {
        let first = backend.next("connect").await;
        let id = first.body()["id"].clone();
        first.fails(500);
        let second = backend.next("connect").await;
        assert_eq!(
            (second.body()["id"].clone(), second.headers["webhook-id"].to_str().unwrap()),
            (id.clone(), id.as_str().unwrap())
        );
        // The connection breaks without a response.
        drop(second);
        assert_eq!(backend.lets_in().await["id"], id);
    };
    let (mut client, ()) = tokio::join!(running.native("/"), joining);

    // An event that the backend may have handled is not retried; one that it cannot have seen is.
    client.ws.send(r#"{"event":"e","id":1}"#).await;
    backend.next("event").await.fails(500);
    assert_eq!(client.heard("error").await["event"], "e");
    assert_eq!(
        client.next().await["data"],
        json!({"error": "the backend responded with 500 Internal Server Error"})
    );
    client.ws.send(r#"{"event":"e","id":2}"#).await;
    backend.next("event").await.fails(503);
    backend.next("event").await.says(json!({"ack": 1}));
    assert_eq!(client.next().await, json!({"id": 2, "data": 1}));
    // An error caused by the request itself is not retried.
    client.ws.send(r#"{"event":"e","id":3}"#).await;
    backend.next("event").await.fails(404);
    assert_eq!(client.heard("error").await["message"], "the backend responded with 404 Not Found");
    client.next().await;

    client.ws.close().await;
    for _ in 0..2 {
        backend.next("disconnect").await.fails(500);
    }
    backend.next("disconnect").await.says(json!({}));
    let metrics = running.operator("GET", "/metrics").send(running.addr).await;
    assert!(metrics.text().contains("\ngateway_webhook_retries_total 5\n"), "{}", metrics.text());
}

#[tokio::test]
async fn an_unavailable_backend_receives_no_requests() {
    let mut backend = Backend::start().await;
    // Two failures open the circuit; its duration is not under test.
    let running = backend.gateway(json!({"failures": 2, "open_ms": 3_600_000})).await;
    let mut client = native(&running, &mut backend).await;
    for _ in 0..2 {
        client.emit("e", json!(1)).await;
        backend.next("event").await.fails(500);
        client.heard("error").await;
    }
    // No request is sent any more, and clients get the error at once.
    assert_eq!(client.ask_refused("e").await, json!({"error": "the backend is unavailable"}));
    assert_eq!(WebSocket::open(running.addr, "/").await.err(), Some(503));
    let mut ws = WebSocket::open(running.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws.send("40").await;
    ws.closed().await;
    assert!(backend.is_quiet());
    let metrics = running.operator("GET", "/metrics").send(running.addr).await;
    for sample in [
        "gateway_webhook_circuit_state 2\n",
        "gateway_webhook_circuit_opened_total 1\n",
        "gateway_webhooks_total{type=\"event\",outcome=\"status\"} 2\n",
        "gateway_webhooks_total{type=\"event\",outcome=\"open\"} 1\n",
        "gateway_webhooks_total{type=\"connect\",outcome=\"answered\"} 1\n",
        "gateway_webhooks_total{type=\"connect\",outcome=\"open\"} 2\n",
        "gateway_webhooks_queued 0\n",
    ] {
        assert!(metrics.text().contains(sample), "{sample}{}", metrics.text());
    }

    // With `when_down = "allow"` clients are admitted without the backend, which receives their disconnects
    // once it is back.
    let running = backend.gateway(json!({"failures": 2, "open_ms": 1, "when_down": "allow"})).await;
    let (mut client, ()) = tokio::join!(running.native("/"), async {
        backend.next("connect").await.fails(500);
    });
    client.emit("e", json!(1)).await;
    backend.next("event").await.says(json!({"emit": [{"event": "done"}]}));
    client.heard("done").await;
    client.ws.close().await;
    backend.next("disconnect").await.says(json!({}));
}

#[tokio::test]
async fn queued_webhooks_have_a_limit() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"max_waiting": 3, "max_concurrent": 1})).await;
    let mut ada = native(&running, &mut backend).await;
    let mut bob = native(&running, &mut backend).await;
    let mut eve = native(&running, &mut backend).await;
    ada.emit("e", json!(1)).await;
    let first = backend.next("event").await;
    bob.emit("e", json!(2)).await;
    until(async || running.gateway.io().engine().traffic().received.messages >= 5).await;
    assert_eq!(eve.ask_refused("e").await, json!({"error": "the webhook queue is full"}));
    assert!(backend.is_quiet(), "one at a time");
    // The share reserved for `connect` is still free.
    let coming = tokio::spawn(WebSocket::open(running.addr, "/"));
    until(async || running.gateway.io().engine().stats().sessions == 4).await;
    first.says(json!({"emit": [{"event": "done"}]}));
    ada.heard("done").await;
    backend.next("event").await.says(json!({"emit": [{"event": "done"}]}));
    bob.heard("done").await;
    backend.lets_in().await;
    soon(coming).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_invalid_response_has_no_effect() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({})).await;
    let mut client = native(&running, &mut backend).await;
    for answer in ["{", "[]", r#"{"rooms": ["r", ""]}"#, r#"{"emit": [{"event": "disconnect"}]}"#] {
        client.emit("e", json!(1)).await;
        backend.next("event").await.answer.send((200, answer.to_owned())).unwrap();
        assert_eq!(client.heard("error").await["message"], "the response of the backend is invalid");
    }
    assert_eq!(running.gateway.io().room_len("r"), 0);
    // A client is refused if the response about it is invalid.
    let asking = tokio::spawn(WebSocket::open(running.addr, "/"));
    backend.next("connect").await.answer.send((200, r#"{"alow": true}"#.to_owned())).unwrap();
    assert_eq!(soon(asking).await.unwrap().err(), Some(503));
    backend.next("disconnect").await.says(json!({}));
}

#[tokio::test]
async fn a_drain_sends_all_disconnect_webhooks() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({})).await;
    let client = native(&running, &mut backend).await;
    let leaving = running.gateway.clone();
    let drained = tokio::spawn(async move { leaving.drain().await });
    let call = backend.next("disconnect").await;
    assert_eq!(
        (&call.body()["socket"]["id"], &call.body()["reason"]),
        (&json!(client.id), &json!("server shutting down"))
    );
    assert!(!drained.is_finished());
    call.says(json!({}));
    soon(drained).await.unwrap();
}

/// The Python backend of the README, killed and restarted while npm clients are connected.
#[tokio::test]
async fn the_python_backend_may_restart() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let hooks = json!({
        "url": format!("http://127.0.0.1:{port}/"), "secrets": [SECRET],
        "failures": 1, "open_ms": 100, "backoff_ms": 100, "retries": 5, "connect_ms": 500,
    });
    let running = start(json!({"webhooks": hooks})).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/webhooks/backend.py");
    let url = format!("http://{}", running.addr);
    tests::node::run("webhooks.mjs", &[&url, script, &port.to_string(), SECRET]).await;
}
