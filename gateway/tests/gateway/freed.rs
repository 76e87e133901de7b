//! A gateway that nothing holds any more is freed.

use std::sync::Arc;

use serde_json::json;
use tests::raw::{WebSocket, soon, until};

use crate::support::start;
use crate::webhook_backend::Backend;

const SECRET: &str = "a secret of more than 16 bytes";
const KEY: &str = "a key for operators";

/// The server owns its handlers, so none of them may hold the server. Clients use the handlers of all parts of
/// the gateway here: rooms, messages, tokens, webhooks, limits, and the statistics for operators.
#[tokio::test]
async fn a_dropped_gateway_is_freed_with_its_server() {
    let mut backend = Backend::start().await;
    let running = start(json!({
        "server": {"namespaces": ["/", "/tenant/{tenant}"], "drain_ms": 2_000},
        "api": {"keys": [KEY]},
        "auth": {"session_secret": SECRET, "keep_ms": 60_000},
        "webhooks": {"url": format!("http://{}/", backend.addr), "retries": 0},
        "limits": {"events_per_second": 1_000, "namespaces_per_connection": 4},
    }))
    .await;
    let owned_by_a_handler = Arc::new(());
    let freed = Arc::downgrade(&owned_by_a_handler);
    running.gateway.io().on("own", move || {
        let _ = &owned_by_a_handler;
        async {}
    });
    let target = format!("/?token={}", running.gateway.acquire_session(None).unwrap().token);
    let (mut native, _) = tokio::join!(running.native(&target), backend.lets_in());
    let (mut socketio, _) = tokio::join!(running.socketio(), backend.lets_in());
    for client in [&mut native, &mut socketio] {
        client.ask("join", json!("news")).await;
        client.ask("status", json!(null)).await;
        let (answer, ()) = tokio::join!(client.ask("for the backend", json!(1)), async {
            let emit = json!([{"event": "said", "namespace": "/", "broadcast": true, "others": true}]);
            backend.next("event").await.says(json!({"ack": "done", "emit": emit}));
        });
        assert_eq!(answer, "done");
    }
    let mut operator = WebSocket::open(running.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    operator.text().await;
    operator.send(&format!("40/gateway,{}", json!({"key": KEY}))).await;
    for prefix in ["40/gateway,{", "42/gateway,[\"stats\",", "42/gateway,[\"stats\","] {
        let text = operator.text().await;
        assert!(text.starts_with(prefix), "{text}");
    }
    let answering = tokio::spawn(async move {
        loop {
            backend.any().await.says(json!({}));
        }
    });
    soon(running.gateway.drain()).await;
    drop((running, native, socketio, operator));
    until(async || freed.strong_count() == 0).await;
    answering.abort();
}
