//! Limits of what a gateway does for sessions of others.

use serde_json::json;
use tests::raw::{Polling, soon, until};
use tests::redis::RedisServer;

use crate::cluster_peers::{arguments, connected, gateways, sharing, sockets};
use crate::support::{Running, parsed, start};

/// A client of the first gateway, with its requests at the second one.
async fn elsewhere(gateways: &[Running]) -> Polling {
    let client = Polling::open(gateways[0].addr, "/socket.io/?EIO=4&transport=polling").await;
    let Polling { open, response, target, .. } = client;
    Polling::from_parts(gateways[1].addr, open, response, target)
}

/// Polls and WebSockets of sessions of other gateways have a limit of their own.
#[tokio::test]
async fn relayed_connections_are_limited() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let addresses = sockets(folder.path(), &["a", "b"]);
    let more = json!({"cluster": {"peers_max_relayed": 1, "peers_delayed_connection_ms": 0}});
    let nodes = gateways(&redis, ["a", "b"], &addresses, more).await;
    let relayed = || nodes[1].gateway.io().engine().peer_stats().relayed;
    let (one, other) = (elsewhere(&nodes).await, elsewhere(&nodes).await);
    let mut ws = one.upgrade().await;
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    assert_eq!((relayed(), other.get().await.status, other.probe().await.err()), (1, 503, Some(503)));
    drop(ws);
    until(async || relayed() == 0).await;
    assert_eq!(other.post("40").await.status, 200);
    assert!(other.poll().await.starts_with("40{"));
}

/// Requests to a gateway that does not answer have a limit, and a time after which the session is unknown.
#[tokio::test]
async fn requests_to_a_stuck_gateway_are_limited() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let addresses = sockets(folder.path(), &["a", "b"]);
    let more = json!({"cluster": {
        "peers_max_open_requests": 1, "peers_response_timeout_ms": 1_500, "peers_timeout_ms": 60_000,
    }});
    let a = start(sharing(&redis, "a", &addresses[0], &addresses, &more)).await;
    let arguments = arguments(&sharing(&redis, "b", &addresses[1], &addresses, &more));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let b = crate::cli::serve(&arguments).await;
    connected(&a, 1).await;
    let client = Polling::open(b.addr, "/socket.io/?EIO=4&transport=polling").await;
    let Polling { open, response, target, .. } = client;
    let client = Polling::from_parts(a.addr, open, response, target);
    b.signal("STOP").await;
    let waiting = client.clone();
    let waiting = tokio::spawn(async move { waiting.get().await });
    until(async || a.gateway.io().engine().peer_stats().open_requests == 1).await;
    assert_eq!(client.get().await.status, 503);
    let (status, refused) = parsed(&soon(waiting).await.unwrap());
    assert_eq!((status, &refused["message"]), (400, &json!("Session ID unknown")));
    assert_eq!(a.gateway.io().engine().peer_stats().open_requests, 0);
    b.signal("CONT").await;
}
