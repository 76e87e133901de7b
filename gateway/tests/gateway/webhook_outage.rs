//! Webhooks during an outage of the backend: waiting and lost requests, and admission of clients.

use std::collections::HashMap;

use serde_json::json;
use tests::raw::{WebSocket, soon, until};
use tokio::task::JoinSet;

use crate::support::{Client, Running};
use crate::webhook_backend::{Backend, native};

/// Value of a metric, or `none`.
async fn sample(running: &Running, name: &str) -> String {
    let metrics = running.operator("GET", "/metrics").send(running.addr).await;
    let text = metrics.text();
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    line.and_then(|line| line.split(' ').nth(1)).unwrap_or("none").to_owned()
}

/// Waits until a metric has this value.
async fn until_sample(running: &Running, name: &str, value: &str) {
    until(async || sample(running, name).await == value).await;
}

/// Opens the circuit of a gateway with `failures` 1.
async fn open_circuit(client: &mut Client, backend: &mut Backend) {
    client.emit("e", json!(1)).await;
    backend.next("event").await.fails(500);
    client.heard("error").await;
}

#[tokio::test]
async fn an_outage_that_is_shorter_than_the_retries_loses_nothing() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"retries": 2, "failures": 3})).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(native(&running, &mut backend).await);
    }
    let mut asking = JoinSet::new();
    for mut client in clients.drain(..) {
        asking.spawn(async move { (client.ask("e", json!(1)).await, client) });
    }
    // The first two attempts of each request fail, for all clients in parallel.
    let mut tries = HashMap::new();
    for _ in 0..8 * 3 {
        let call = backend.next("event").await;
        let tried = tries.entry(call.body()["id"].to_string()).or_insert(0);
        *tried += 1;
        if *tried < 3 {
            call.fails(503);
        } else {
            call.says(json!({"ack": "done"}));
        }
    }
    while let Some(answered) = soon(asking.join_next()).await {
        let (answer, client) = answered.unwrap();
        assert_eq!(answer, "done");
        clients.push(client);
    }
    assert_eq!((tries.len(), clients.len()), (8, 8));
    assert_eq!(sample(&running, "gateway_webhook_circuit_opened_total").await, "0");
}

#[tokio::test]
async fn a_webhook_cut_off_between_two_attempts_is_a_failure() {
    let mut backend = Backend::start().await;
    // The backoff before the second attempt is longer than a connecting client waits.
    let settings =
        json!({"retries": 1, "backoff_ms": 10_000, "connect_ms": 50, "failures": 1, "open_ms": 3_600_000});
    let running = backend.gateway(settings).await;
    let asking = tokio::spawn(WebSocket::open(running.addr, "/"));
    backend.next("connect").await.fails(503);
    assert_eq!(soon(asking).await.unwrap().err(), Some(503));
    assert_eq!(sample(&running, "gateway_webhook_circuit_state").await, "2");
}

#[tokio::test]
async fn many_clients_right_after_an_outage_are_admitted_by_the_backend() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"failures": 1, "open_ms": 200})).await;
    let mut client = native(&running, &mut backend).await;
    open_circuit(&mut client, &mut backend).await;
    let mut coming = JoinSet::new();
    for _ in 0..200 {
        let addr = running.addr;
        coming.spawn(async move { WebSocket::open(addr, "/").await });
    }
    // One request probes the backend; the others wait for its result.
    let first = backend.next("connect").await;
    until_sample(&running, "gateway_webhooks_queued", "200").await;
    assert!(backend.is_quiet());
    first.says(json!({}));
    for _ in 1..200 {
        backend.lets_in().await;
    }
    let mut clients = Vec::new();
    while let Some(came) = soon(coming.join_next()).await {
        clients.push(came.unwrap().unwrap());
    }
    assert_eq!(clients.len(), 200);
    until(async || running.gateway.io().len() == 201).await;
}

#[tokio::test]
async fn events_wait_for_the_call_that_tries_the_backend() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"failures": 1, "open_ms": 50})).await;
    let mut ada = native(&running, &mut backend).await;
    let mut bob = native(&running, &mut backend).await;
    for is_back in [false, true] {
        open_circuit(&mut ada, &mut backend).await;
        let coming = tokio::spawn(WebSocket::open(running.addr, "/"));
        let first = backend.next("connect").await;
        bob.ws.send(r#"{"event":"e","id":1}"#).await;
        until_sample(&running, "gateway_webhooks_queued", "2").await;
        assert!(backend.is_quiet());
        if is_back {
            first.says(json!({}));
            backend.next("event").await.says(json!({"ack": "done"}));
            assert_eq!(bob.next().await, json!({"id": 1, "data": "done"}));
            soon(coming).await.unwrap().unwrap();
        } else {
            first.fails(500);
            assert_eq!(bob.heard("error").await["message"], "the backend is unavailable");
            assert_eq!(bob.next().await["data"], json!({"error": "the backend is unavailable"}));
            assert_eq!(soon(coming).await.unwrap().err(), Some(503));
            // An event does not wait until the circuit is half open; a connecting client does.
            native(&running, &mut backend).await.ws.close().await;
            backend.next("disconnect").await.says(json!({}));
        }
    }
}

