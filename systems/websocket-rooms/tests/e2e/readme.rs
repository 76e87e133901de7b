//! The snippets of the README, against the program.

use std::process::Stdio;

use tests::raw::soon;
use tests::snippets::{Script, blocks};
use tokio::process::Command;

use crate::start_with;

const README: &str = include_str!("../../README.md");

/// The only snippet in a language, with the address of a running program.
fn snippet(language: &str, addr: std::net::SocketAddr) -> String {
    let found = blocks(README, language);
    assert_eq!(found.len(), 1, "{language}");
    found[0].replace("127.0.0.1:8080", &addr.to_string())
}

#[tokio::test]
async fn the_shell_command_works() {
    let (_program, addr, _) = start_with(&[]).await;
    let systems = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut shell = Command::new("sh");
    shell.args(["-ec", &snippet("sh", addr)]).current_dir(systems).kill_on_drop(true);
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // wscat ends with its input.
    let _input = shell.stdin.take();
    let output = soon(shell.wait_with_output()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(r#"{"type":"reached","count":0}"#), "{text}");
}

#[tokio::test]
async fn the_client_in_javascript_works() {
    let (_program, addr, _) = start_with(&[]).await;
    let mut script = Script::start(&snippet("js", addr));
    while !script.line().await.contains("joined") {}
    while !script.line().await.contains("reached") {}
}

#[tokio::test]
async fn the_client_in_python_works() {
    let (_program, addr, _) = start_with(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.py");
    let code = snippet("python", addr).replace("print(", "assert \"Echo: hello\" in (");
    std::fs::write(&file, format!("{code}\nprint(\"ok\")\n")).unwrap();
    tests::python::run_file(&file, &[]).await;
}
