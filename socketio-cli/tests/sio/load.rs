//! `sio load`.

use serde_json::{Value, json};

use crate::{sio, start, text};

/// Runs `sio load` with three connections. Returns whether it succeeded, and the lines that it printed.
async fn load(url: &str, flags: &[&str]) -> (bool, Vec<Value>) {
    let always = ["load", url, "-n", "3", "--duration", "0.1", "--interval", "0.01", "--json"];
    let output = sio(&[&always, flags].concat(), "").await;
    assert_eq!(text(&output.stderr), "");
    let lines = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.success(), lines)
}

#[tokio::test]
async fn load_measures_connections_acknowledgements_and_broadcasts() {
    let url = format!("http://{}", start().await);
    let (succeeded, lines) = load(&url, &["--echo", "echo", "--bytes", "100", "--broadcast", "news"]).await;
    assert!(succeeded, "{lines:?}");
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["connect", "echo", "broadcast"]);
    let counts: Vec<_> = lines.iter().map(|line| line["latency"]["count"].as_u64().unwrap()).collect();
    assert!(counts[0] == 3 && counts[1] >= 3 && counts[2] >= 3 && counts[2] % 3 == 0, "{counts:?}");
    for line in &lines {
        let [min, p50, p99, max] =
            ["min_ms", "p50_ms", "p99_ms", "max_ms"].map(|name| line["latency"][name].as_f64().unwrap());
        assert!(0.0 < min && min <= p50 && p50 <= p99 && p99 <= max, "{line}");
    }

    let output = sio(&["load", &url, "-n", "3", "--at-once", "2"], "").await;
    assert!(output.status.success());
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert!(lines[0].starts_with("connect   3 in ") && lines[1].starts_with("  p50 "), "{lines:?}");
    assert!(lines[2].contains(" ms ####"), "{lines:?}");
}

#[tokio::test]
async fn load_counts_failures() {
    let url = format!("http://{}", start().await);
    let (succeeded, lines) = load(&format!("{url}/no"), &[]).await;
    assert!(!succeeded);
    assert_eq!(lines[0]["failures"], json!({ "credentials missing": 3 }));

    let (succeeded, lines) = load(&url, &["--echo", "unknown", "--timeout", "1"]).await;
    assert!(!succeeded);
    assert_eq!((&lines[0]["failures"], &lines[1]["latency"]["count"]), (&json!({}), &json!(0)));
    let failures: Vec<_> = lines[1]["failures"].as_object().unwrap().values().collect();
    assert_eq!(failures, [&json!(3)]);

    let (succeeded, lines) = load(&url, &["--broadcast", "unknown", "--timeout", "1"]).await;
    assert!(!succeeded);
    assert_eq!(lines[1]["failures"], json!({ "an event did not arrive in time": 3 }));

    let (succeeded, lines) = load(&url, &["--echo", "leave"]).await;
    assert!(!succeeded);
    assert_eq!(lines[2]["failures"], json!({ "a connection was lost": 3 }));
}
