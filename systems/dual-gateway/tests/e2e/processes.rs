//! The ports as processes: both in one, or each in one of its own, and the port for operators.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tests::program::Program;
use tests::raw::{Request, WebSocket, soon, until};
use tests::redis::RedisServer;
use tokio::process::{Child, Command};

use crate::{node, program, token};

const KEY: &str = "a key for operators";

/// A process, and the addresses in the lines that it prints.
struct Running {
    process: Child,
    addrs: Vec<SocketAddr>,
}

async fn start(command: &mut Command, ports: usize) -> Running {
    command.env("PORT", "0").env("WEBSOCKET_PORT", "0").env("GATEWAY_API_KEYS", KEY);
    let mut program = Program::start(command, "it is built");
    let mut addrs = Vec::new();
    for _ in 0..ports {
        addrs.push(program.line().await.rsplit_once("http://").unwrap().1.parse().unwrap());
    }
    Running { process: program.ignore_output(), addrs }
}

/// A plain WebSocket client, after its welcome.
async fn native(addr: SocketAddr) -> WebSocket {
    let mut ws = WebSocket::open(addr, &format!("/?token={}", token().await)).await.unwrap();
    ws.text().await;
    ws.text().await;
    ws
}

/// A Socket.IO client, after its welcome.
async fn socketio(addr: SocketAddr) -> WebSocket {
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    ws.send(&format!("40{}", json!({ "token": token().await }))).await;
    ws.text().await;
    ws.text().await;
    ws
}

async fn metrics(addr: SocketAddr) -> String {
    let answer = Request::new("GET", "/metrics").header("x-api-key", KEY).send(addr).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().to_owned()
}

async fn terminate(process: &Child) {
    let pid = process.id().unwrap().to_string();
    let mut kill = Command::new("kill");
    assert!(soon(kill.args(["-TERM", &pid]).status()).await.unwrap().success());
}

/// Processes with one port each act as one in a cluster, and one of them may be replaced.
#[tokio::test]
async fn each_port_may_be_a_process_of_its_own() {
    let redis = RedisServer::start().await;
    let one = async |role: &str| {
        let mut command = program();
        command.arg(role).env("GATEWAY_CLUSTER_REDIS", redis.url());
        start(&mut command, 2).await
    };
    let (api, mut websocket) = (one("api").await, one("websocket").await);
    let [main, _] = api.addrs[..] else { panic!("two ports") };
    assert_eq!(Request::new("POST", "/api/auth/acquire-session").send(main).await.status, 200);
    let refused = Request::new("GET", "/").header("connection", "upgrade").header("upgrade", "websocket");
    let refused = refused.send(main).await;
    assert!(refused.status == 400 && refused.text().contains("another process"), "{}", refused.text());
    let mut talking = socketio(main).await;
    for round in 0..2 {
        for operators in [api.addrs[1], websocket.addrs[1]] {
            let other = |line: &str| line.starts_with("gateway_cluster_other_nodes{") && line.ends_with(" 1");
            until(async || metrics(operators).await.lines().any(other)).await;
        }
        let mut listening = native(websocket.addrs[0]).await;
        talking.send(&format!("42{}", json!(["message", {"content": round}]))).await;
        assert!(talking.text().await.starts_with("42[\"message_received\""));
        let heard: Value = serde_json::from_str(&listening.text().await).unwrap();
        assert_eq!((&heard["event"], &heard["data"]["content"]), (&json!("message"), &json!(round)));
        // A restart of the one does not disconnect the clients of the other.
        drop(listening);
        terminate(&websocket.process).await;
        assert!(soon(websocket.process.wait()).await.unwrap().success());
        websocket = one("websocket").await;
    }
    talking.send(r#"42["ping"]"#).await;
    assert!(talking.text().await.starts_with("42[\"pong\""));
}

#[tokio::test]
async fn a_port_alone_needs_the_common_secret() {
    for role in ["api", "websocket"] {
        let output = soon(program().env("SESSION_SECRET", "").arg(role).output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains("SESSION_SECRET: processes with one port each"),
            "{error}"
        );
    }
}

/// Metrics and page are on the port for operators alone.
#[tokio::test]
async fn operators_have_a_port() {
    let running = start(&mut program(), 3).await;
    let [main, websocket, operators] = running.addrs[..] else { panic!("three ports") };
    let _clients = (native(websocket).await, socketio(main).await);
    assert!(metrics(operators).await.contains("gateway_sockets{namespace=\"/\"} 2\n"));
    assert_eq!(Request::new("GET", "/metrics").send(operators).await.status, 401);
    let page = Request::new("GET", "/").header("accept", "text/html").send(operators).await;
    assert!(page.status == 200 && page.text().starts_with("<!doctype html>"), "{}", page.text());
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(Request::new("GET", path).send(operators).await.status, 200);
    }
    for public in [main, websocket] {
        for path in ["/metrics", "/page.js", "/api/rooms"] {
            let header = Request::new("GET", path).header("x-api-key", KEY).header("accept", "text/html");
            assert_eq!(header.send(public).await.status, 404, "{path}");
        }
        let about: Value = serde_json::from_str(Request::new("GET", "/").send(public).await.text()).unwrap();
        assert_eq!(about["name"], "dual-gateway");
    }
}

