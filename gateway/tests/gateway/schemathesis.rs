//! The HTTP API against its own description, by requests that nobody thought of: PyPI's schemathesis.

use serde_json::json;

use crate::support::start;

/// What the tool is to accept besides what it does by itself: ids that it invents are nobody's, and keys that it invents
/// may have been used before.
const CONFIGURATION: &str = r#"
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422"]
"#;
/// In seconds; then it comes to an end by itself.
const TIME: &str = "30";

/// No answer is the server's fault or other than described, whatever is asked. The seed is in what a failure shows;
/// with it in `SCHEMATHESIS_SEED` the same requests come again.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_described_whatever_is_asked() {
    let key = "a key for operators";
    let secret = "a secret that nobody guesses";
    let running = start(json!({"api": {"keys": [key]}, "auth": {"session_secret": secret}})).await;
    let mut client = running.native("/").await;
    client.ask("join", json!("0")).await;
    // What it keeps is of no use afterwards.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), CONFIGURATION).unwrap();
    let mut description = running.get("/api/openapi.json").await.1;
    let paths = description["paths"].as_object().unwrap();
    let operations: usize = paths.values().map(|methods| methods.as_object().unwrap().len()).sum();
    // Nobody guesses the id of somebody who is there.
    for schema in description["components"]["schemas"].as_object_mut().unwrap().values_mut() {
        if let Some(id) = schema.pointer_mut("/properties/client_id") {
            id["examples"] = json!([client.id]);
        }
    }
    std::fs::write(folder.path().join("openapi.json"), description.to_string()).unwrap();
    let url = format!("http://{}", running.addr);
    let mut tool = tests::python::program("schemathesis", "st");
    tool.args(["--no-color", "run", "openapi.json", "--url", &url, "--header", &format!("x-api-key: {key}")]);
    tool.args(["--continue-on-failure", "--max-time", TIME]);
    if let Ok(seed) = std::env::var("SCHEMATHESIS_SEED") {
        tool.args(["--seed", &seed]);
    }
    let finished = tool.current_dir(folder.path()).kill_on_drop(true).output();
    let limit = std::time::Duration::from_secs(180);
    let output = tokio::time::timeout(limit, finished).await.expect("it ends by itself").unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("Seed: "), "{said}{wrong}");
    println!("{said}");
    let tested = said.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
    assert_eq!(tested.map(str::parse), Some(Ok(operations)), "{said}");
    assert_eq!(running.gateway.io().engine().stats().panics, 0);
}
