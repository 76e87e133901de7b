//! The HTTP API, origins and settings.

use serde_json::{Value, json};
use service_bus::{Bus, BusOptions};
use tests::raw::{Request, WebSocket, soon};
use tokio::process::Command;

use crate::{KEY, PROGRAM, start};

#[tokio::test]
async fn the_api_reports_errors() {
    let (_program, url) = start("0").await;
    let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let ask = async |path: &str, key: &str, body: &str| {
        let request = Request::new("POST", path).header("authorization", &format!("Bearer {key}")).body(body);
        request.send(addr).await
    };
    let good = json!({ "room": "r", "event": { "type": "notification", "text": "x" } }).to_string();
    assert_eq!(ask("/api/emit_to_room", KEY, &good).await.both(), (200, r#"{"reached":0,"success":true}"#));
    for (path, key, body, status) in [
        ("/api/emit_to_room", "guess", good.as_str(), 401),
        ("/api/emit_to_moon", KEY, &good, 404),
        ("/api/emit_to_room", KEY, "{", 400),
        ("/api/emit_to_room", KEY, "[]", 422),
        ("/api/emit_to_room", KEY, r#"{"room":"r"}"#, 422),
        ("/api/emit_to_room", KEY, r#"{"room":"r","event":{"text":"x"}}"#, 422),
        ("/api/broadcast", KEY, r#"{"event":{"type":"disconnect"}}"#, 422),
        ("/api/broadcast", KEY, r#"{"event":["system:info",1,"x"]}"#, 422),
        ("/api/broadcast", "guess", &"x".repeat(1_000_000), 401),
        ("/api/broadcast", KEY, &"x".repeat(1_500_000), 413),
        ("/api", KEY, "{}", 404),
        ("/api/rooms", KEY, "{}", 405),
        ("/api/join_room", KEY, r#"{"room":"r"}"#, 422),
        ("/api/join_room", KEY, r#"{"room":"r","client_id":"unknown"}"#, 404),
        ("/api/leave_room", KEY, r#"{"room":"r","client_id":"unknown"}"#, 404),
    ] {
        let answer = ask(path, key, body).await;
        assert_eq!(answer.status, status, "{path} {body}");
        let said: Value = serde_json::from_str(answer.text()).unwrap();
        assert!(said["success"] == false && said["error"].is_string(), "{said}");
    }
    assert_eq!(Request::new("GET", "/api/rooms").send(addr).await.status, 401);
    assert_eq!(Request::new("GET", "/health").send(addr).await.both(), (200, r#"{"status":"ok"}"#));
}

/// A browser would let any page act as a service of a bus without a key.
#[tokio::test]
async fn pages_of_foreign_origins_are_refused() {
    let origins: engineio::Origins = ["https://good.test"].into_iter().collect();
    let origins = origins.into();
    let bus = Bus::new(BusOptions { origins, ..BusOptions::default() }).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { bus.serve(listener, std::future::pending()).await });
    for (origin, is_allowed) in [("https://evil.test", false), ("https://good.test", true)] {
        let headers = [("origin", origin)];
        let target = "/socket.io/?EIO=4&transport=websocket";
        let opened = WebSocket::open_with(addr, target, &headers).await;
        assert_eq!(opened.is_ok(), is_allowed, "{origin}");
        let body = r#"{"event":{"type":"system:info"}}"#;
        let posted =
            Request::new("POST", "/api/broadcast").header("origin", origin).body(body).send(addr).await;
        assert_eq!(posted.status, if is_allowed { 200 } else { 403 }, "{origin}");
        let asked = Request::new("GET", "/api/rooms").header("origin", origin).send(addr).await;
        assert_eq!(asked.status, posted.status, "{origin}");
    }
}

/// Requests of a script tag and `no-cors` requests have no Origin header, and a page whose host name resolves
/// to this machine has its own origin.
#[tokio::test]
async fn the_origin_check_cannot_be_bypassed() {
    let origins = service_bus::OriginPolicy::default().local_hosts();
    let bus = Bus::new(BusOptions { origins, ..BusOptions::default() }).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { bus.serve(listener, std::future::pending()).await });
    let polling = "/socket.io/?EIO=4&transport=polling";
    let script = Request::new("GET", &format!("{polling}&j=0"));
    assert_eq!(script.send(addr).await.status, 400, "JSONP is off");
    for target in [polling, "/api/rooms"] {
        let foreign = Request::new("GET", target).header("sec-fetch-site", "cross-site");
        assert_eq!(foreign.send(addr).await.status, 403, "{target}");
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let rebound = format!("GET {target} HTTP/1.1\r\nhost: evil.test\r\nconnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, rebound.as_bytes()).await.unwrap();
        assert_eq!(tests::raw::Response::read(&mut stream).await.status, 403, "{target}");
        assert_eq!(Request::new("GET", target).send(addr).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn wrong_settings_are_reported() {
    for (name, value) in
        [("SOCKET_IO_PORT", "many"), ("LOG_LEVEL", "LOUD"), ("USERS", "some"), ("BUS_KEY", "")]
    {
        let mut program = Command::new(PROGRAM);
        program.env("SOCKET_IO_PORT", "0").env(name, value).kill_on_drop(true);
        let output = soon(program.output()).await.unwrap();
        assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains(name));
    }
}
