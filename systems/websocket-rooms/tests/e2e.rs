//! The program with clients of npm and PyPI; and its own clients at a server of npm.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tests::raw::soon;
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_websocket-rooms");

async fn start() -> (Child, String) {
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").env("TOKEN", "open sesame").env("RUST_LOG", "off");
    tests::served::start(&mut program).await
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

async fn node(name: &str, arguments: &[&str]) {
    let systems = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    tests::node::run_with(&systems, &script(name), arguments).await;
}

#[tokio::test]
async fn the_npm_client_ws_works() {
    let (mut program, url) = start().await;
    let pid = program.id().unwrap().to_string();
    let visited = async { node("visit.mjs", &[&url, &pid]).await };
    let (status, ()) = tokio::join!(program.wait(), visited);
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn the_pypi_client_websocket_client_works() {
    let (_program, url) = start().await;
    tests::python::run_file(&script("visit.py"), &[&url]).await;
}

#[tokio::test]
async fn clients_work_with_npm_servers() {
    node("host.mjs", &[PROGRAM]).await;
}

#[tokio::test]
async fn wrong_arguments_are_refused() {
    for arguments in [&["serves"][..], &["connect"], &["connect", "ws://x"], &["connect", "a=http://x"]] {
        let output = Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output();
        assert!(!soon(output).await.unwrap().status.success(), "{arguments:?}");
    }
    let output = soon(Command::new(PROGRAM).env("ADDRESS", "127.0.0.1:0").env("TOKEN", "").output()).await;
    assert!(String::from_utf8(output.unwrap().stderr).unwrap().contains("TOKEN: an empty secret"));
}
