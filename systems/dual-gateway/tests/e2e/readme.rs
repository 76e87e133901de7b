//! The snippets of the README, against the program.

use std::process::Stdio;

use tests::raw::soon;
use tests::snippets::{Script, blocks};
use tokio::process::Command;

use crate::start;

const README: &str = include_str!("../../README.md");

/// A snippet, with the ports of a running program.
fn at(code: &str, [main, websocket]: &[String; 2]) -> String {
    code.replace("http://localhost:3000", main)
        .replace("http://localhost:3500", websocket)
        .replace("ws://localhost:3500", &websocket.replace("http", "ws"))
}

#[tokio::test]
async fn the_shell_commands_work() {
    let (_running, urls) = start("3600").await;
    let code = at(&blocks(README, "sh")[0], &urls);
    let systems = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut shell = Command::new("sh");
    shell.args(["-ec", &code]).current_dir(systems).kill_on_drop(true);
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // wscat ends with its input.
    let _input = shell.stdin.take();
    let output = soon(shell.wait_with_output()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains(r#""received":"Hello World""#), "{text} {output:?}");
}

#[tokio::test]
async fn the_clients_in_javascript_work() {
    let (_running, urls) = start("3600").await;
    let codes = blocks(README, "js");
    let mut socketio = Script::start(&at(&codes[0], &urls));
    for expected in ["connected: false", "pong", "You said \"Hello, AI!\", after 0 messages."] {
        assert_eq!(socketio.line().await, expected);
    }
    let mut native = Script::start(&at(&codes[1], &urls));
    for expected in ["connect", "connected", "pong"] {
        assert_eq!(native.line().await, expected);
    }
}

#[tokio::test]
async fn the_client_in_python_works() {
    let (_running, urls) = start("3600").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.py");
    let code = at(&blocks(README, "python")[0], &urls);
    let code = code.replace(
        "print(event[1][\"received\"])",
        "assert event[1][\"received\"] == {\"message\": \"hello\"}",
    );
    std::fs::write(&file, format!("{code}\nprint(\"ok\")\n")).unwrap();
    tests::python::run_file(&file, &[]).await;
}
