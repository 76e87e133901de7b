//! Rate limits of events.

use serde_json::{Value, json};

use crate::support::{Client, Running, start};

/// A client of each protocol, with a rate limit that every machine is fast enough to exceed.
async fn paced(excess: &str, limits: Value) -> (Running, [Client; 2]) {
    let mut limits = limits;
    limits["burst_seconds"] = json!(1);
    limits["excess"] = json!(excess);
    let running = start(json!({"limits": limits})).await;
    let clients = running.both().await;
    (running, clients)
}

#[tokio::test]
async fn events_beyond_the_rate_wait_in_order() {
    let (running, mut clients) = paced("delay", json!({"events_per_second": 100})).await;
    for client in &mut clients {
        for number in 0..150 {
            client.emit("echo", json!(number)).await;
        }
        for number in 0..150 {
            assert_eq!(client.heard("echo_response").await["received"], number);
        }
    }
    assert!(running.gateway.stats().disconnects.is_empty(), "no client was disconnected");
}

#[tokio::test]
async fn events_beyond_the_rate_are_refused() {
    for limits in [json!({"events_per_second": 1}), json!({"bytes_per_second": 1})] {
        let (_running, clients) = paced("refuse", limits).await;
        for mut client in clients {
            assert_eq!(client.ask("echo", json!("first")).await["received"], "first");
            // The budget refills by one event per second, and this takes less.
            let mut refused = None;
            for _ in 0..1000 {
                let answer = client.ask("echo", json!("more")).await;
                if !answer["error"].is_null() {
                    refused = Some(answer);
                    break;
                }
            }
            assert_eq!(refused, Some(json!({"error": "rate limit exceeded"})));
            // Clients that requested no acknowledgement learn it too.
            for _ in 0..3 {
                client.emit("typing", json!(null)).await;
            }
            let told = json!({"event": "typing", "message": "rate limit exceeded"});
            while client.next().await != json!({"event": "error", "data": told}) {}
        }
    }
}

#[tokio::test]
async fn clients_beyond_the_rate_are_disconnected() {
    let (running, clients) = paced("disconnect", json!({"events_per_second": 1})).await;
    let mut quiet = running.native("/").await;
    for mut client in clients {
        for _ in 0..4 {
            client.emit("typing", json!(null)).await;
        }
        assert_eq!(client.heard("error").await, json!({"event": "limit", "message": "rate limit exceeded"}));
        client.ws.closed().await;
    }
    assert!(quiet.ask("ping", json!(null)).await["timestamp"].is_string());
}
