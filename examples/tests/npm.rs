//! Programs that have an official counterpart, with npm's client.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::path::Path;

use tokio::process::Command;

/// Runs a script of this folder against a program, over each transport.
async fn visit(program: &str, script: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for transports in ["polling", "websocket", "polling,websocket"] {
        let mut program = Command::new(program);
        let (_process, url) = tests::served::start(program.env("ADDRESS", "127.0.0.1:0")).await;
        let script = here.join("tests").join(script);
        tests::node::run_with(&here.join("../tests/interop"), &script, &[&url, transports]).await;
    }
}

#[tokio::test]
async fn chat() {
    visit(env!("CARGO_BIN_EXE_chat"), "chat.mjs").await;
}

#[tokio::test]
async fn private_messaging() {
    visit(env!("CARGO_BIN_EXE_private_messaging"), "private_messaging.mjs").await;
}
