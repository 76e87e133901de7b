//! The snippets of README.md, and the files of `deploy/`, against the program.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use bot_channel::{ChannelConfig, Config};
use tests::raw::soon;
use tests::snippets::{Script, blocks};
use tokio::process::{Child, Command};

const README: &str = include_str!("../README.md");
const UNIT: &str = include_str!("../deploy/bot-channel.service");
const DOCKERFILE: &str = include_str!("../deploy/Dockerfile");
const PROGRAM: &str = env!("CARGO_BIN_EXE_bot-channel");

async fn start() -> (Child, String) {
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").env("RUST_LOG", "off").env_remove("JWT_KEY");
    tests::served::start(&mut program).await
}

#[tokio::test]
async fn the_client_in_javascript_works() {
    let (_program, url) = start().await;
    let code = blocks(README, "js").remove(0).replace("http://localhost:5005", &url);
    assert_eq!(Script::start(&code).line().await, "Bot: Hello! What can I do for you?");
}

#[tokio::test]
async fn the_client_in_python_works() {
    let (_program, url) = start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.py");
    let code = blocks(README, "python").remove(0).replace("http://localhost:5005", &url);
    let code =
        code.replace("print(answer[\"text\"])", "assert answer[\"text\"] == \"This is what I can do.\"");
    assert!(code.contains("assert"));
    std::fs::write(&file, format!("{code}\nprint(\"ok\")\n")).unwrap();
    tests::python::run_file(&file, &[]).await;
}

#[test]
fn the_settings_are_accepted() {
    let snippets = blocks(README, "toml");
    assert!(snippets.len() >= 4);
    for snippet in snippets {
        let agent =
            if snippet.contains("[agent]") { "" } else { "\n[agent]\nkind = \"rules\"\nrules = []\n" };
        Config::parse(&format!("{snippet}{agent}"), "README").unwrap();
    }
}

/// The rest of the only line that begins with a word.
fn one<'a>(text: &'a str, word: &str) -> &'a str {
    let found: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(word)).collect();
    assert_eq!(found.len(), 1, "{word}: {found:?}");
    found[0].trim()
}

/// The unit and the image start the program with arguments and variables that it knows.
#[tokio::test]
async fn the_files_of_the_deployment_fit_the_program() {
    assert_eq!(one(UNIT, "ExecStart="), "/usr/local/bin/bot-channel /etc/bot-channel/bot.toml");
    assert_eq!(one(DOCKERFILE, "ENTRYPOINT"), r#"["/bot-channel"]"#);
    assert_eq!(one(DOCKERFILE, "RUN cargo"), "build --profile dist --locked --package bot-channel");
    assert_eq!(one(DOCKERFILE, "EXPOSE"), "5005");
    let stop: u64 = one(UNIT, "TimeoutStopSec=").parse().unwrap();
    assert!(stop * 1000 > ChannelConfig::default().shutdown_ms + 20_000);
    // The program reads the variables of both.
    let settings = [one(UNIT, "Environment="), one(DOCKERFILE, "ENV ")].join(" ");
    for variable in settings.split(' ') {
        let (name, _) = variable.split_once('=').unwrap();
        let mut program = Command::new(PROGRAM);
        program.env("ADDRESS", "127.0.0.1:0").env(name, "wrong").env_remove("JWT_KEY");
        let output = soon(program.output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(&format!("{name}: ")), "{error}");
    }
}
