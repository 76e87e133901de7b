//! The program with clients of npm and PyPI over both protocols and both ports; and custom models.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod deploy;
mod model;
mod processes;
mod readme;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dual_gateway::{ChatOptions, DualError, DualGateway, ModelError, OPENAPI, Pieces, Question};
use serde_json::{Value, json};
use socketio_gateway::Config;
use tests::program::Program;
use tests::raw::{Request, WebSocket, soon};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dual-gateway");

fn program() -> Command {
    let mut program = Command::new(PROGRAM);
    program
        .env("SESSION_SECRET", "open sesame, open sesame")
        .env("RUST_LOG", "off")
        .env_remove("HOST")
        .kill_on_drop(true);
    program
}

/// The program, and the addresses of its ports.
async fn start(seconds: &str) -> (Child, [String; 2]) {
    let mut program = program();
    program.env("PORT", "0").env("WEBSOCKET_PORT", "0").env("SESSION_SECONDS", seconds);
    program.env("CORS_ORIGIN", "https://good.test, https://fine.test");
    let mut program = Program::start(&mut program, "it is built");
    let mut urls = [String::new(), String::new()];
    for url in &mut urls {
        *url = program.line().await.split_once(" on ").unwrap().1.to_owned();
    }
    (program.ignore_output(), urls)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

async fn node(name: &str, arguments: &[&str]) {
    let systems = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    tests::node::run_with(&systems, &script(name), arguments).await;
}

async fn token() -> String {
    let output = soon(program().args(["token", "ada"]).output()).await.unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn both_protocols_on_both_ports_give_the_same_responses() {
    let (mut running, [main, websocket]) = start("3600").await;
    let (token, pid) = (token().await, running.id().unwrap().to_string());
    let visited = async { node("visit.mjs", &[&main, &websocket, &token, &pid]).await };
    let (status, ()) = tokio::join!(running.wait(), visited);
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn a_python_client_works() {
    let (_running, [main, websocket]) = start("3600").await;
    tests::python::run_file(&script("visit.py"), &[&main, &websocket]).await;
}

#[tokio::test]
async fn an_expired_session_closes_its_connections() {
    let (_running, [main, websocket]) = start("5").await;
    node("over.mjs", &[&main, &websocket]).await;
}

#[tokio::test]
async fn wrong_settings_are_reported() {
    let refused = async |name, value, arguments: &[&str]| {
        let output = soon(program().env(name, value).args(arguments).output()).await.unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("PORT", "many", &[]).await.contains("PORT: \"many\" is not a number that fits"));
    assert!(refused("SESSION_SECRET", "", &["token", "ada"]).await.contains("SESSION_SECRET is not set"));
    assert!(refused("SESSION_SECRET", "too short", &[]).await.contains("SESSION_SECRET: at least 16 bytes"));
    assert!(refused("PORT", "0", &["serves"]).await.contains("usage: "));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    for (name, other) in [("PORT", "WEBSOCKET_PORT"), ("WEBSOCKET_PORT", "PORT")] {
        let mut program = program();
        program.env(name, addr.port().to_string()).env(other, "0");
        let output = soon(program.output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        let expected = format!("{name}: cannot listen on {addr}: ");
        assert!(!output.status.success() && error.contains(&expected), "{error}");
    }
}

/// The settings of the gateway, from a file and the environment; a wrong one is named.
#[tokio::test]
async fn settings_of_the_gateway_apply() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, "[limits]\nexcess = \"refuse\"\nburst_seconds = 1\n").unwrap();
    let mut program = program();
    program.env("PORT", "0").env("WEBSOCKET_PORT", "0").env("GATEWAY_CONFIG", &file);
    program.env("GATEWAY_LIMITS_EVENTS_PER_SECOND", "1");
    let mut program = Program::start(&mut program, "it is built");
    program.line().await;
    let line = program.line().await;
    let addr = line.split_once("http://").unwrap().1.parse().unwrap();
    let _running = program.ignore_output();
    let mut ws = WebSocket::open(addr, &format!("/?token={}", token().await)).await.unwrap();
    for _ in 0..10 {
        ws.send(r#"{"event":"ping"}"#).await;
    }
    let refused = r#"{"event":"error","data":{"event":"ping","message":"rate limit exceeded"}}"#;
    while ws.text().await != refused {}
    for (name, value, expected) in [
        ("GATEWAY_LIMITS_EXCES", "refuse", "did you mean GATEWAY_LIMITS_EXCESS?"),
        ("GATEWAY_LIMITS_EXCESS", "sometimes", "GATEWAY_LIMITS_EXCESS: limits.excess: "),
        ("GATEWAY_CONFIG", "no such file", "no such file: "),
    ] {
        let output = soon(self::program().env(name, value).env("PORT", "0").output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(expected), "{error}");
    }
}

/// Browsers ask before a page posts JSON.
#[tokio::test]
async fn pages_of_listed_origins_may_acquire_sessions() {
    let (_running, [main, _]) = start("3600").await;
    let addr = main.strip_prefix("http://").unwrap().parse().unwrap();
    let ask = async |method: &str, origin: &str| {
        let request = Request::new(method, "/api/auth/acquire-session").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "content-type").send(addr).await
    };
    for origin in ["https://good.test", "https://fine.test"] {
        let preflight = ask("OPTIONS", origin).await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-methods"), Some("POST"));
        assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization, content-type"));
        for answer in [preflight, ask("POST", origin).await] {
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        }
    }
    let refused = ask("OPTIONS", "https://evil.test").await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None));
}

