//! The official admin UI at a gateway. Its protocol has tests of its own, `tests/socketio/admin.rs`.

use serde_json::{Value, json};
use tests::raw::WebSocket;

use crate::support::{Running, start};

/// The hash of `changeit`.
const HASH: &str = "$2a$04$1et7WCAXJnJEKLFQGEy2z.GbZCvbtdOCR1Pzooxz3ID88JtTe8yZu";

/// Connects as a page does. Returns the answer.
async fn page(running: &Running, password: &str) -> (WebSocket, String) {
    let target = "/socket.io/?EIO=4&transport=websocket";
    let mut ws = WebSocket::open(running.addr, target).await.unwrap();
    ws.text().await;
    ws.send(&format!("40/admin,{}", json!({"username": "admin", "password": password}))).await;
    let answer = ws.text().await;
    (ws, answer)
}

/// The first argument of the next event of this name.
async fn event(ws: &mut WebSocket, name: &str) -> Value {
    let start = format!("42/admin,[\"{name}\",");
    loop {
        let text = ws.text().await;
        if text.starts_with(&start) {
            let event: Value = serde_json::from_str(&text["42/admin,".len()..]).unwrap();
            return event[1].clone();
        }
    }
}

#[tokio::test]
async fn operators_see_the_gateway_and_change_nothing_by_default() {
    let running = start(json!({"admin_ui": {"password_hash": HASH}})).await;
    let (_, answer) = page(&running, "wrong").await;
    assert_eq!(answer, r#"44/admin,{"message":"invalid credentials"}"#);
    let _clients = running.both().await;
    let (mut ws, answer) = page(&running, "changeit").await;
    assert!(answer.starts_with("40/admin,"), "{answer}");
    let config = event(&mut ws, "config").await;
    assert_eq!(config, json!({"supportedFeatures": ["AGGREGATED_EVENTS"]}));
    let stats = event(&mut ws, "server_stats").await;
    let mut namespaces = stats["namespaces"].as_array().unwrap().clone();
    namespaces.sort_by_key(|namespace| namespace["name"].to_string());
    let expected = json!([{"name": "/", "socketsCount": 2}, {"name": "/admin", "socketsCount": 1}]);
    assert_eq!(Value::from(namespaces), expected);
}

#[tokio::test]
async fn without_a_hash_there_is_no_admin_ui() {
    let running = start(json!({})).await;
    let (_, answer) = page(&running, "changeit").await;
    assert_eq!(answer, r#"44/admin,{"message":"Invalid namespace"}"#);
}

#[tokio::test]
async fn settings_turn_on_commands_and_lists() {
    let settings = json!({"password_hash": HASH, "read_only": false, "mode": "development"});
    let running = start(json!({"admin_ui": settings})).await;
    let mut client = running.socketio().await;
    let (mut ws, _) = page(&running, "changeit").await;
    let sockets = event(&mut ws, "all_sockets").await;
    assert_eq!(sockets.as_array().unwrap().len(), 2, "{sockets}");
    ws.send(r#"42/admin,["emit","/",null,"told",1]"#).await;
    assert_eq!(client.heard("told").await, 1);
}
