//! Identities of services: their keys over Socket.IO and HTTP, the rotation of keys, and tokens.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use service_bus::{BusError, ConnectorOptions, Event, EventType, LinkState, ServiceConnector};
use tests::raw::{Request, WebSocket, soon, until};
use tokio::process::{Child, Command};

use crate::{PROGRAM, options, received_by};

const CHAT: &str = "the first key of the chat";
const MAIL: &str = "the first key of the mail";

/// A program with this file.
async fn start(folder: &Path, settings: &str) -> (Child, String) {
    let file = folder.join("bus.toml");
    std::fs::write(&file, settings).unwrap();
    let mut program = Command::new(PROGRAM);
    program.env("GATEWAY_CONFIG", &file).env("SOCKET_IO_PORT", "0");
    program.stderr(std::fs::File::create(folder.join("log")).unwrap());
    tests::served::start(&mut program).await
}

fn service(name: &str, key: &str, url: &str) -> ServiceConnector {
    let options = ConnectorOptions { key: Some(key.to_owned()), ..options() };
    ServiceConnector::with_options(name, url, options).unwrap()
}

fn keys(chat: &str, mail: &str) -> String {
    format!("[services.chat]\nkeys = {chat}\n[services.mail]\nkey = {mail:?}\n")
}

#[tokio::test]
async fn a_service_cannot_send_as_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let (_program, url) = start(folder.path(), &keys(&format!("[{CHAT:?}]"), MAIL)).await;
    let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mail = service("mail", MAIL, &url);
    let mut events = received_by(&mail, &[EventType::Notification]);
    assert_eq!(soon(mail.initialize()).await.unwrap(), LinkState::Socket);
    for (name, key) in [("chat", MAIL), ("mail", CHAT), ("other", CHAT), ("chat", "")] {
        let denied = soon(service(name, key, &url).initialize()).await;
        assert!(matches!(denied, Err(BusError::Denied(why)) if why == "not a service"), "{name}");
    }
    let event = json!({ "type": "notification", "source": "mail" });
    let body = json!({ "room": "service:mail", "source": "mail", "event": event }).to_string();
    let post = |key: &str| {
        Request::new("POST", "/api/emit_to_room")
            .header("authorization", &format!("Bearer {key}"))
            .body(&body)
    };
    assert_eq!(post(CHAT).send(addr).await.both(), (200, r#"{"reached":1,"success":true}"#));
    assert_eq!(soon(events.recv()).await.unwrap().source, "chat", "the key names the source");
    assert_eq!(post("guess").send(addr).await.status, 401);
    let ready = Request::new("GET", "/api/ready").header("authorization", &format!("Bearer {CHAT}"));
    assert_eq!(ready.send(addr).await.both(), (200, r#"{"service":"chat","success":true}"#));
}

#[tokio::test]
async fn a_repeated_call_with_an_idempotency_key_is_carried_out_once() {
    let folder = tempfile::tempdir().unwrap();
    let (_program, url) = start(folder.path(), &keys(&format!("[{CHAT:?}]"), MAIL)).await;
    let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mail = service("mail", MAIL, &url);
    let mut events = received_by(&mail, &[EventType::Notification]);
    assert_eq!(soon(mail.initialize()).await.unwrap(), LinkState::Socket);
    let post = async |key: &str, number: u8| {
        let body = json!({ "room": "service:mail", "event": { "type": "notification", "n": number } });
        let request = Request::new("POST", "/api/emit_to_room").header("idempotency-key", "call 1");
        let request = request.header("authorization", &format!("Bearer {key}")).body(body.to_string());
        request.send(addr).await
    };
    let first = post(CHAT, 1).await;
    let again = post(CHAT, 1).await;
    assert_eq!(first.both(), again.both());
    assert_eq!(
        (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
        (None, Some("true"))
    );
    assert_eq!(post(CHAT, 2).await.status, 422, "another call");
    let end = Event::new(EventType::Notification).with("n", 9);
    mail.emit_to_room("service:mail", end).await.unwrap();
    for number in [1, 9] {
        assert_eq!(soon(events.recv()).await.unwrap().field("n"), Some(number));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn keys_are_replaced_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (program, url) = start(folder.path(), &keys(&format!("[{CHAT:?}]"), MAIL)).await;
    let pid = program.id().unwrap().to_string();
    let reload = async |settings: &str, done: &str| {
        std::fs::write(folder.path().join("bus.toml"), settings).unwrap();
        let sent = Command::new("kill").args(["-HUP", &pid]).stdout(Stdio::null()).status().await.unwrap();
        assert!(sent.success());
        until(async || std::fs::read_to_string(folder.path().join("log")).unwrap().contains(done)).await;
    };
    let connected = service("chat", CHAT, &url);
    assert_eq!(soon(connected.initialize()).await.unwrap(), LinkState::Socket);
    let newer = "the second key of the chat";
    reload(&keys("[\"short\"]", MAIL), "reload failed").await;
    assert_eq!(soon(service("chat", CHAT, &url).initialize()).await.unwrap(), LinkState::Socket);
    reload(&keys(&format!("[{newer:?}]"), MAIL), "reloaded").await;
    assert_eq!(soon(service("chat", newer, &url).initialize()).await.unwrap(), LinkState::Socket);
    assert!(matches!(soon(service("chat", CHAT, &url).initialize()).await, Err(BusError::Denied(_))));
    assert_eq!(connected.link(), LinkState::Socket, "connected services stay");
}

/// Secret of the tokens below, which are JWTs by HS256 and expire in the year 2096.
const SECRET: &str = "a secret of sixteen bytes or more";
/// `{"sub":"ada","exp":4000000000}`
const ADA: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEiLCJleHAiOjQwMDAwMDAwMDB9.UlJt6KndTIPuYPwbcxUuQiQUyDiVoH9f109_5-mnn00";
/// `{"sub":"report","service":"report","exp":4000000000}`
const REPORT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJyZXBvcnQiLCJzZXJ2aWNlIjoicmVwb3J0IiwiZXhwIjo0MDAwMDAwMDAwfQ.EAqUPdm_SWKN3OuiZ7zSzlLdi68ivP7hi7I6Yh-0wF0";

#[tokio::test]
async fn tokens_name_users_and_services() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "[auth]\njwt_key = {SECRET:?}\nanonymous = false\n[bus]\nservice_claim = \"service\"\n{}",
        keys(&format!("[{CHAT:?}]"), MAIL)
    );
    let (_program, url) = start(folder.path(), &settings).await;
    let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let chat = service("chat", CHAT, &url);
    let mut events =
        received_by(&chat, &[EventType::UserConnected, EventType::ChatTyping, EventType::SystemInfo]);
    assert_eq!(soon(chat.initialize()).await.unwrap(), LinkState::Socket, "a key needs no token");
    let connect = async |auth: Value| {
        let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        ws.text().await;
        ws.send(&format!("40{auth}")).await;
        let answer = ws.text().await;
        (ws, answer)
    };
    let (mut ws, answer) = connect(json!({ "token": ADA, "user_id": "eve" })).await;
    assert!(answer.starts_with("40"), "{answer}");
    assert_eq!(soon(events.recv()).await.unwrap().field::<String>("user_id").as_deref(), Some("ada"));
    ws.send(r#"42["chat:typing",{}]"#).await;
    assert_eq!(soon(events.recv()).await.unwrap().field::<String>("user_id").as_deref(), Some("ada"));
    for refused in [json!({}), json!({ "user_id": "eve" }), json!({ "token": "guess" })] {
        assert!(connect(refused).await.1.starts_with("44"));
    }
    let (_other, answer) = connect(json!({ "token": REPORT, "service": "mail" })).await;
    assert!(answer.starts_with("44"), "a token is that of one service: {answer}");
    let (mut ws, answer) = connect(json!({ "token": REPORT })).await;
    assert!(answer.starts_with("40"), "{answer}");
    ws.send(r#"42["system:info",{}]"#).await;
    assert_eq!(soon(events.recv()).await.unwrap().source, "report");
    let body =
        json!({ "room": "service:chat", "source": "mail", "event": { "type": "system:info" } }).to_string();
    let post = |token: &str| {
        let request = Request::new("POST", "/api/emit_to_room").body(&body);
        request.header("authorization", &format!("Bearer {token}"))
    };
    assert_eq!(post(REPORT).send(addr).await.status, 200);
    assert_eq!(soon(events.recv()).await.unwrap().source, "report");
    assert_eq!(post(ADA).send(addr).await.status, 403, "a user is no service");
}
