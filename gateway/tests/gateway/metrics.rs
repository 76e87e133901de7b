//! Metrics in the format of Prometheus.

use std::collections::BTreeMap;

use serde_json::json;
use tests::raw::{Request, WebSocket, until};

use crate::support::{Running, start};

/// All samples, parsed strictly: each belongs to a family that was announced before it.
pub(crate) async fn read(running: &Running) -> BTreeMap<String, u64> {
    let response = running.operator("GET", "/metrics").send(running.addr).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    samples(response.text())
}

fn samples(text: &str) -> BTreeMap<String, u64> {
    assert!(text.ends_with('\n'));
    let mut families = BTreeMap::new();
    let mut samples = BTreeMap::new();
    let mut helped = None;
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, about) = help.split_once(' ').unwrap();
            assert!(about.ends_with('.'), "{line}");
            helped = Some(name);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(helped, Some(name));
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(families.insert(name, kind).is_none(), "{name} comes twice");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let mut family = name;
            if families.get(helped.unwrap()) == Some(&"histogram") {
                let parts = ["_bucket", "_sum", "_count"];
                family = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap();
            }
            assert_eq!(helped, Some(family), "a family's samples follow it");
            // Only times have a fraction, and no test compares them.
            let value: f64 = value.parse().unwrap();
            let before = samples.insert(series.to_owned(), value as u64);
            assert!(before.is_none(), "{series} comes twice");
        }
    }
    samples
}

