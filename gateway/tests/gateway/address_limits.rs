//! Limits per client address.

use serde_json::json;
use tests::raw::{Request, WebSocket, soon, until};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::{Running, parsed, start};

async fn from(running: &Running, address: &str) -> Result<WebSocket, u16> {
    WebSocket::open_with(running.addr, "/", &[("x-forwarded-for", address)]).await
}

async fn refused(running: &Running, what: &str, number: u64) {
    let metrics = running.operator("GET", "/metrics").send(running.addr).await;
    let sample = format!("\ngateway_limit_exceeded_total{{limit=\"{what}\"}} {number}\n");
    assert!(metrics.text().contains(&sample), "{sample}{}", metrics.text());
}

const SOCKETIO: &str = "/socket.io/?EIO=4&transport=websocket";
const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

#[tokio::test]
async fn sessions_of_an_address_are_counted() {
    let settings =
        json!({"server": {"trusted_proxies": ["127.0.0.0/8"]}, "limits": {"sessions_per_address": 2}});
    let running = start(settings).await;
    let mut first = from(&running, "192.0.2.1").await.unwrap();
    let _second = from(&running, "192.0.2.1").await.unwrap();
    assert_eq!(from(&running, "192.0.2.1").await.err(), Some(429));
    let _other = from(&running, "192.0.2.2").await.unwrap();
    // All addresses of an IPv6 /64 count as one.
    let _sixth = from(&running, "2001:db8:1:2::1").await.unwrap();
    let _seventh = from(&running, "2001:db8:1:2:aaaa::2").await.unwrap();
    assert_eq!(from(&running, "[2001:db8:1:2::3]:99").await.err(), Some(429));
    refused(&running, "sessions", 2).await;
    let listed = running.get("/api/sockets").await.1["data"]["sockets"].take();
    let addresses = listed.as_array().unwrap().iter().map(|it| it["address"].as_str().unwrap());
    let mut addresses: Vec<&str> = addresses.collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8:1:2::1", "2001:db8:1:2:aaaa::2"]);
    first.close().await;
    until(async || running.gateway.io().engine().stats().tasks == 4).await;
    let _third = from(&running, "192.0.2.1").await.unwrap();
}

/// A session without a namespace counts, because it holds memory too.
#[tokio::test]
async fn sessions_count_before_they_join_a_namespace() {
    let settings =
        json!({"server": {"trusted_proxies": ["127.0.0.1"]}, "limits": {"sessions_per_address": 2}});
    let running = start(settings).await;
    let knock =
        async || Request::new("GET", POLLING).header("x-forwarded-for", "192.0.2.1").send(running.addr).await;
    let headers = [("x-forwarded-for", "192.0.2.1")];
    assert_eq!(knock().await.status, 200);
    let mut ws = WebSocket::open_with(running.addr, SOCKETIO, &headers).await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    let answer = knock().await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("10")));
    let failure = json!({"code": "too_many_sessions", "message": "too many sessions from this address"});
    assert_eq!(parsed(&answer).1, json!({"success": false, "error": failure}));
    assert_eq!(WebSocket::open_with(running.addr, SOCKETIO, &headers).await.err(), Some(429));
    assert_eq!(from(&running, "192.0.2.1").await.err(), Some(429));
    refused(&running, "sessions", 3).await;
    assert_eq!(running.gateway.io().engine().stats().sessions, 2);
}

/// Connections in a TLS handshake or without a request count for the address of their peer.
#[tokio::test]
async fn connections_of_an_address_are_counted() {
    let limits = json!({"connections_per_address": 2, "exempt_addresses": []});
    let running = start(json!({"limits": limits})).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(TcpStream::connect(running.addr).await.unwrap());
    }
    until(async || running.gateway.connections() == 2).await;
    let mut third = TcpStream::connect(running.addr).await.unwrap();
    assert_eq!(soon(third.read(&mut [0])).await.unwrap_or(0), 0, "closed at once");
    held.pop();
    until(async || running.gateway.connections() == 1).await;
    refused(&running, "connections", 1).await;
    // Connections that became WebSockets count as sessions instead.
    until(async || running.gateway.connections() == 1).await;
    let mut clients = vec![running.socketio().await];
    until(async || running.gateway.connections() == 1).await;
    clients.push(running.socketio().await);
    until(async || running.gateway.connections() == 1).await;
    clients.push(running.native("/").await);
    assert_eq!(clients.len(), 3);
}

