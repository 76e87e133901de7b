//! The snippets of README.md, and the files of `deploy/`, against the program. Snippets in Python and JavaScript are run by
//! the tests of the connectors.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::error::Error;

use serde_json::Value;
use service_bus::{Bus, BusOptions, Config, OPENAPI};
use tests::raw::soon;
use tests::snippets::blocks;
use tokio::net::TcpListener;
use tokio::process::Command;

const README: &str = include_str!("../README.md");
const PROGRAM: &str = env!("CARGO_BIN_EXE_service-bus");
const UNIT: &str = include_str!("../deploy/service-bus.service");
const DOCKERFILE: &str = include_str!("../deploy/Dockerfile");

/// Lines without their indentation, and without blank ones.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// The snippets in Rust, in their order, with the URL of this bus.
async fn snippets(url: &str) -> Result<(), Box<dyn Error>> {
    {
        use service_bus::{Event, EventType, ServiceConnector};

        let connector = ServiceConnector::new("chat", url)?;
        connector.on_event(EventType::ChatMessage, |event| async move {
            println!("Received message: {:?}", event.field::<String>("content"));
        });
        connector.initialize().await?;

        let message = Event::new(EventType::ChatMessage)
            .with("sender_id", "user456")
            .with("recipient_id", "user123")
            .with("message_id", "msg789")
            .with("content", "Hello, world!");
        connector.emit_to_user("user123", message).await?;
        connector.shutdown().await;
    }
    use service_bus::{Event, ServiceConnector};
    let connector = ServiceConnector::new("chat", url)?;
    connector.initialize().await?;
    {
        use std::sync::Mutex;

        use service_bus::SeenIds;

        let seen = Mutex::new(SeenIds::new(10_000));
        let handler = move |event: Event| {
            let is_new = seen.lock().unwrap().is_new(&event);
            async move {
                if is_new {
                    println!("order {:?}", event.field::<u64>("number"));
                }
            }
        };
        connector.on_dropped(|dropped| async move { println!("lost: {:?}", dropped.count) });
        connector.subscribe("orders", &["order:paid".into()], handler).await?;
    }
    {
        use std::time::Duration;

        use service_bus::RequestError;

        connector.on_request("stock:count", |event| async move {
            match event.field::<String>("item") {
                Some(item) => Ok(item.len()),
                None => Err("expected { item }".to_owned()),
            }
        });
        let question = Event::new("stock:count").with("item", "pear");
        match connector.request("chat", question, Duration::from_secs(5)).await {
            Ok(answer) => println!("{:?}", answer.parse::<u64>()?),
            Err(RequestError::NoService) => println!("chat is away"),
            Err(error) => return Err(error.into()),
        }
    }
    connector.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn the_snippets_in_rust_run() {
    let own = lines(include_str!("readme.rs")).join("\n");
    let snippets_of_readme = blocks(README, "rust");
    assert_eq!(snippets_of_readme.len(), 3);
    for snippet in snippets_of_readme {
        let snippet = snippet.replace("\"http://localhost:8000\"", "url");
        assert!(own.contains(&lines(&snippet).join("\n")), "the test has another text than: {snippet}");
    }
    let bus = Bus::new(Config::default(), BusOptions::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { bus.serve(listener).await });
    soon(snippets(&url)).await.unwrap();
}

#[tokio::test]
async fn the_commands_and_the_settings_work() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(PROGRAM);
    program.env("SOCKET_IO_PORT", "0").env("LOG_LEVEL", "OFF");
    let (_program, url) = tests::served::start(&mut program).await;
    let [commands] = <[String; 1]>::try_from(blocks(README, "sh")).unwrap();
    let commands = commands.replace("http://127.0.0.1:8000", &url);
    let mut shell = Command::new("sh");
    let output = soon(shell.args(["-c", &commands]).kill_on_drop(true).output()).await.unwrap();
    let answers: Vec<Value> =
        serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(answers.iter().all(|answer| answer["success"] == true), "{answers:?}");

    let [settings] = <[String; 1]>::try_from(blocks(README, "toml")).unwrap();
    let kept = folder.path().join("kept");
    let file = folder.path().join("bus.toml");
    std::fs::write(&file, settings.replace("/var/lib/service-bus/kept", kept.to_str().unwrap())).unwrap();
    let mut program = Command::new(PROGRAM);
    program.env("GATEWAY_CONFIG", &file).env("SOCKET_IO_PORT", "0").env("LOG_LEVEL", "OFF");
    tests::served::start(&mut program).await;
}

#[test]
fn the_files_of_the_deployment_fit_the_program() {
    let drain = Config::default().server.drain_ms / 1000;
    let stop = UNIT.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
    assert!(stop.parse::<u64>().unwrap() > drain);
    for text in
        ["ExecReload=/bin/kill -HUP $MAINPID", "StateDirectory=service-bus", "GATEWAY_INTERNAL_ADDRESS="]
    {
        assert!(UNIT.contains(text), "{text}");
    }
    assert!(
        DOCKERFILE.contains("--package service-bus") && DOCKERFILE.contains("ENTRYPOINT [\"/service-bus\"]")
    );
    let file: Value = serde_json::from_str(OPENAPI).unwrap();
    for path in file["paths"].as_object().unwrap().keys() {
        assert!(README.contains(path.as_str()), "{path} is not in README.md");
    }
}