#[tokio::test]
async fn metrics_are_reported() {
    let running = start(json!({"server": {"namespaces": ["/", "/t/{tenant}"]}})).await;
    let mut native = running.native("/").await;
    let tenants = [running.native("/?namespace=/t/1").await, running.native("/?namespace=/t/2").await];
    let mut socketio = running.socketio().await;
    for client in [&mut native, &mut socketio] {
        client.ask("join", json!("r")).await;
    }
    // One refusal of each kind, and an event without a handler.
    assert_eq!(WebSocket::open(running.addr, "/?namespace=/nowhere").await.err(), Some(404));
    let evil = [("origin", "https://evil.test")];
    assert_eq!(WebSocket::open_with(running.addr, "/", &evil).await.err(), Some(403));
    let bad = Request::new("GET", "/socket.io/?EIO=4&transport=pigeon").send(running.addr).await;
    assert_eq!(bad.status, 400);
    let lost = Request::new("GET", "/socket.io/?EIO=4&transport=polling&sid=lost").send(running.addr).await;
    assert_eq!(lost.status, 400);
    assert!(native.ask("join", json!(5)).await["error"].is_string());
    assert_eq!(running.get("/api/rooms").await.0, 200);
    for (event, room) in [("a", "r"), ("b", "")] {
        let io = running.gateway.io();
        let told = if room.is_empty() { io.emit(event, &1).await } else { io.to(room).emit(event, &1).await };
        told.unwrap();
    }
    running.gateway.io().namespace("/t/1").unwrap().emit("c", &1).await.unwrap();
    let late = running.gateway.io().to(native.id.as_str()).volatile();
    // The outbox cannot take all of them at once.
    for _ in 0..3 {
        late.emit("late", &1).await.unwrap();
    }

    let found = read(&running).await;
    for (series, value) in [
        (r#"connections{transport="native"}"#, 3),
        (r#"connections{transport="websocket"}"#, 1),
        (r#"connections{transport="polling"}"#, 0),
        (r#"sockets{namespace="/"}"#, 2),
        (r#"sockets{namespace="/t/{tenant}"}"#, 2),
        ("rooms", 1),
        (r#"handshakes_total{protocol="native",status="101"}"#, 3),
        (r#"handshakes_total{protocol="native",status="403"}"#, 1),
        (r#"handshakes_total{protocol="native",status="404"}"#, 1),
        (r#"handshakes_total{protocol="socketio",status="101"}"#, 1),
        (r#"handshakes_total{protocol="socketio",status="400"}"#, 1),
        (r#"dropped_events_total{namespace="/"}"#, 1),
        (r#"dropped_events_total{namespace="/t/{tenant}"}"#, 0),
        (r#"lost_acks_total{namespace="/"}"#, 0),
        (r#"api_calls_total{call="rooms",status="200"}"#, 1),
        ("slow_consumers_total", 0),
        ("panics_total", 0),
        (r#"broadcast_receivers_bucket{le="+Inf"}"#, 6),
        ("broadcast_receivers_count", 6),
        (r#"broadcast_receivers_bucket{le="10"}"#, 6),
        ("broadcast_seconds_count", 6),
    ] {
        assert_eq!(found.get(&format!("gateway_{series}")), Some(&value), "{series}: {found:#?}");
    }
    // Of the three volatile events only the delivered ones count as received.
    let (drops, received) =
        (found["gateway_volatile_events_dropped_total"], found["gateway_broadcast_receivers_sum"]);
    assert!(drops >= 1 && drops + received == 2 + 2 + 1 + 3, "{found:#?}");
    // Each client counts with its CONNECT, and two of them sent events as well.
    assert!(found["gateway_received_messages_total"] >= 7);
    assert!(found["gateway_received_bytes_total"] > found["gateway_received_messages_total"]);
    assert!(found["gateway_sent_messages_total"] >= 8);
    assert!(found["gateway_sent_bytes_total"] > found["gateway_sent_messages_total"]);

    for mut tenant in tenants {
        tenant.ws.close().await;
    }
    until(async || running.gateway.stats().disconnects.values().sum::<u64>() == 2).await;
    let found = read(&running).await;
    assert_eq!(found[r#"gateway_sockets{namespace="/t/{tenant}"}"#], 0);
    assert_eq!(found[r#"gateway_sockets_connected_total{namespace="/t/{tenant}"}"#], 2);
    assert_eq!(found[r#"gateway_disconnects_total{reason="transport close"}"#], 2);
}

#[tokio::test]
async fn slow_consumers_are_counted() {
    let running = start(json!({"transport": {"max_buffered_bytes": 100_000}})).await;
    let client = running.socketio().await;
    let io = running.gateway.io();
    let socket = io.socket(&client.id).unwrap();
    let large = "x".repeat(60_000);
    // The client reads nothing, so messages beyond the kernel's buffers stay in its outbox.
    while socket.emit("e", &large).is_ok() {
        tokio::task::yield_now().await;
    }
    until(async || running.gateway.stats().disconnects.contains_key("slow consumer")).await;
    assert_eq!(read(&running).await["gateway_slow_consumers_total"], 1);
}

#[tokio::test]
async fn only_operators_read_them() {
    let key = "a key for collectors";
    let running = start(json!({"api": {"keys": [key]}})).await;
    let plain = Request::new("GET", "/metrics").send(running.addr).await;
    assert_eq!(plain.status, 401);
    let bearer = format!("Bearer {key}");
    let known = Request::new("GET", "/metrics").header("authorization", &bearer).send(running.addr).await;
    assert_eq!(known.status, 200);
    assert!(samples(known.text()).contains_key("gateway_uptime_seconds"));
}

/// Queued bytes of clients that do not read: reported, and bounded for all clients together.
#[tokio::test]
async fn queued_bytes_are_reported_and_bounded() {
    let running = start(json!({"server": {"max_queued_bytes": 2_000_000}})).await;
    let opened = Request::new("GET", "/socket.io/?EIO=4&transport=polling").send(running.addr).await;
    let sid = opened.text().split('"').nth(3).unwrap().to_owned();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    Request::new("POST", &target).body("40").send(running.addr).await;
    let joined = Request::new("GET", &target).send(running.addr).await;
    assert!(joined.text().starts_with("40{"), "{}", joined.text());
    for _ in 0..2 {
        running.gateway.io().emit("large", &"x".repeat(1_000_000)).await.unwrap();
    }
    let found = read(&running).await;
    assert!((1_000_000..1_500_000).contains(&found["gateway_queued_memory_bytes"]), "{found:#?}");
    assert_eq!(found["gateway_broadcast_deliveries_refused_total"], 1);
    assert_eq!(found["gateway_detached_handlers"], 0);
}

/// Waits until this many received bytes are reported.
async fn received(running: &Running, is: impl Fn(u64) -> bool) {
    until(async || is(read(running).await["gateway_received_memory_bytes"])).await;
}

/// Received bytes of clients that do not finish their messages: reported, and bounded for all clients
/// together.
#[tokio::test]
async fn received_bytes_are_reported_and_bounded() {
    let running = start(json!({"server": {"max_received_bytes": 1_000_000}})).await;
    let target = "/socket.io/?EIO=4&transport=websocket";
    let mut holder = WebSocket::open(running.addr, target).await.unwrap();
    holder.send_incomplete(vec![0; 300_000]).await;
    received(&running, |bytes| (300_000..=750_000).contains(&bytes)).await;
    let mut refused = WebSocket::open(running.addr, target).await.unwrap();
    refused.send_incomplete(vec![0; 800_000]).await;
    assert_eq!(refused.closed().await, Some(1013));
    holder.cut();
    received(&running, |bytes| bytes == 0).await;
}
