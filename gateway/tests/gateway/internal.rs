//! The internal port for operators.

use std::net::SocketAddr;

use serde_json::json;
use socketio_gateway::{Gateway, StartError};
use tests::raw::{Request, WebSocket};
use tokio::net::TcpListener;

use crate::cli::{run, serve};
use crate::support::{Running, config, start};

/// Opens an internal port and returns its address.
pub(crate) async fn open(running: &Running) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let gateway = running.gateway.clone();
    tokio::spawn(async move { gateway.serve_internal(listener).await });
    addr
}

/// Value of a metric without labels.
pub(crate) async fn metric(addr: SocketAddr, key: &str, name: &str) -> u64 {
    let response = Request::new("GET", "/metrics").header("x-api-key", key).send(addr).await;
    let line = response.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name}: {}", response.text())).parse().unwrap()
}

#[tokio::test]
async fn operators_have_a_port_of_their_own() {
    // The address is irrelevant here: any internal address removes these routes from the client port.
    let settings = json!({
        "internal": {"address": "127.0.0.1:0"},
        "auth": {"session_secret": "an unguessable session secret"},
    });
    let running = start(settings).await;
    let internal = open(&running).await;
    let status = async |addr, method: &str, path: &str| {
        let request = running.operator(method, path).header("content-type", "application/json");
        request.body(if method == "POST" { r#"{"event":"e"}"# } else { "" }).send(addr).await.status
    };
    for (method, path, outside, inside) in [
        ("GET", "/metrics", 404, 200),
        ("POST", "/api/broadcast", 404, 200),
        ("GET", "/api/rooms", 404, 200),
        ("GET", "/api/openapi.json", 200, 200),
        ("GET", "/health/ready", 200, 200),
        ("GET", "/info", 200, 200),
        ("GET", "/", 200, 200),
        ("GET", "/page.js", 200, 404),
        ("GET", "/socket.io/?EIO=4&transport=polling", 200, 404),
    ] {
        let found = (status(running.addr, method, path).await, status(internal, method, path).await);
        assert_eq!(found, (outside, inside), "{method} {path}");
    }
    for addr in [running.addr, internal] {
        let session = Request::new("POST", "/api/auth/acquire-session").send(addr).await;
        assert_eq!(session.status, 200);
    }
    let mut client = running.native("/").await;
    assert!(client.ask("ping", json!(null)).await["timestamp"].is_string());
    assert!(WebSocket::open(internal, "/").await.is_err(), "there are no clients");
}

#[tokio::test]
async fn without_a_port_of_their_own_they_share_it() {
    let running = start(json!({})).await;
    assert_eq!(running.operator("GET", "/metrics").send(running.addr).await.status, 200);
}

/// Status of a request for the rooms on the internal port, with these headers.
async fn rooms(addr: SocketAddr, host: &str, headers: &[(&str, &str)]) -> u16 {
    let request = Request::with_host("GET", "/api/rooms", host);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    request.send(addr).await.status
}

#[tokio::test]
async fn their_port_needs_a_key_too() {
    let running = start(json!({"internal": {"address": "127.0.0.1:0"}})).await;
    let internal = open(&running).await;
    assert_eq!(rooms(internal, "localhost", &[]).await, 401);
    assert_eq!(Request::new("GET", "/metrics").send(internal).await.status, 401);
    assert_eq!(rooms(internal, "localhost", &[("x-api-key", running.key())]).await, 200);
}

#[tokio::test]
async fn their_port_needs_no_key_where_the_settings_say_so() {
    let settings = json!({
        "internal": {"address": "127.0.0.1:0", "allow_without_key": true},
        "origins": {"allowed": ["*"]},
    });
    let running = start(settings).await;
    let internal = open(&running).await;
    assert_eq!(rooms(internal, "localhost", &[]).await, 200);
    assert_eq!(rooms(internal, &internal.to_string(), &[]).await, 200);
    assert_eq!(metric(internal, "", "gateway_rooms").await, 0);
    // Pages are not trusted as local programs, even under a host name that resolves to this machine.
    assert_eq!(rooms(internal, "localhost", &[("origin", "https://evil.test")]).await, 401);
    assert_eq!(rooms(internal, "rebound.test", &[]).await, 401);
    let watched = WebSocket::open(running.addr, "/?namespace=/gateway").await;
    assert_eq!(watched.err(), Some(401), "the port of the clients is another");
    // Without a key the port accepts only a loopback address.
    let everywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    assert!(running.gateway.serve_internal(everywhere).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_not_of_this_machine_is_refused_without_a_key() {
    let settings = json!({"internal": {"address": "192.0.2.1:9000", "allow_without_key": true}});
    let Err(StartError::Setting(error)) = Gateway::new(config(settings)) else { panic!("refused") };
    assert_eq!(error.key, "internal.allow_without_key");
}

#[tokio::test]
async fn the_program_listens_on_both() {
    // A free port: bound and released, so that the program can bind it.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("internal.address={free}");
    let served = serve(&["--set", &address, "--set", "api.keys=a key for operators"]).await;
    assert_eq!(metric(free, "a key for operators", "gateway_rooms").await, 0);
    assert_eq!(Request::new("GET", "/metrics").send(served.addr).await.status, 404);
    assert!(run(&["healthcheck", "--port", "1", "--set", &address]).await.status.success());
}
