//! The program with npm's client, and its command line.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod readme;
mod settings;

use std::path::Path;

use tests::raw::soon;
use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_axum-plugin");

/// The program exits without an error after its clients have disconnected.
async fn visit(transports: &str) {
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").env("TOKEN", "open sesame").env("RUST_LOG", "off");
    let (mut program, url) = tests::served::start(&mut program).await;
    let systems = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/visit.mjs");
    let pid = program.id().unwrap().to_string();
    let visited = async { tests::node::run_with(&systems, &script, &[&url, &pid, transports]).await };
    // The script checks whether the process exists; an exited process exists until the test has waited for
    // it.
    let (status, ()) = tokio::join!(program.wait(), visited);
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn the_official_client_works_over_websocket() {
    visit("websocket").await;
}

#[tokio::test]
async fn the_official_client_works_over_polling() {
    visit("polling").await;
}

#[tokio::test]
async fn the_official_client_works_with_an_upgrade() {
    visit("polling,websocket").await;
}

async fn run(plugins_file: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut program = Command::new(PROGRAM);
    program.args(arguments).env("PLUGINS_FILE", plugins_file).env("RUST_LOG", "off");
    let output = soon(program.output()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test]
async fn the_command_line_lists_handlers_and_routes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugins.json");
    let routes = run(&file, &["list", "routes"]).await.unwrap();
    assert!(routes.contains("POST              /rooms/{room}"), "{routes}");
    assert!(routes.contains("GET,POST,OPTIONS  /socket.io/"), "{routes}");
    let handlers = run(&file, &["list", "plugins", "--plugin", "socket"]).await.unwrap();
    let expected = [
        ("/", "connect", "axum_plugin::lobby::connect"),
        ("/", "send_to_room", "axum_plugin::lobby::send_to_room"),
        ("/chat", "join", "axum_plugin::chat::join"),
        ("/private", "(connect)", "axum_plugin::private::authenticate"),
    ];
    for (namespace, event, handler) in expected {
        let found = handlers.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        assert!(found.into_iter().any(|line| line == [namespace, event, handler]), "{event}: {handlers}");
    }
    assert!(run(&file, &["list", "plugins"]).await.unwrap().starts_with("socket (10 handlers)\n"));
    assert_eq!(
        run(&file, &["list", "plugins", "--plugin", "x"]).await.unwrap_err(),
        "there is no plug-in x\n"
    );
    assert!(run(&file, &["lists"]).await.unwrap_err().starts_with("usage: "));
}

/// A listing starts nothing: the hooks of the application, which log here, do not run.
#[tokio::test]
async fn listings_run_no_hooks() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["list", "routes"][..], &["list", "plugins"], &["plugins", "enable", "socket"]] {
        let mut program = Command::new(PROGRAM);
        program
            .args(arguments)
            .env("PLUGINS_FILE", folder.path().join("plugins.json"))
            .env("RUST_LOG", "info");
        let output = soon(program.output()).await.unwrap();
        assert!(output.status.success() && !output.stdout.is_empty());
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
    }
}

#[tokio::test]
async fn plugins_can_be_disabled_and_enabled() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugins.json");
    let switch = async |verb: &str| run(&file, &["plugins", verb, "socket"]).await.unwrap();
    assert_eq!(switch("disable").await, "socket is switched off\n");
    assert_eq!(switch("disable").await, "socket is already switched off\n");
    // Listings show what is declared, and say what is off.
    let listed = run(&file, &["list", "plugins"]).await.unwrap();
    assert!(listed.starts_with("socket (10 handlers) (switched off)\n"), "{listed}");
    for arguments in [&["list", "plugins", "--plugin", "socket"][..], &["list", "routes"]] {
        let listed = run(&file, arguments).await.unwrap();
        let is_off = |line: &&str| line.ends_with(" (switched off)");
        let expected = if arguments[1] == "routes" { 1 } else { 10 };
        assert_eq!(listed.lines().filter(is_off).count(), expected, "{listed}");
    }
    assert_eq!(switch("enable").await, "socket is switched on\n");
    assert!(!run(&file, &["list", "routes"]).await.unwrap().contains("switched off"));
    std::fs::write(&file, r#"{"disable":["socket"]}"#).unwrap();
    let error = run(&file, &["list", "plugins"]).await.unwrap_err();
    assert!(error.contains("unknown field `disable`"), "{error}");
}
