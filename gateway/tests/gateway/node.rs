//! The official client of npm, and npm's `ws` as a native client.

use serde_json::json;
use tests::snippets::{Script, blocks};

use crate::support::start;

#[tokio::test]
async fn clients_of_npm_meet() {
    let running = start(json!({"server": {"namespaces": ["/", "/chat"]}})).await;
    for transports in ["polling,websocket", "websocket", "polling"] {
        tests::node::run("gateway.mjs", &[&format!("http://{}", running.addr), transports]).await;
    }
}

/// The JavaScript of the repository's README.md, whose first block is that of a server.
#[tokio::test]
async fn the_script_of_the_readme_runs() {
    let running = start(json!({})).await;
    let [_, code] = <[String; 2]>::try_from(blocks(include_str!("../../../README.md"), "js")).unwrap();
    let mut script = Script::start(&code.replace("127.0.0.1:8000", &running.addr.to_string()));
    assert_eq!(script.line().await, "hello");
}
