//! The HTTP API, origins and settings.

use serde_json::{Value, json};
use service_bus::{BusOptions, Config};
use tests::raw::{Request, WebSocket, soon};
use tokio::process::Command;

use crate::{KEY, PROGRAM, embedded, start};

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
        assert!(said["success"] == false && said["error"]["message"].is_string(), "{said}");
    }
    assert_eq!(Request::new("GET", "/api/rooms").send(addr).await.status, 401);
    assert_eq!(Request::new("GET", "/health").send(addr).await.both(), (200, r#"{"status":"ok"}"#));
}

/// A browser would let any page act as a service of a bus without a key.
#[tokio::test]
async fn pages_of_foreign_origins_are_refused() {
    let mut config = Config::default();
    config.origins.allowed = vec!["https://good.test".to_owned()];
    let (_bus, addr) = embedded(config, BusOptions::default()).await;
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

/// As the README says, pages of `CORS_ORIGIN` may call the API: with a key and JSON browsers ask before they do.
#[tokio::test]
async fn pages_of_listed_origins_may_call_the_api() {
    let mut program = Command::new(PROGRAM);
    program.env("SOCKET_IO_PORT", "0").env("LOG_LEVEL", "OFF").env("CORS_ORIGIN", "https://good.test");
    let (_program, url) = tests::served::start(&mut program).await;
    let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let ask = async |method: &str, path: &str, origin: &str| {
        let request = Request::new(method, path).header("origin", origin);
        let request = request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        request
            .body(if method == "POST" { r#"{"event":{"type":"system:info"}}"# } else { "" })
            .send(addr)
            .await
    };
    let (good, evil) = ("https://good.test", "https://evil.test");
    for (path, methods) in [("/api/broadcast", "POST"), ("/api/rooms", "GET")] {
        let preflight = ask("OPTIONS", path, good).await;
        assert_eq!(preflight.status, 204, "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), Some(good));
        assert_eq!(preflight.header("access-control-allow-methods"), Some(methods));
        assert_eq!(
            preflight.header("access-control-allow-headers"),
            Some("authorization, content-type, idempotency-key, x-api-key")
        );
        let refused = ask("OPTIONS", path, evil).await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None));
    }
    for (method, path) in [("POST", "/api/broadcast"), ("GET", "/api/rooms")] {
        let answer = ask(method, path, good).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(good)));
        let refused = ask(method, path, evil).await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None));
    }
    // Socket.IO has its own headers, once.
    let handshake = ask("GET", "/socket.io/?EIO=4&transport=polling", good).await;
    assert_eq!(handshake.all("access-control-allow-origin"), [good]);
}

/// Requests of a script tag and `no-cors` requests have no Origin header, and a page whose host name resolves
/// to this machine has its own origin.
#[tokio::test]
async fn the_origin_check_cannot_be_bypassed() {
    let (_bus, addr) = embedded(Config::default(), BusOptions::default()).await;
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
    for (name, value) in [
        ("SOCKET_IO_PORT", "many"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("USERS", "some"),
        ("BUS_KEY", ""),
    ] {
        let mut program = Command::new(PROGRAM);
        program.env("SOCKET_IO_PORT", "0").env(name, value).kill_on_drop(true);
        let output = soon(program.output()).await.unwrap();
        assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains(name));
    }
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let _taken = tokio::net::TcpListener::bind(taken).await.unwrap();
    let mut program = Command::new(PROGRAM);
    program.env("SOCKET_IO_PORT", taken.port().to_string()).kill_on_drop(true);
    let output = soon(program.output()).await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let expected = format!("SOCKET_IO_PORT: cannot listen on {taken}: ");
    assert!(!output.status.success() && error.contains(&expected), "{error}");
}

/// The log that a program writes until it is ready, when its standard error is no terminal.
async fn log_of(settings: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let mut program = Command::new(PROGRAM);
    program.env("SOCKET_IO_PORT", "0").env("LOG_LEVEL", "DEBUG").envs(settings.iter().copied());
    program.stderr(std::fs::File::create(&file).unwrap());
    let (_program, url) = tests::served::start(&mut program).await;
    let service = crate::service("logged", &url.replace("0.0.0.0", "127.0.0.1"));
    assert_eq!(soon(service.initialize()).await.unwrap(), service_bus::LinkState::Socket);
    let mut log = String::new();
    tests::raw::until(async || {
        log = std::fs::read_to_string(&file).unwrap();
        log.contains("logged")
    })
    .await;
    log
}

#[tokio::test]
async fn logs_are_without_colours_and_may_be_json() {
    let log = log_of(&[]).await;
    assert!(!log.contains('\u{1b}'), "{log}");
    let log = log_of(&[("LOG_FORMAT", "json")]).await;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn a_bus_without_a_key_on_all_addresses_is_warned_about() {
    let warning = "without BUS_KEY every client";
    for (host, key, is_warned) in
        [("0.0.0.0", None, true), ("0.0.0.0", Some(KEY), false), ("127.0.0.1", None, false)]
    {
        let key: Vec<_> = key.map(|key| ("BUS_KEY", key)).into_iter().collect();
        let log = log_of(&[&[("SOCKET_IO_HOST", host)][..], &key].concat()).await;
        assert_eq!(log.contains(warning), is_warned, "{log}");
    }
}