#[tokio::test]
async fn a_client_that_waited_in_vain_was_not_seen_by_the_backend() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"failures": 1, "open_ms": 1, "connect_ms": 100})).await;
    let mut client = native(&running, &mut backend).await;
    open_circuit(&mut client, &mut backend).await;
    // An event probes the backend for longer than a connecting client waits.
    let trying = async {
        loop {
            client.emit("e", json!(1)).await;
            tokio::select! {
                call = backend.next("event") => break call,
                _ = client.heard("error") => {}
            }
        }
    };
    let trial = soon(trying).await;
    assert_eq!(WebSocket::open(running.addr, "/").await.err(), Some(503));
    trial.says(json!({"emit": [{"event": "done"}]}));
    client.heard("done").await;
    client.ws.close().await;
    assert_eq!(backend.next("disconnect").await.body()["socket"]["id"], client.id);
    assert!(backend.is_quiet());
}

#[tokio::test]
async fn errors_that_a_client_can_cause_admit_no_client() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({"when_down": "allow", "calls": ["connect"]})).await;
    for status in [400, 404, 429] {
        let asking = tokio::spawn(WebSocket::open(running.addr, "/"));
        backend.next("connect").await.fails(status);
        assert_eq!(soon(asking).await.unwrap().err(), Some(503), "{status}");
    }
    let asking = tokio::spawn(WebSocket::open(running.addr, "/"));
    backend.next("connect").await.says(json!({"alow": true}));
    assert_eq!(soon(asking).await.unwrap().err(), Some(503), "an answer that cannot be followed");
    for status in [500, 503] {
        let asking = tokio::spawn(WebSocket::open(running.addr, "/"));
        backend.next("connect").await.fails(status);
        assert!(soon(asking).await.unwrap().is_ok(), "{status}");
    }

    // The queue is full, and the backend works.
    let settings = json!({
        "when_down": "allow", "max_concurrent": 1, "connect_ms": 100, "timeout_ms": 60_000, "calls": ["connect", "event"],
    });
    let running = backend.gateway(settings).await;
    let mut client = native(&running, &mut backend).await;
    client.emit("e", json!(1)).await;
    let first = backend.next("event").await;
    assert_eq!(WebSocket::open(running.addr, "/").await.err(), Some(503), "it waited for others");
    first.says(json!({"emit": [{"event": "done"}]}));
    client.heard("done").await;
    assert!(backend.is_quiet());
}

#[tokio::test]
async fn a_client_that_fills_its_quota_blocks_no_other_client() {
    let mut backend = Backend::start().await;
    let settings =
        json!({"max_waiting": 4, "max_waiting_per_socket": 2, "max_waiting_bytes_per_socket": 2000});
    let running = backend.gateway(settings).await;
    let mut ada = native(&running, &mut backend).await;
    ada.emit("e", json!("x".repeat(2000))).await;
    let full = "the webhook queue of this client is full";
    assert_eq!(ada.heard("error").await["message"], full, "too many bytes");
    for _ in 0..5 {
        ada.emit("e", json!(1)).await;
    }
    for _ in 2..5 {
        assert_eq!(ada.heard("error").await["message"], full, "too many events");
    }
    let first = backend.next("event").await;
    let mut bob = native(&running, &mut backend).await;
    bob.emit("e", json!(1)).await;
    let other = backend.next("event").await;
    assert_eq!(other.body()["socket"]["id"], bob.id);
    for call in [other, first] {
        call.says(json!({}));
    }
    backend.next("event").await.says(json!({"emit": [{"event": "done"}]}));
    ada.heard("done").await;
}

#[tokio::test]
async fn a_temporarily_refused_client_loses_its_connection_and_reconnects() {
    let mut backend = Backend::start().await;
    let running = backend.gateway(json!({})).await;
    let handshake = "/socket.io/?EIO=4&transport=websocket";
    let mut ws = WebSocket::open(running.addr, handshake).await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws.send("40").await;
    backend.next("connect").await.fails(503);
    // The connection ends without a refusal before.
    ws.closed().await;
    assert_eq!(running.gateway.io().len(), 0);

    // A client in another namespace of the same connection stays connected.
    let namespaces = json!({"server": {"namespaces": ["/", "/chat"]}, "webhooks": {
        "url": format!("http://{}/", backend.addr), "retries": 0,
    }});
    let running = crate::support::start(namespaces).await;
    let (mut client, _) = tokio::join!(running.socketio(), backend.lets_in());
    client.ws.send("40/chat,").await;
    backend.next("connect").await.fails(503);
    let refused = r#"44/chat,{"message":"unavailable","data":{"code":"backend_unavailable"}}"#;
    assert_eq!(client.ws.text().await, refused);
    assert_eq!(running.gateway.io().len(), 1);
}

#[tokio::test]
async fn the_log_reports_outages_of_the_backend_and_lost_disconnects() {
    let mut backend = Backend::start().await;
    let url = format!("webhooks.url=http://{}/", backend.addr);
    let settings = ["webhooks.retries=0", "webhooks.failures=1", "webhooks.open_ms=1", "server.drain_ms=400"];
    let mut arguments = vec!["--set", &url];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let served = crate::cli::serve(&arguments).await;
    let open = || WebSocket::open(served.addr, "/");
    let (client, _) = tokio::join!(open(), backend.lets_in());
    let mut client = client.unwrap();
    client.send(r#"{"event":"e"}"#).await;
    backend.next("event").await.fails(500);
    let line = served.said("the backend is unavailable, webhooks are paused").await;
    assert_eq!(line["fields"]["reason"], "the backend responded with 500 Internal Server Error");
    let (other, _) = tokio::join!(open(), backend.lets_in());
    let line = served.said("the backend is available again").await;
    assert_eq!(line["fields"]["refused"], 0);
    served.signal("TERM").await;
    let line = served.said("disconnect webhooks were lost").await;
    assert_eq!(line["fields"]["disconnects"], 2);
    drop((client, other));
}
