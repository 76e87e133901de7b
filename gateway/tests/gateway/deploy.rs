//! Container files, checked against the sources and the settings: the test machines have no container engine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use socketio_gateway::Config;
use tests::raw::soon;

use crate::cli::program;

const DOCKERFILE: &str = include_str!("../../deploy/Dockerfile");
const COMPOSE: &str = include_str!("../../deploy/compose.yaml");
const UNIT: &str = include_str!("../../deploy/socketio-gateway.service");

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// The rest of each line that begins with a word.
pub(crate) fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim_start().strip_prefix(word)).map(str::trim).collect()
}

/// The rest of the only line that begins with a word.
pub(crate) fn one<'a>(text: &'a str, word: &str) -> &'a str {
    let found = after(text, word);
    assert_eq!(found.len(), 1, "{word}: {found:?}");
    found[0]
}

/// The effective settings with these environment variables. Panics with the error of invalid ones.
pub(crate) async fn in_force(variables: &[(&str, &str)]) -> toml::Table {
    let mut checking = program(&["check-config"]);
    checking.envs(variables.iter().copied());
    let checked = soon(checking.output()).await.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    toml::from_str(std::str::from_utf8(&checked.stdout).unwrap()).unwrap()
}

#[tokio::test]
async fn the_image_contains_the_built_program() {
    assert_eq!(
        one(DOCKERFILE, "RUN cargo"),
        format!("build --profile dist --locked --package {}", env!("CARGO_PKG_NAME"))
    );
    let root = deploy().join("../..");
    assert!(root.join("Cargo.lock").exists(), "what --locked wants");
    let built = Path::new(env!("CARGO_BIN_EXE_socketio-gateway")).file_name().unwrap().to_str().unwrap();
    let copied = format!("COPY --from=build /src/target/dist/{built} /{built}");
    assert!(DOCKERFILE.lines().any(|line| line == copied), "{copied}");
    let list = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap();
    assert_eq!(list(one(DOCKERFILE, "ENTRYPOINT")), [format!("/{built}")]);
    let (_, check) = one(DOCKERFILE, "HEALTHCHECK").split_once("CMD").unwrap();
    let check = list(check);
    assert_eq!(check[0], format!("/{built}"));
    let arguments: Vec<&str> = check[1..].iter().map(String::as_str).chain(["--help"]).collect();
    assert!(soon(program(&arguments).output()).await.unwrap().status.success(), "{check:?}");
    // The exclusions of the build context have the file name that the engine expects.
    assert!(deploy().join("Dockerfile.dockerignore").exists());

    let variables: Vec<(&str, &str)> =
        one(DOCKERFILE, "ENV").split(' ').map(|pair| pair.split_once('=').unwrap()).collect();
    let config = in_force(&variables).await;
    assert_eq!(config["server"]["host"].as_str(), Some("0.0.0.0"), "reachable from outside the container");
    assert_eq!(config["server"]["port"].as_integer(), Some(one(DOCKERFILE, "EXPOSE").parse().unwrap()));
    let example = one(DOCKERFILE, "#   docker build --file ");
    assert!(root.join(example.split(' ').next().unwrap()).exists(), "{example}");
}

#[tokio::test]
async fn the_services_fit_together() {
    let context = deploy().join(one(COMPOSE, "context:"));
    assert!(context.join(one(COMPOSE, "dockerfile:")).exists());
    assert!(context.join("Cargo.toml").exists());
    let address = one(COMPOSE, "GATEWAY_INTERNAL_ADDRESS:");
    let key = "a key of at least 16 bytes";
    let config = in_force(&[("GATEWAY_INTERNAL_ADDRESS", address), ("GATEWAY_API_KEYS", key)]).await;
    assert_eq!(config["internal"]["address"].as_str(), Some(address));
    assert!(one(COMPOSE, "GATEWAY_API_KEYS:").starts_with("${GATEWAY_API_KEYS:?"));
    let ports: Vec<Value> =
        after(COMPOSE, "- ").iter().map(|port| serde_json::from_str(port).unwrap()).collect();
    let (_, internal) = address.rsplit_once(':').unwrap();
    assert_eq!(ports, ["8000:8000", internal]);
    assert_eq!(Config::default().server.port, 8000);
}

#[test]
fn stop_timeouts_are_longer_than_the_drain() {
    let drain = Duration::from_millis(Config::default().server.drain_ms);
    let seconds = |text: &str| Duration::from_secs(text.trim_end_matches('s').parse().unwrap());
    assert!(seconds(one(COMPOSE, "stop_grace_period:")) > drain);
    assert!(seconds(one(UNIT, "TimeoutStopSec=")) > drain);
}
