//! The program with npm's socket.io-client and PyPI's python-socketio, with both kinds of agent.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::path::{Path, PathBuf};

use tests::raw::soon;
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bot-channel");

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

async fn start(config: Option<&Path>) -> (Child, String) {
    let mut program = Command::new(PROGRAM);
    program.args(config).env("ADDRESS", "127.0.0.1:0").env("RUST_LOG", "off").env_remove("JWT_KEY");
    tests::served::start(&mut program).await
}

async fn node(name: &str, arguments: &[&str]) {
    let systems = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    tests::node::run_with(&systems, &script(name), arguments).await;
}

async fn converse(transports: &str) {
    let (_program, url) = start(None).await;
    node("converse.mjs", &[&url, transports]).await;
}

#[tokio::test]
async fn conversations_work_over_websocket() {
    converse("websocket").await;
}

#[tokio::test]
async fn conversations_work_over_polling() {
    converse("polling").await;
}

#[tokio::test]
async fn conversations_work_with_an_upgrade() {
    converse("polling,websocket").await;
}

#[tokio::test]
async fn conversations_work_with_a_python_client() {
    let (_program, url) = start(None).await;
    tests::python::run_file(&script("converse.py"), &[&url]).await;
}

#[tokio::test]
async fn clients_without_a_token_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bot.toml");
    let text = r#"
        [socketio]
        user_message_evt = "said"
        bot_message_evt = "answered"
        namespace = "/chat"
        socketio_path = "/live"
        jwt_key = "open sesame, and more"
        metadata_key = "about"
        [agent]
        kind = "rules"
        rules = []
        fallback = [{ text = "{message}, {metadata.name}" }]
    "#;
    std::fs::write(&config, text).unwrap();
    let (_program, url) = start(Some(&config)).await;
    node("token.mjs", &[&url, "open sesame, and more"]).await;
}

#[tokio::test]
async fn replies_of_the_backend_are_forwarded_immediately() {
    let folder = tempfile::tempdir().unwrap();
    node("backend.mjs", &[PROGRAM, folder.path().to_str().unwrap()]).await;
}

#[tokio::test]
async fn requests_to_the_backend_are_repeated_until_one_is_processed() {
    let folder = tempfile::tempdir().unwrap();
    node("retries.mjs", &[PROGRAM, folder.path().to_str().unwrap()]).await;
}

#[tokio::test]
async fn wrong_settings_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bot.toml");
    let rules = "[agent]\nkind = 'rules'\nrules = []\n";
    for (text, expected) in [
        (format!("[socketio]\nuser_event = 'x'\n{rules}"), "unknown field `user_event`"),
        (format!("[socketio]\njwt_key = 'x'\njwt_method = 'none'\n{rules}"), "there is no method none"),
        ("[agent]\nkind = 'http'\nurl = []\n".to_owned(), "agent.url: the list is empty"),
        ("[agent]\nkind = 'http'\nurl = 7\n".to_owned(), "expected a URL or a list of URLs"),
        ("[agent]\nkind = 'http'\nurl = 'somewhere'\n".to_owned(), "is not the URL of an HTTP server"),
    ] {
        std::fs::write(&config, text).unwrap();
        let output = Command::new(PROGRAM).arg(&config).env_remove("JWT_KEY").output();
        let output = soon(output).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(expected), "{error}");
    }
    assert!(!soon(Command::new(PROGRAM).arg("--help").output()).await.unwrap().status.success());
}