/// The port may be switched off, or be that of the gateway's settings.
#[tokio::test]
async fn the_port_for_operators_follows_the_settings() {
    let running = start(program().env("OPERATOR_ADDRESS", "off"), 2).await;
    assert_eq!(running.addrs.len(), 2);
    let mut command = program();
    command.env("GATEWAY_INTERNAL_ADDRESS", "127.0.0.1:0").env("GATEWAY_INTERNAL_ALLOW_WITHOUT_KEY", "true");
    let running = start(&mut command, 3).await;
    let answer = Request::with_host("GET", "/metrics", "127.0.0.1").send(running.addrs[2]).await;
    assert_eq!(answer.status, 200);
    let output = soon(
        program().env("OPERATOR_ADDRESS", "nowhere").env("PORT", "0").env("WEBSOCKET_PORT", "0").output(),
    );
    let error = String::from_utf8(output.await.unwrap().stderr).unwrap();
    assert!(error.contains("OPERATOR_ADDRESS: cannot listen on nowhere: "), "{error}");
}

#[tokio::test]
async fn clients_get_what_they_have_missed() {
    let running = start(&mut program(), 3).await;
    for addr in &running.addrs[..2] {
        node("recover.mjs", &[&format!("http://{addr}"), &token().await]).await;
    }
}

/// The limits of the gateway hold for both ports together.
#[tokio::test]
async fn the_rate_limits_of_the_gateway_hold() {
    let limited = |name: &str, value: &str| {
        let mut command = program();
        command.env(name, value).env("GATEWAY_LIMITS_EXEMPT_ADDRESSES", "[]");
        command
    };
    let handshake = async |addr| {
        let request = Request::new("GET", "/socket.io/?EIO=4&transport=polling");
        request.send(addr).await.both().0
    };
    let mut command = limited("GATEWAY_LIMITS_SESSIONS_PER_ADDRESS", "2");
    let running = start(&mut command, 3).await;
    for (port, status) in [(0, 200), (1, 200), (0, 429), (1, 429)] {
        assert_eq!(handshake(running.addrs[port]).await, status, "{port}");
    }
    // The bucket of handshakes refills by one each second, so that a burst exceeds it.
    let mut command = limited("GATEWAY_LIMITS_HANDSHAKES_PER_SECOND", "1");
    let running = start(command.env("GATEWAY_LIMITS_BURST_SECONDS", "1"), 3).await;
    let refused = async { while handshake(running.addrs[0]).await != 429 {} };
    soon(refused).await;
    // Clients beyond the rate of events are told and disconnected; the others go on.
    let mut command = limited("GATEWAY_LIMITS_EVENTS_PER_SECOND", "1");
    command.env("GATEWAY_LIMITS_BURST_SECONDS", "1").env("GATEWAY_LIMITS_EXCESS", "disconnect");
    let running = start(&mut command, 3).await;
    let mut quiet = native(running.addrs[1]).await;
    for mut busy in [native(running.addrs[1]).await, socketio(running.addrs[0]).await] {
        for _ in 0..20 {
            // Both forms of the event; each client takes the other one for a wrong message.
            busy.send(r#"42["ping"]"#).await;
        }
        busy.closed().await;
    }
    quiet.send(r#"{"event":"ping"}"#).await;
    assert!(quiet.text().await.contains("\"pong\""));
}

/// A model behind a URL, by the settings of the program; wrong ones are named.
#[tokio::test]
async fn the_program_asks_a_model_behind_a_url() {
    let server = crate::model::ModelServer::start().await;
    let mut command = program();
    command.env("MODEL_URL", &server.url).env("MODEL_NAME", "tiny");
    let running = start(&mut command, 3).await;
    let mut ws = native(running.addrs[1]).await;
    ws.send(r#"{"event":"ai:chat","data":{"message":"stream"}}"#).await;
    while !ws.text().await.contains("\"fullResponse\":\"I am grün.\"") {}
    for (name, value, expected) in [
        ("MODEL_URL", "ftp://models.test", "MODEL_URL: \"ftp://models.test\" is not the URL"),
        ("MODEL_NAME", "", "MODEL_NAME: "),
        ("MODEL_KEY", "", "MODEL_KEY: an empty secret"),
        ("MODEL_MAX_REQUESTS", "many", "MODEL_MAX_REQUESTS: "),
    ] {
        let mut command = program();
        command.env("MODEL_URL", "http://models.test").env("MODEL_NAME", "tiny").env(name, value);
        let output = soon(command.output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(expected), "{error}");
    }
}

/// Malformed messages are told, or end their own connection; other clients never notice.
#[tokio::test]
async fn malformed_messages_harm_no_other_client() {
    let running = start(&mut program(), 3).await;
    let (main, websocket) = (running.addrs[0], running.addrs[1]);
    let (mut quiet, mut wrong) = (native(websocket).await, native(websocket).await);
    for message in ["{", "[]", r#"{"event":7}"#, r#"{"data":1}"#, "hello"] {
        wrong.send(message).await;
        let told: Value = serde_json::from_str(&wrong.text().await).unwrap();
        assert!(told["event"] == "error" && told["data"]["message"].is_string(), "{message}: {told}");
    }
    wrong.send(r#"{"event":"ping"}"#).await;
    assert!(wrong.text().await.contains("\"pong\""));
    // In Socket.IO a wrong packet ends the connection, as with the official server.
    let mut broken = socketio(main).await;
    broken.send("42[\"ping\"").await;
    broken.closed().await;
    quiet.send(r#"{"event":"ping"}"#).await;
    assert!(quiet.text().await.contains("\"pong\""));
}