/// A trusted proxy is exempt: all connections have its address, and all sessions too if it sends no client
/// address.
#[tokio::test]
async fn proxies_and_exempt_addresses_have_no_limit() {
    let none = json!({"connections_per_address": 1, "sessions_per_address": 1, "handshakes_per_second": 1});
    let mut not_exempt = none.clone();
    not_exempt["exempt_addresses"] = json!([]);
    for settings in
        [json!({"limits": none}), json!({"limits": not_exempt, "server": {"trusted_proxies": ["127.0.0.1"]}})]
    {
        let running = start(settings).await;
        let mut held = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..10 {
            held.push(TcpStream::connect(running.addr).await.unwrap());
            clients.extend(running.both().await);
        }
        until(async || running.gateway.connections() == 10).await;
        assert_eq!(running.gateway.io().engine().stats().sessions, 20);
    }
}

#[tokio::test]
async fn namespaces_of_a_connection_are_counted() {
    let settings = json!({"server": {"namespaces": ["/n/{n}"]}, "limits": {"namespaces_per_connection": 2}});
    let running = start(settings).await;
    let mut ws = WebSocket::open(running.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    for number in 1..=2 {
        ws.send(&format!("40/n/{number},")).await;
        assert!(ws.text().await.starts_with(&format!("40/n/{number},{{")));
        assert!(ws.text().await.contains("connected"));
    }
    let refusal = r#"44/n/3,{"message":"too many namespaces on this connection","data":{"code":"too_many_namespaces"}}"#;
    ws.send("40/n/3,").await;
    assert_eq!(ws.text().await, refusal);
    refused(&running, "namespaces", 1).await;
    // The client may join another namespace after it has left one.
    ws.send("41/n/1,").await;
    ws.send("40/n/3,").await;
    assert!(ws.text().await.starts_with("40/n/3,{"));
}

#[tokio::test]
async fn too_many_handshakes_get_a_retry_after() {
    // The burst refills too slowly to matter during the test.
    let limits = json!({"handshakes_per_second": 1, "burst_seconds": 3});
    let settings = json!({"server": {"trusted_proxies": ["127.0.0.1"]}, "limits": limits});
    let running = start(settings).await;
    let target = "/socket.io/?EIO=4&transport=polling";
    let knock = async |address: &str| {
        Request::new("GET", target).header("x-forwarded-for", address).send(running.addr).await
    };
    // On a machine of any speed, more than one handshake per second is refused eventually.
    let mut answers = Vec::new();
    for _ in 0..100 {
        answers.push(knock("192.0.2.1").await);
    }
    assert_eq!(answers[0].status, 200);
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.text().contains(r#""code":"too_many_handshakes""#));
    assert_eq!(knock("192.0.2.2").await.status, 200, "others do not wait");
}

#[tokio::test]
async fn an_empty_session_id_is_a_handshake_like_any_other() {
    // The burst refills too slowly to matter during the test.
    let limits = json!({"handshakes_per_second": 1, "burst_seconds": 3, "exempt_addresses": []});
    let running = start(json!({"limits": limits})).await;
    let mut statuses = Vec::new();
    for number in 0..100 {
        let sid = ["sid=", "sid", "sid=a&sid="][number % 3];
        let target = format!("/socket.io/?EIO=4&transport=polling&{sid}");
        statuses.push(Request::new("GET", &target).send(running.addr).await.status);
    }
    assert_eq!(statuses[0], 200);
    let limited = statuses.iter().filter(|status| **status == 429).count();
    assert!(limited > 0, "{statuses:?}");
    let metrics = running.operator("GET", "/metrics").send(running.addr).await;
    let sample = format!("handshakes_total{{protocol=\"socketio\",status=\"429\"}} {limited}\n");
    assert!(metrics.text().contains(&sample), "{}", metrics.text());
}

#[tokio::test]
async fn headers_of_untrusted_proxies_are_ignored() {
    let running = start(json!({"limits": {"sessions_per_address": 1, "exempt_addresses": []}})).await;
    let _first = from(&running, "192.0.2.1").await.unwrap();
    assert_eq!(from(&running, "192.0.2.2").await.err(), Some(429), "both come from here");
    let listed = running.get("/api/sockets").await.1["data"]["sockets"][0]["address"].take();
    assert_eq!(listed, "127.0.0.1");
}

#[tokio::test]
async fn rooms_of_a_client_are_counted() {
    let running = start(json!({"events": {"max_rooms": 1}})).await;
    let mut client = running.native("/").await;
    client.ask("join", json!("a")).await;
    assert_eq!(client.ask("join", json!("b")).await, json!({"error": "more than 1 rooms"}));
    refused(&running, "rooms", 1).await;
}
