//! The program in front of a server with the contract of Rasa's REST channel.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::path::{Path, PathBuf};

use tests::raw::{WebSocket, soon};
use tokio::process::{Child, Command};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

#[tokio::test]
async fn the_credentials_of_rasa_are_settings() {
    let (_rasa, backend) = tests::served::start(Command::new("node").arg(script("rasa_server.mjs"))).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.yml");
    let text = tests::snippets::blocks(include_str!("../README.md"), "yaml").remove(0);
    std::fs::write(&file, &text).unwrap();
    let mut program = program();
    program.arg(&file).env("BACKEND_URL", format!("{backend}/webhooks/rest/webhook"));
    let (_channel, url) = tests::served::start(&mut program).await;
    let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    for message in ["40", r#"42["session_request",null]"#] {
        ws.text().await;
        ws.send(message).await;
    }
    let session: (String, String) = serde_json::from_str(&ws.text().await[2..]).unwrap();
    ws.send(&format!(r#"42["user_uttered",{{"message":"hi","session_id":"{}"}}]"#, session.1)).await;
    assert_eq!(ws.text().await, r#"42["bot_uttered",{"text":"You said hi"}]"#);
    // A mistake is reported with its line.
    std::fs::write(&file, text + "\n  user_event: x\n").unwrap();
    for (arguments, backend, expected) in [
        (vec![file.as_path()], backend.as_str(), "unknown field `user_event`"),
        (vec![file.as_path()], "", "BACKEND_URL: the URL of the backend is expected"),
        (vec![file.as_path(), &file], backend.as_str(), "usage: "),
    ] {
        let output =
            soon(self::program().args(arguments).env("BACKEND_URL", backend).output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(expected), "{error}");
    }
}

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bot-channel"));
    program.env("ADDRESS", "127.0.0.1:0").env("RUST_LOG", "off").env_remove("JWT_KEY");
    program
}

/// Rasa, the channel in front of it, and the URL of the channel.
async fn start(query: &str, more: &str) -> ([Child; 2], String) {
    let (rasa, url) = tests::served::start(Command::new("node").arg(script("rasa_server.mjs"))).await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bot.toml");
    let url = format!("{url}/webhooks/rest/webhook{query}");
    let text = format!(
        "[socketio]\nsession_persistence = true\n[agent]\nkind = \"http\"\nurl = \"{url}\"\n{more}\n"
    );
    std::fs::write(&config, text).unwrap();
    let (channel, url) = tests::served::start(program().arg(&config)).await;
    ([rasa, channel], url)
}

async fn converse(query: &str) {
    let (_programs, url) = start(query, "timeout_ms = 1000").await;
    let systems = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    tests::node::run_with(&systems, &script("rasa.mjs"), &[&url]).await;
    tests::python::run_file(&script("rasa.py"), &[&url]).await;
}

#[tokio::test]
async fn a_rasa_server_is_a_backend() {
    converse("").await;
}

#[tokio::test]
async fn a_rasa_server_may_stream_its_answers() {
    converse("?stream=true").await;
}

/// All messages that have arrived before SIGTERM are answered.
#[tokio::test]
async fn a_stop_under_load_loses_nothing() {
    let ([_rasa, mut channel], url) = start("", "").await;
    let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut clients = Vec::new();
    for number in 0..20 {
        let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        ws.text().await;
        ws.send("40").await;
        ws.text().await;
        ws.send(&format!(r#"42["session_request",{{"session_id":"s{number}"}}]"#)).await;
        ws.text().await;
        clients.push(ws);
    }
    for (number, ws) in clients.iter_mut().enumerate() {
        let message =
            |at| format!(r#"42["user_uttered",{{"message":"/load {at}","session_id":"s{number}"}}]"#);
        ws.send_together((0..5).map(message)).await;
        // The reason for a message that is ignored: all earlier ones have arrived.
        ws.send(r#"429["user_uttered",7]"#).await;
    }
    let mut answers = vec![Vec::new(); clients.len()];
    for (ws, answers) in clients.iter_mut().zip(&mut answers) {
        loop {
            let text = ws.text().await;
            if text.starts_with("439[") {
                break;
            }
            answers.push(text);
        }
    }
    let id = channel.id().unwrap().to_string();
    assert!(soon(Command::new("kill").args(["-TERM", &id]).status()).await.unwrap().success());
    for (ws, answers) in clients.iter_mut().zip(&mut answers) {
        while answers.len() < 5 {
            answers.push(ws.text().await);
        }
        for (at, answer) in answers.iter().enumerate() {
            assert_eq!(*answer, format!(r#"42["bot_uttered",{{"text":"You said /load {at}"}}]"#));
        }
    }
    assert!(soon(channel.wait()).await.unwrap().success());
}
