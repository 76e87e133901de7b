//! The programs with npm's client and server.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::path::Path;

use tests::raw::soon;
use tests::snippets::{IMPORT, Script, blocks, documentation};
use tokio::process::{Child, Command};

const TRANSPORTS: [&str; 3] = ["polling", "websocket", "polling,websocket"];

async fn start(program: &str) -> (Child, String) {
    tests::served::start(Command::new(program).env("ADDRESS", "127.0.0.1:0")).await
}

/// Runs a script of this folder.
async fn run(script: &str, arguments: &[&str]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = here.join("tests").join(script);
    tests::node::run_with(&here.join("../../tests/interop"), &script, arguments).await;
}

/// The program ends without an error after its clients have been disconnected.
#[tokio::test]
async fn board() {
    for transports in TRANSPORTS {
        let (mut program, url) = start(env!("CARGO_BIN_EXE_board")).await;
        let pid = program.id().unwrap().to_string();
        run("board.mjs", &[&url, transports, &pid]).await;
        assert!(soon(program.wait()).await.unwrap().success());
    }
}

#[tokio::test]
async fn bot() {
    run("bot.mjs", &[env!("CARGO_BIN_EXE_bot")]).await;
}

#[tokio::test]
async fn crud() {
    for transports in TRANSPORTS {
        let (_program, url) = start(env!("CARGO_BIN_EXE_crud")).await;
        run("crud.mjs", &[&url, transports]).await;
    }
}

/// The script at the top of the program runs, and prints what its comments say.
#[tokio::test]
async fn the_script_of_crud_runs() {
    let (_program, url) = start(env!("CARGO_BIN_EXE_crud")).await;
    let documentation = documentation(include_str!("../src/bin/crud.rs"));
    let [code] = <[String; 1]>::try_from(blocks(&documentation, "js")).unwrap();
    let mut script = Script::start(&format!("{IMPORT}{}", code.replace("http://127.0.0.1:3000", &url)));
    assert_eq!(script.line().await, "undefined");
    let printed = script.until("error: 'invalid payload'").await;
    assert!(printed.contains("title: 'write'") && printed.contains("completed: true"), "{printed}");
}

#[tokio::test]
async fn passport() {
    for transports in TRANSPORTS {
        let (_program, url) = start(env!("CARGO_BIN_EXE_passport")).await;
        run("passport.mjs", &[&url, transports]).await;
    }
}