/// Binary data comes back as it was sent; a question to a model has none.
#[tokio::test]
async fn binary_data_is_echoed_and_refused_by_the_model() {
    let (_running, urls) = start("3600").await;
    let token = token().await;
    for url in urls {
        let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
        let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        ws.text().await;
        ws.send(&format!("40{}", json!({ "token": token }))).await;
        assert!(ws.text().await.starts_with("40") && ws.text().await.starts_with("42[\"connected\""));
        ws.send(r#"451-["echo",{"message":{"_placeholder":true,"num":0}}]"#).await;
        ws.send_binary(&[1, 2, 3]).await;
        let echo = ws.text().await;
        assert!(echo.starts_with("451-[\"echo_response\""), "{echo}");
        assert_eq!(ws.binary().await, [1, 2, 3]);
        let question = r#"{"message":"what is this","conversationHistory":[{"_placeholder":true,"num":0}]}"#;
        ws.send(&format!("451-[\"ai:chat\",{question}]")).await;
        ws.send_binary(&[1, 2, 3]).await;
        let refused = ws.text().await;
        assert!(refused.contains("ai:response:error") && refused.contains("binary data"), "{refused}");
    }
}

#[tokio::test]
async fn one_client_cannot_occupy_the_whole_model() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let model = move |_: Question, _: Pieces| {
        let gate = Arc::clone(&held);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(())
        }
    };
    let mut config = Config::default();
    config.auth.session_secret = "a secret of the tests".into();
    let dual = DualGateway::with_options(config, ChatOptions { answers_per_connection: 2 }, model).unwrap();
    let listen = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (main, websocket) = (listen().await, listen().await);
    let addr = websocket.local_addr().unwrap();
    let serving = dual.clone();
    tokio::spawn(async move { serving.serve(main, websocket, std::future::pending()).await });
    let token = dual.gateway().acquire_session(None).unwrap().token;
    let open = async || WebSocket::open(addr, &format!("/?token={token}")).await.unwrap();
    let (mut greedy, mut modest) = (open().await, open().await);
    let next = async |ws: &mut WebSocket| {
        let message: Value = serde_json::from_str(&ws.text().await).unwrap();
        message["data"]["error"].as_str().or(message["event"].as_str()).unwrap().to_owned()
    };
    let ask = json!({ "event": "ai:chat", "data": { "message": "hi" } }).to_string();
    for (ws, said) in [
        (&mut greedy, vec!["ai:response:start", "ai:response:start", "more than 2 answers at a time"]),
        (&mut modest, vec!["ai:response:start"]),
    ] {
        for welcome in ["connect", "connected"] {
            assert_eq!(next(ws).await, welcome);
        }
        for said in said {
            ws.send(&ask).await;
            assert_eq!(next(ws).await, said);
        }
    }
    // One answer is complete, so another one may start.
    gate.add_permits(1);
    assert_eq!(next(&mut greedy).await, "ai:response:complete");
    greedy.send(&ask).await;
    assert_eq!(next(&mut greedy).await, "ai:response:start");
}

