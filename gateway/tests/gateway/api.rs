//! HTTP API of operators, used by a backend without a connection.

use serde_json::{Value, json};
use tests::raw::{Request, until};

use crate::support::{Running, parsed, start};

const KEY: &str = "a key for backends";

fn post(path: &str, body: &str) -> Request {
    Request::new("POST", path).header("content-type", "application/json").body(body)
}

async fn call(running: &Running, path: &str, body: Value) -> (u16, Value) {
    let request = post(path, &body.to_string()).header("x-api-key", running.key());
    parsed(&request.send(running.addr).await)
}

#[tokio::test]
async fn events_reach_their_receivers() {
    let running = start(json!({})).await;
    let [mut native, mut socketio] = running.both().await;
    for client in [&native.id, &socketio.id] {
        let (status, joined) =
            call(&running, "/api/join_room", json!({"client_id": client, "room": "r"})).await;
        assert_eq!((status, &joined["success"]), (200, &json!(true)));
    }
    let (_, rooms) = running.get("/api/rooms").await;
    let mut clients = [native.id.clone(), socketio.id.clone()];
    clients.sort();
    assert_eq!(
        rooms,
        json!({"success": true, "data": {"rooms": [{"namespace": "/", "room": "r", "clients": clients}]}})
    );
    let reached = |n: usize| (200, json!({"success": true, "data": {"reached": n}}));
    let to_room = json!({"room": "r", "event": "e", "data": {"n": 1}});
    assert_eq!(call(&running, "/api/emit_to_room", to_room.clone()).await, reached(2));
    let to_one = json!({"client_id": native.id, "event": "one"});
    assert_eq!(call(&running, "/api/emit_to_client", to_one).await, reached(1));
    assert_eq!(call(&running, "/api/broadcast", json!({"event": "all", "data": "x"})).await, reached(2));
    for client in [&mut native, &mut socketio] {
        assert_eq!(client.heard("e").await, json!({"n": 1}));
    }
    assert_eq!(native.heard("one").await, Value::Null);
    for client in [&mut native, &mut socketio] {
        assert_eq!(client.heard("all").await, "x");
    }
    let left = call(&running, "/api/leave_room", json!({"client_id": native.id, "room": "r"})).await;
    assert_eq!(left, (200, json!({"success": true, "data": {"members": 1}})));
    assert_eq!(call(&running, "/api/emit_to_room", to_room).await, reached(1));
    assert_eq!(socketio.heard("e").await, json!({"n": 1}));
}

