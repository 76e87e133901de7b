//! The HTTP API, by a backend that is not connected.

use serde_json::{Value, json};
use tests::raw::Request;

use crate::support::{Running, parsed, start};

const KEY: &str = "a key for backends";

fn post(path: &str, body: &str) -> Request {
    Request::new("POST", path).header("content-type", "application/json").body(body)
}

async fn call(running: &Running, path: &str, body: Value) -> (u16, Value) {
    parsed(&post(path, &body.to_string()).send(running.addr).await)
}

#[tokio::test]
async fn events_reach_whom_they_are_for() {
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
async fn what_is_wrong_is_said() {
    let running = start(json!({"transport": {"max_payload_bytes": 1000}})).await;
    let client = running.native("/").await;
    let large = json!({"event": "e", "data": "x".repeat(1000)}).to_string();
    let reserved = json!({"client_id": client.id, "event": "disconnect"}).to_string();
    let own = json!({"client_id": client.id, "room": "user:ada"}).to_string();
    for (path, body, status, code) in [
        ("/api/broadcast", "{", 400, "bad_request"),
        ("/api/broadcast", "{}", 400, "bad_request"),
        ("/api/broadcast", r#"{"event": 1}"#, 400, "bad_request"),
        ("/api/broadcast", r#"{"event": "e", "dta": 1}"#, 400, "bad_request"),
        ("/api/broadcast", &large, 413, "too_large"),
        ("/api/broadcast", r#"{"event": "e", "namespace": "/nowhere"}"#, 404, "unknown_namespace"),
        ("/api/broadcast", r#"{"event": "e", "namespace": "/gateway"}"#, 404, "unknown_namespace"),
        ("/api/emit_to_room", r#"{"event": "e", "room": ""}"#, 400, "bad_request"),
        ("/api/emit_to_client", r#"{"event": "e", "client_id": "nobody"}"#, 404, "unknown_client"),
        ("/api/emit_to_client", &reserved, 400, "bad_request"),
        ("/api/join_room", &own, 400, "bad_request"),
        ("/api/nothing", "{}", 404, "not_found"),
    ] {
        let (found, error) = parsed(&post(path, body).send(running.addr).await);
        assert_eq!((found, &error["error"]["code"]), (status, &json!(code)), "{path} {body}");
        assert!(error["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    let form = Request::new("POST", "/api/broadcast").body("event=e").send(running.addr).await;
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
    let open = start(json!({})).await;
    assert_eq!(send(&open, &[]).await, 200);
    assert_eq!(send(&open, &[("x-forwarded-for", "192.0.2.1")]).await, 401);
    assert_eq!(send(&open, &[("origin", "https://evil.test")]).await, 403);
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
