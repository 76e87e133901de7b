//! The clients of the README, against the program.

use tests::snippets::{Script, blocks};
use tokio::process::{Child, Command};

use crate::PROGRAM;

const README: &str = include_str!("../../README.md");

async fn start() -> (Child, String) {
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").env("RUST_LOG", "off");
    tests::served::start(&mut program).await
}

#[tokio::test]
async fn the_client_in_javascript_works() {
    let (_program, url) = start().await;
    let mut script = Script::start(&blocks(README, "js")[0].replace("http://localhost:3000", &url));
    for expected in ["Welcome!", "Hello server!"] {
        assert_eq!(script.line().await, expected);
    }
}

#[tokio::test]
async fn the_client_in_python_works() {
    let (_program, url) = start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.py");
    let code = blocks(README, "python")[0].replace("http://localhost:3000", &url);
    let code = code
        .replace("print(client.receive(timeout=10))", "assert client.receive(timeout=10)[0] == \"response\"");
    std::fs::write(&file, format!("{code}\nprint(\"ok\")\n")).unwrap();
    tests::python::run_file(&file, &[]).await;
}

#[tokio::test]
async fn the_request_works() {
    let (_program, url) = start().await;
    let code = blocks(README, "sh")[0].replace("http://localhost:3000", &url);
    let mut shell = Command::new("sh");
    let output = tests::raw::soon(shell.args(["-ec", &code]).output()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"reached\":0}");
}