#[tokio::test]
async fn responses_and_errors_of_a_custom_model_are_forwarded() {
    let model = |question: Question, pieces: Pieces| async move {
        for piece in [question.message.as_str(), "!"] {
            let _ = pieces.send(piece.to_owned()).await;
        }
        if question.message == "fail" { Err(ModelError("as asked for".to_owned())) } else { Ok(()) }
    };
    assert!(matches!(DualGateway::new(Config::default(), model), Err(DualError::NoSecret)));
    let mut config = Config::default();
    config.auth.session_secret = "a secret of the tests".into();
    let dual = DualGateway::new(config, model).unwrap();
    let listen = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (main, websocket) = (listen().await, listen().await);
    let (api, addr) = (main.local_addr().unwrap(), websocket.local_addr().unwrap());
    let serving = dual.clone();
    tokio::spawn(async move { serving.serve(main, websocket, std::future::pending()).await });

    let token = dual.gateway().acquire_session(None).unwrap().token;
    let mut ws = WebSocket::open(addr, &format!("/?token={token}")).await.unwrap();
    for expected in ["connect", "connected"] {
        let message: Value = serde_json::from_str(&ws.text().await).unwrap();
        assert_eq!(message["event"], expected, "{message}");
    }
    let chat = |message: &str| json!({ "event": "ai:chat", "data": { "message": message } }).to_string();
    for (said, end, rest) in [
        ("hi", "ai:response:complete", json!({ "fullResponse": "hi!" })),
        ("fail", "ai:response:error", json!({ "error": "as asked for" })),
    ] {
        ws.send(&chat(said)).await;
        let mut ids = Vec::new();
        let mut text = String::new();
        loop {
            let message: Value = serde_json::from_str(&ws.text().await).unwrap();
            ids.push(message["data"]["messageId"].clone());
            match message["event"].as_str().unwrap() {
                "ai:response:start" => {}
                "ai:response:chunk" => text.push_str(message["data"]["chunk"].as_str().unwrap()),
                event => {
                    assert_eq!(event, end);
                    for (key, value) in rest.as_object().unwrap() {
                        assert_eq!(&message["data"][key], value);
                    }
                    break;
                }
            }
        }
        assert_eq!(text, format!("{said}!"));
        assert!(ids.len() == 4 && ids.iter().all(|id| *id == ids[0] && id.is_string()), "{ids:?}");
    }

    // Every documented route exists and returns a documented status.
    let described: Value = serde_json::from_str(OPENAPI).unwrap();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, about) in methods.as_object().unwrap() {
            let answer = Request::new(&method.to_uppercase(), path).send(api).await;
            assert!(about["responses"][answer.status.to_string()].is_object(), "{method} {path}");
            let nonsense = Request::new("DELETE", path).send(api).await;
            assert_eq!(nonsense.status, 405, "{path}");
        }
    }
    assert_eq!(Request::new("GET", "/openapi.json").send(api).await.text(), OPENAPI);
    assert_eq!(Request::new("GET", "/nothing").send(api).await.status, 404);
    // Errors say what is wrong, also to those who open a WebSocket at the wrong port.
    for (method, path, status) in [("GET", "/nothing", 404), ("GET", "/api/auth/acquire-session", 405)] {
        let answer = Request::new(method, path).send(api).await;
        let said: Value = serde_json::from_str(answer.text()).unwrap();
        assert!(answer.status == status && said["error"].is_string(), "{said}");
    }
    assert_eq!(WebSocket::open(api, &format!("/?token={token}")).await.err(), Some(400));
    let request = Request::new("GET", "/ws").header("connection", "upgrade").header("upgrade", "websocket");
    let told = request.send(api).await;
    assert!(told.text().contains(&format!("port {}", addr.port())), "{}", told.text());
    // The other port returns its description to clients that do not use WebSocket.
    let told = Request::new("GET", "/anything").send(addr).await;
    assert_eq!(told.status, 200);
    assert!(told.text().contains(r#""native":{"path":"any other"}"#), "{}", told.text());
}
