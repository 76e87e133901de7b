//! The official client of npm, and npm's `ws` as a native client.

use serde_json::json;

use crate::support::start;

#[tokio::test]
async fn clients_of_npm_meet() {
    let running = start(json!({"server": {"namespaces": ["/", "/chat"]}})).await;
    for transports in ["polling,websocket", "websocket", "polling"] {
        tests::node::run("gateway.mjs", &[&format!("http://{}", running.addr), transports]).await;
    }
}