#[tokio::test]
async fn errors_of_calls_are_reported() {
    let running = start(json!({"transport": {"max_payload_bytes": 1000}})).await;
    let client = running.native("/").await;
    let large = json!({"event": "e", "data": "x".repeat(1000)}).to_string();
    let reserved = json!({"client_id": client.id, "event": "disconnect"}).to_string();
    let own = json!({"client_id": client.id, "room": "user:ada"}).to_string();
    for (path, body, status, code) in [
        ("/api/broadcast", "{", 400, "bad_request"),
        ("/api/broadcast", "{}", 400, "bad_request"),
        ("/api/broadcast", r#"["e"]"#, 400, "bad_request"),
        ("/api/batch", r#"{"calls": [["broadcast", {"event": "e"}]]}"#, 400, "bad_request"),
        ("/api/broadcast", r#"{"event": 1}"#, 400, "bad_request"),
        ("/api/broadcast", r#"{"event": "e", "dta": 1}"#, 400, "bad_request"),
        ("/api/broadcast", &large, 413, "too_large"),
        ("/api/broadcast", r#"{"event": "e", "namespace": "/nowhere"}"#, 404, "unknown_namespace"),
        ("/api/broadcast", r#"{"event": "e", "namespace": "/gateway"}"#, 404, "unknown_namespace"),
        ("/api/emit_to_room", r#"{"event": "e", "room": ""}"#, 400, "bad_request"),
        ("/api/emit_to_client", r#"{"event": "e", "client_id": "unknown"}"#, 404, "unknown_client"),
        ("/api/emit_to_client", &reserved, 400, "bad_request"),
        ("/api/join_room", &own, 400, "bad_request"),
        ("/api/nothing", "{}", 404, "not_found"),
    ] {
        let request = post(path, body).header("x-api-key", running.key());
        let (found, error) = parsed(&request.send(running.addr).await);
        assert_eq!((found, &error["error"]["code"]), (status, &json!(code)), "{path} {body}");
        assert!(error["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    let form = running.operator("POST", "/api/broadcast").body("event=e").send(running.addr).await;
    assert_eq!(form.status, 415);
    assert_eq!(running.get("/api/broadcast").await.0, 405);
}

#[tokio::test]
async fn only_operators_are_served() {
    let send = async |running: &Running, headers: &[(&str, &str)]| {
        let mut request = post("/api/broadcast", r#"{"event": "e"}"#);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send(running.addr).await.status
    };
    let keyless = start(json!({})).await;
    assert_eq!(send(&keyless, &[]).await, 401);
    assert_eq!(send(&keyless, &[("x-api-key", keyless.key())]).await, 200);
    assert_eq!(send(&keyless, &[("x-api-key", keyless.key()), ("origin", "https://evil.test")]).await, 403);
    assert_eq!(keyless.get("/api/rooms").await.0, 200);
    assert_ne!(keyless.key(), start(json!({})).await.key());
    let locked = start(json!({"api": {"keys": [KEY, "another key of ours"]}})).await;
    let bearer = format!("Bearer {KEY}");
    for (headers, status) in [
        (vec![], 401),
        (vec![("x-api-key", "a key for backendS")], 401),
        (vec![("x-api-key", KEY)], 200),
        (vec![("authorization", bearer.as_str())], 200),
        (vec![("authorization", KEY)], 401),
    ] {
        assert_eq!(send(&locked, &headers).await, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_user_is_all_of_its_connections() {
    let running = start(json!({"server": {"namespaces": ["/", "/chat"]}})).await;
    let [mut native, mut socketio] = running.both().await;
    let mut elsewhere = running.native("/?namespace=/chat").await;
    let mut other = running.native("/").await;
    let io = running.gateway.io();
    for client in [&native.id, &socketio.id] {
        io.socket(client).unwrap().join("user:ada");
    }
    io.namespace("/chat").unwrap().socket(&elsewhere.id).unwrap().join("user:ada");
    let emit = json!({"user": "ada", "event": "e", "data": 1});
    assert_eq!(call(&running, "/api/emit_to_user", emit.clone()).await.1["data"], json!({"reached": 2}));
    for client in [&mut native, &mut socketio] {
        assert_eq!(client.heard("e").await, 1);
    }
    let (_, listed) = running.get("/api/sockets?user=ada&limit=1").await;
    let mut ids = [native.id.clone(), socketio.id.clone()];
    ids.sort();
    assert_eq!(
        (&listed["data"]["sockets"][0]["id"], &listed["data"]["next"]),
        (&json!(ids[0]), &json!(ids[0]))
    );
    let (_, listed) = running.get(&format!("/api/sockets?user=ada&limit=1&after={}", ids[0])).await;
    assert_eq!(
        (&listed["data"]["sockets"][0]["id"], &listed["data"]["next"]),
        (&json!(ids[1]), &json!(null))
    );
    let (_, counts) = running.get("/api/counts").await;
    assert_eq!(counts["data"]["namespaces"]["/"], json!({"clients": 3, "rooms": 0, "users": 1}));
    assert_eq!(counts["data"]["connections"], json!({"native": 3, "polling": 0, "websocket": 1}));
    // Disconnect from all namespaces, over both protocols.
    let out = call(&running, "/api/disconnect", json!({"user": "ada"})).await;
    assert_eq!(out.1["data"], json!({"disconnected": 3}));
    native.ws.closed().await;
    elsewhere.ws.closed().await;
    assert_eq!(socketio.ws.text().await, "41");
    socketio.ws.closed().await;
    until(async || running.gateway.io().len() == 1).await;
    assert_eq!(call(&running, "/api/emit_to_user", emit).await.1["data"], json!({"reached": 0}));
    assert!(other.ask("ping", json!(null)).await["timestamp"].is_string());
}

#[tokio::test]
async fn clients_and_rooms_are_put_out() {
    let running = start(json!({})).await;
    let [mut native, mut socketio] = running.both().await;
    let mut member = running.native("/").await;
    member.ask("join", json!("r")).await;
    // Disconnect from the namespace only: the connection stays open.
    let only = json!({"client_id": socketio.id, "close": false});
    assert_eq!(call(&running, "/api/disconnect", only).await.1["data"], json!({"disconnected": 1}));
    assert_eq!(socketio.ws.text().await, "41");
    socketio.ws.send("40").await;
    assert!(socketio.ws.text().await.starts_with("40{"));
    assert_eq!(
        call(&running, "/api/disconnect", json!({"room": "r"})).await.1["data"],
        json!({"disconnected": 1})
    );
    member.ws.closed().await;
    assert!(native.ask("ping", json!(null)).await["timestamp"].is_string());
    for unclear in
        [json!({}), json!({"room": "r", "user": "u"}), json!({"client_id": native.id, "room": "r"})]
    {
        assert_eq!(call(&running, "/api/disconnect", unclear).await.0, 400);
    }
    let unknown = call(&running, "/api/disconnect", json!({"client_id": "unknown"})).await;
    assert_eq!((unknown.0, &unknown.1["error"]["code"]), (404, &json!("unknown_client")));
}

#[tokio::test]
async fn a_failed_call_does_not_stop_its_batch() {
    let running = start(json!({})).await;
    let mut client = running.native("/").await;
    let calls = json!([
        {"call": "join_room", "body": {"client_id": client.id, "room": "r"}},
        {"call": "emit_to_client", "body": {"client_id": "unknown", "event": "lost"}},
        {"call": "batch", "body": {"calls": []}},
        {"call": "emit_to_room", "body": {"room": "r", "event": "e", "data": [1]}},
    ]);
    let (status, done) = call(&running, "/api/batch", json!({"calls": calls})).await;
    assert_eq!((status, &done["success"]), (200, &json!(true)));
    let results = done["data"]["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 404, 400, 200]);
    assert_eq!((&results[0]["data"], &results[3]["data"]), (&json!({"members": 1}), &json!({"reached": 1})));
    assert_eq!(results[1]["error"]["code"], "unknown_client");
    assert_eq!(client.heard("e").await, json!([1]));
}

#[tokio::test]
async fn a_call_with_a_key_is_carried_out_once() {
    let running = start(json!({})).await;
    let mut client = running.native("/").await;
    let send = async |path: &str, key: &str, body: Value| {
        let request = post(path, &body.to_string()).header("x-api-key", running.key());
        request.header("idempotency-key", key).send(running.addr).await
    };
    let once = json!({"event": "e", "data": 1});
    for again in [None, Some("true")] {
        let response = send("/api/broadcast", "k1", once.clone()).await;
        assert_eq!(parsed(&response), (200, json!({"success": true, "data": {"reached": 1}})));
        assert_eq!(response.header("idempotency-replayed"), again);
    }
    for (path, body) in [("/api/broadcast", json!({"event": "other"})), ("/api/emit_to_room", once.clone())] {
        let reused = parsed(&send(path, "k1", body).await);
        assert_eq!((reused.0, &reused.1["error"]["code"]), (422, &json!("key_reused")));
    }
    for key in ["", &"k".repeat(256)] {
        assert_eq!(send("/api/broadcast", key, once.clone()).await.status, 400);
    }
    // A failed call may be repeated with the same key.
    let late = json!({"client_id": client.id, "event": "late"});
    assert_eq!(
        send("/api/emit_to_client", "k2", json!({"client_id": "unknown", "event": "e"})).await.status,
        404
    );
    assert_eq!(send("/api/emit_to_client", "k2", late).await.status, 200);
    assert_eq!(client.heard("e").await, 1);
    assert_eq!(client.heard("late").await, Value::Null);
}

/// The refusal of a request with a large body still reaches the caller.
#[tokio::test]
async fn refusals_come_through_behind_large_bodies() {
    let running = start(json!({"api": {"keys": [KEY]}, "transport": {"max_payload_bytes": 3_000_000}})).await;
    let large = json!({"event": "e", "data": "x".repeat(2_900_000)}).to_string();
    let sent = post("/api/broadcast", &large).send(running.addr).await;
    assert_eq!(parsed(&sent).0, 401);
    let form = Request::new("POST", "/api/broadcast").header("x-api-key", KEY).body(&large);
    assert_eq!(parsed(&form.send(running.addr).await).0, 415);
}

/// Limits of batches and lists hold for operators too.
#[tokio::test]
async fn lists_have_limits() {
    let running = start(json!({})).await;
    let calls =
        |number: usize| json!({"calls": vec![json!({"call": "broadcast", "body": {"event": "e"}}); number]});
    assert_eq!(call(&running, "/api/batch", calls(100)).await.0, 200);
    assert_eq!(call(&running, "/api/batch", calls(101)).await.0, 400);
    assert_eq!(running.get("/api/sockets?limit=1000").await.0, 200);
    assert_eq!(running.get("/api/sockets?limit=1001").await.0, 400);
}
