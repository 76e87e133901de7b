//! Limits of webhooks: waiting requests, response size, and time.

use serde_json::json;
use tests::raw::{WebSocket, soon};

use crate::support::Running;
use crate::webhook_backend::{Backend, native};

/// Limit of the bytes of all waiting requests together, whichever client caused them.
#[tokio::test]
async fn queued_webhook_bytes_have_a_limit() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"max_waiting_bytes": 8000})).await;
    let mut ada = native(&running, &mut backend).await;
    let mut bob = native(&running, &mut backend).await;
    ada.emit("e", json!("x".repeat(5000))).await;
    let first = backend.next("event").await;
    bob.emit("e", json!("x".repeat(5000))).await;
    assert_eq!(bob.heard("error").await["message"], "the webhook queue is full");
    let held = running.operator("GET", "/metrics").send(running.addr).await;
    let held =
        held.text().lines().find_map(|line| line.strip_prefix("gateway_webhook_queued_bytes ")).unwrap();
    assert!((5000..6000).contains(&held.parse().unwrap()), "{held}");
    first.says(json!({"emit": [{"event": "done"}]}));
    ada.heard("done").await;
    bob.emit("e", json!("x".repeat(5000))).await;
    backend.next("event").await.says(json!({"emit": [{"event": "done"}]}));
    bob.heard("done").await;
}

/// Timeouts of one attempt and of all attempts for a connecting client. Nothing is left of them afterwards.
#[tokio::test]
async fn a_silent_backend_times_out() {
    let none_waits = async |running: &Running| loop {
        let metrics = soon(running.operator("GET", "/metrics").send(running.addr)).await;
        if metrics.text().contains("\ngateway_webhooks_queued 0\n") {
            break;
        }
    };
    let mut backend = Backend::start().await;
    let settings = json!({"timeout_ms": 50, "connect_ms": 120, "retries": 1000, "calls": ["connect"]});
    let running = backend.gateway(settings).await;
    assert_eq!(soon(WebSocket::open(running.addr, "/")).await.err(), Some(503));
    let _unanswered = backend.next("connect").await;
    soon(none_waits(&running)).await;

    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"timeout_ms": 50, "calls": ["event"]})).await;
    let mut client = running.native("/").await;
    client.emit("e", json!(null)).await;
    let _unanswered = backend.next("event").await;
    assert_eq!(client.heard("error").await["message"], "the backend did not respond in time");
    soon(none_waits(&running)).await;
}

/// Limit of a response: a backend cannot fill the memory of the gateway.
#[tokio::test]
async fn the_response_of_a_backend_has_a_limit() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({})).await;
    let mut client = native(&running, &mut backend).await;
    for (length, is_taken) in [(999_000, true), (1_000_001, false)] {
        client.emit("e", json!(null)).await;
        let padding = "x".repeat(length);
        backend.next("event").await.says(json!({"metadata": {"p": padding}, "emit": [{"event": "done"}]}));
        let heard = client.next().await;
        let expected = if is_taken { "done" } else { "error" };
        assert_eq!(heard["event"], expected, "{length}");
    }
    let metrics = running.operator("GET", "/metrics").send(running.addr).await;
    let sample = "gateway_webhooks_total{type=\"event\",outcome=\"too_long\"} 1";
    assert!(metrics.text().contains(sample), "{}", metrics.text());
}
