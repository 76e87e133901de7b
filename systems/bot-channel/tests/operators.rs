//! The port of operators: metrics and health, and the end of the program.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;
use std::path::Path;

use tests::program::Program;
use tests::raw::{Request, WebSocket, soon, until};
use tokio::process::Command;

/// The program with settings, and the addresses of its clients and its operators.
async fn start(folder: &Path, settings: &str) -> (Program, SocketAddr, SocketAddr) {
    let config = folder.join("bot.toml");
    std::fs::write(&config, settings).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bot-channel"));
    command.arg(&config).env("ADDRESS", "127.0.0.1:0").env("RUST_LOG", "off").env_remove("JWT_KEY");
    let mut program = Program::start(command.env_remove("OPERATOR_ADDRESS"), "it can be started");
    let clients = program.line().await.strip_prefix("listening on http://").unwrap().parse().unwrap();
    let operators = program.line().await;
    let operators = operators.strip_prefix("health and metrics on http://").unwrap().parse().unwrap();
    (program, clients, operators)
}

async fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let response = Request::new("GET", path).send(addr).await;
    (response.status, String::from_utf8(response.body.to_vec()).unwrap())
}

/// The value of a metric.
async fn metric(addr: SocketAddr, name: &str) -> u64 {
    let (_, text) = get(addr, "/metrics").await;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("bot_channel_{name} ")));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
}

async fn join(addr: SocketAddr) -> WebSocket {
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    ws.send("40").await;
    ws.text().await;
    ws.send(r#"42["session_request",{"session_id":"mine"}]"#).await;
    ws.text().await;
    ws
}

const RULES: &str = r#"
    [socketio]
    session_persistence = true
    [socketio.limits]
    events_per_second = 1
    burst_seconds = 20
    [agent]
    kind = "rules"
    rules = [{ words = ["one"], replies = [{ text = "1" }, { text = "2" }] }]
    fallback = [{ text = "?" }]
"#;

#[tokio::test]
async fn metrics_count_what_happens() {
    let folder = tempfile::tempdir().unwrap();
    let (_program, clients, operators) = start(folder.path(), RULES).await;
    let (status, text) = get(operators, "/metrics").await;
    assert_eq!(status, 200);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let expected = u64::from(name == "bot_channel_tracker_up");
        assert_eq!(value.parse::<u64>().unwrap(), expected, "{line}");
        let family = name.split('{').next().unwrap();
        assert!(text.contains(&format!("# TYPE {family} ")), "{line}");
    }
    let mut ws = join(clients).await;
    ws.send(r#"421["user_uttered",{"message":"one","session_id":"mine"}]"#).await;
    for _ in 0..3 {
        ws.text().await;
    }
    for (name, expected) in [
        ("connections", 1),
        ("conversations", 1),
        (r#"answers_total{outcome="ok"}"#, 1),
        (r#"answers_total{outcome="failed"}"#, 0),
        ("sent_messages_total", 2),
        ("waiting_messages", 0),
        ("rate_limited_total", 0),
    ] {
        assert_eq!(metric(operators, name).await, expected, "{name}");
    }
    ws.send_together((0..60).map(|_| r#"42["unknown"]"#.to_owned())).await;
    until(async || metric(operators, "rate_limited_total").await > 0).await;
    ws.close().await;
    until(async || metric(operators, "connections").await == 0).await;
    assert_eq!(metric(operators, "conversations").await, 0);
}

#[tokio::test]
async fn operators_have_a_port_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (_program, clients, operators) = start(folder.path(), RULES).await;
    assert!(operators.ip().is_loopback());
    for path in ["/health/live", "/health/ready", "/health"] {
        assert_eq!(get(operators, path).await, (200, r#"{"status":"ok"}"#.to_owned()), "{path}");
    }
    assert_eq!(get(clients, "/health").await.0, 200);
    for path in ["/metrics", "/health/ready"] {
        assert_eq!(get(clients, path).await.0, 404, "{path}");
    }
    assert_eq!(get(operators, "/socket.io/?EIO=4&transport=polling").await.0, 404);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_program, clients, operators) = start(folder.path(), RULES).await;
    for (setting, address) in [("ADDRESS", clients), ("OPERATOR_ADDRESS", operators)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bot-channel"));
        command.env("ADDRESS", "127.0.0.1:0").env(setting, address.to_string()).env_remove("JWT_KEY");
        let output = soon(command.output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        let expected = format!("{setting}: cannot listen on {address}: ");
        assert!(!output.status.success() && error.contains(&expected), "{error}");
    }
}
