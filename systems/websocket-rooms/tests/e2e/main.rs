//! The program with clients of npm and PyPI; and its own clients at a server of npm.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod limits;
mod operators;
mod readme;
mod secure;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tests::program::Program;
use tests::raw::soon;
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_websocket-rooms");

async fn start() -> (Child, String) {
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").env("TOKEN", "open sesame").env("RUST_LOG", "off");
    tests::served::start(&mut program).await
}

/// The program with further settings, and the addresses of its clients and its operators.
async fn start_with(settings: &[(&str, &str)]) -> (Child, SocketAddr, SocketAddr) {
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").envs(settings.iter().copied());
    let mut program = Program::start(&mut program, "it is built");
    let mut address = async || program.line().await.rsplit_once("//").unwrap().1.parse().unwrap();
    let (clients, operators) = (address().await, address().await);
    (program.ignore_output(), clients, operators)
}

async fn signal(program: &Child, name: &str) {
    let pid = program.id().unwrap().to_string();
    assert!(soon(Command::new("kill").args([name, &pid]).status()).await.unwrap().success());
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
        assert_eq!(soon(output).await.unwrap().status.code(), Some(2), "{arguments:?}");
    }
    let output = soon(Command::new(PROGRAM).env("ADDRESS", "127.0.0.1:0").env("TOKEN", "").output()).await;
    assert!(String::from_utf8(output.unwrap().stderr).unwrap().contains("TOKEN: an empty secret"));
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for (arguments, name, value, expected) in [
        (
            &["connect", "a=ws://127.0.0.1:1"][..],
            "RECONNECT_INTERVAL",
            "soon",
            "RECONNECT_INTERVAL: \"soon\" is not".to_owned(),
        ),
        (&[], "LOG_FORMAT", "xml", "LOG_FORMAT: \"xml\" is invalid".to_owned()),
        (&[], "RUST_LOG", "a=b=c", "RUST_LOG: \"a=b=c\" is invalid".to_owned()),
        (&[], "ADDRESS", &addr, format!("ADDRESS: cannot listen on {addr}: ")),
    ] {
        let mut program = Command::new(PROGRAM);
        let output =
            program.args(arguments).env(name, value).stdin(Stdio::null()).kill_on_drop(true).output();
        let output = soon(output).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && error.contains(&expected), "{error}");
    }
}

/// A client whose server does not come back ends the program, although its input goes on.
#[tokio::test]
async fn giving_up_is_reported() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut program = Command::new(PROGRAM);
    program.args(["connect", &format!("a=ws://{closed}")]).env("RECONNECT_INTERVAL", "1");
    program.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut program = Program::start(&mut program, "it is built");
    let mut lines = Vec::new();
    while let Some(line) = soon(program.lines.next_line()).await.unwrap() {
        lines.push(line);
    }
    assert_eq!(lines.pop().as_deref(), Some("a: gave up"), "{lines:?}");
    let output = soon(program.process.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "a gave up\n");
}

/// The others go on, and the exit code tells of the one that gave up.
#[tokio::test]
async fn the_others_go_on() {
    let (_server, url) = start().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut program = Command::new(PROGRAM);
    let (one, other) = (format!("a=ws://{closed}"), format!("b={url}?token=open%20sesame"));
    program.args(["connect", &one, &other]).env("RECONNECT_INTERVAL", "1");
    program.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut program = Program::start(&mut program, "it is built");
    let (mut is_open, mut gave_up) = (false, false);
    while !is_open || !gave_up {
        let line = program.line().await;
        is_open |= line == "b: open";
        gave_up |= line == "a: gave up";
    }
    let mut input = program.process.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut input, b"hello\n").await.unwrap();
    while program.line().await != "b: Echo: hello" {}
    drop(input);
    let status = soon(program.ignore_output().wait()).await.unwrap();
    assert_eq!(status.code(), Some(3));
}
