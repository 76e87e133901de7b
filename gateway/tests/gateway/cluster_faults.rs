//! Clusters whose nodes, server of Redis or PostgreSQL, or other members fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use socketio_redis::{Redis, StreamsAdapter};
use socketio_server::{Ack, Server};
use tests::raw::{Request, WebSocket, soon, until};
use tests::redis::RedisServer;

use crate::cli::serve;
use crate::cluster::{call, closes, data, done, known, nodes};
use crate::media::AnyServer;
use crate::metrics::read;
use crate::openapi::Described;
use crate::support::{Running, parsed};

/// A process that was killed is missing in the results until its silence is noticed, and then is no node any more.
#[tokio::test]
async fn a_killed_gateway_is_missing_and_then_gone() {
    for server in AnyServer::each_process().await {
        let [a] = nodes(&server, ["a"], json!({})).await;
        let arguments = server.arguments();
        let arguments: Vec<&str> =
            arguments.iter().map(String::as_str).chain(["--set", "cluster.node=b"]).collect();
        let mut b = serve(&arguments).await;
        let _there = WebSocket::open(b.addr, "/").await.unwrap();
        until(async || known(&a).await == ["a", "b"]).await;
        let counts = data(&a, "/api/counts").await;
        assert_eq!((&counts["nodes"][1]["clients"], &counts["partial"]), (&json!(1), &Value::Null));
        b.process.kill().await.unwrap();
        let counts = data(&a, "/api/counts").await;
        assert_eq!(counts["nodes"], json!([{"node": "a", "clients": 0}]));
        assert_eq!(counts["partial"], json!({"missing": ["b"], "link": "connected"}));
        let metrics = read(&a).await;
        let metric = |name: &str| metrics[&format!("gateway_cluster_{name}{{node=\"a\"}}")];
        assert_eq!((metric("nodes"), metric("missing_nodes"), metric("sockets")), (1, 1, 0));
        let described = Described::of(&a).await;
        for target in ["/api/rooms", "/api/sockets", "/api/counts"] {
            let response = a.operator("GET", target).send(a.addr).await;
            described.holds("get", target, &response);
            assert_eq!(parsed(&response).1["data"]["partial"]["missing"], json!(["b"]), "{target}");
        }
        // The client may be at the missing node.
        let unknown = json!({"client_id": "unknown", "event": "e"});
        let (status, refused) = call(&a, "/api/emit_to_client", unknown.clone()).await;
        assert_eq!((status, &refused["error"]["code"]), (503, &json!("incomplete")));
        until(async || data(&a, "/api/counts").await["partial"].is_null()).await;
        assert_eq!(call(&a, "/api/emit_to_client", unknown).await.0, 404);
    }
}

/// A server that says and answers what no gateway does.
#[tokio::test]
async fn junk_of_other_servers_does_no_harm() {
    let redis = RedisServer::start().await;
    let [a, b] = nodes(&redis, ["a", "b"], json!({})).await;
    let mut client = b.native("/").await;
    let adapter = StreamsAdapter::new(&Redis::open(&redis.url()).unwrap());
    let connections = adapter.connections().clone();
    let other = Server::builder().adapter(adapter).build().unwrap();
    let namespace = other.of("/gateway");
    let asked = Arc::new(AtomicUsize::new(0));
    let answers = Arc::clone(&asked);
    namespace.on_server_event("gateway:ask", move || {
        let junk = [
            json!(null),
            json!([]),
            json!({"node": "b", "instance": "x", "answer": {"clients": -1}}),
            json!({"node": "x".repeat(100_000), "instance": 7}),
        ];
        let answer = junk[answers.fetch_add(1, Ordering::Relaxed) % junk.len()].clone();
        async move { Ack(answer) }
    });
    soon(connections.ready()).await;
    let mut deep = json!("rooms");
    for _ in 0..200 {
        deep = json!({"at": {"instance": "x", "question": deep}});
    }
    for junk in [
        json!(null),
        json!({"node": 1}),
        json!({"node": "x".repeat(100_000), "instance": "x".repeat(100_000)}),
        json!({"sockets": {"namespace": "/", "rooms": [], "after": "", "limit": 99_999_999_999_u64}}),
        json!({"client": {"namespace": "/", "id": client.id, "call": {"emit": {"event": "connect", "data": "}"}}}}),
        json!({"revoke": {"user": "", "at": u64::MAX}}),
        json!({"unknown": {}}),
        deep,
    ] {
        for event in ["gateway:here", "gateway:ask"] {
            namespace.server_side_emit(event, &junk).await.unwrap();
            // Answered or not, and whatever the answer.
            let timeout = Duration::from_millis(200);
            let _ = tokio::time::timeout(timeout, namespace.server_side_emit_with_ack::<Value>(event, &junk))
                .await;
        }
    }
    for _ in 0..8 {
        let counts = data(&a, "/api/counts").await;
        assert_eq!(counts["nodes"], json!([{"node": "a", "clients": 0}, {"node": "b", "clients": 1}]));
        assert_eq!(data(&b, "/api/sockets").await["sockets"][0]["id"], json!(client.id));
        assert_eq!(done(&a, "/api/broadcast", json!({"event": "e"})).await["reached"], 1);
        client.heard("e").await;
    }
    assert!(asked.load(Ordering::Relaxed) >= 8);
}

/// Without Redis a gateway says so, serves its own clients, and is whole again by itself.
#[tokio::test]
async fn without_redis_gateways_serve_their_own_clients() {
    for mut server in AnyServer::each_process().await {
        let [a, b] = nodes(&server, ["a", "b"], json!({})).await;
        let [mut here, mut there] = [a.native("/").await, b.native("/").await];
        let health = async |node: &Running| {
            let (status, health) = parsed(&Request::new("GET", "/health/ready").send(node.addr).await);
            assert_eq!((status, &health["status"]), (200, &json!("ok")));
            health["cluster"].as_str().unwrap().to_owned()
        };
        assert_eq!(health(&a).await, "connected");
        server.kill().await;
        for node in [&a, &b] {
            until(async || health(node).await == "down").await;
        }
        let counts = data(&a, "/api/counts").await;
        assert_eq!(counts["nodes"], json!([{"node": "a", "clients": 1}]));
        assert_eq!(counts["partial"]["link"], "down");
        let response = a.operator("GET", "/metrics").send(a.addr).await;
        let metrics = response.text();
        for line in [
            "gateway_node_info{node=\"a\"} 1",
            "gateway_cluster_link_state{node=\"a\"} 2",
            "gateway_cluster_messages_lost_total{node=\"a\"} 0",
            "gateway_cluster_nodes{node=\"a\"} 1",
            "gateway_cluster_sockets{node=\"a\"} 1",
            "gateway_sockets{node=\"a\",namespace=\"/\"} 1",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
        }
        let emitted = done(&a, "/api/broadcast", json!({"event": "e", "data": 1})).await;
        assert_eq!(emitted["reached"], 1);
        assert_eq!(here.heard("e").await, 1);
        let mut late = a.native("/").await;
        assert!(late.ask("ping", json!(null)).await["timestamp"].is_string());
        let room = json!({"client_id": late.id, "room": "r"});
        assert_eq!(done(&a, "/api/join_room", room).await["members"], 1);
        server.restart().await;
        for node in [&a, &b] {
            until(async || health(node).await == "connected").await;
            until(async || known(node).await == ["a", "b"]).await;
        }
        // What waited for Redis may have come by now.
        until(async || {
            done(&a, "/api/broadcast", json!({"event": "again"})).await;
            loop {
                match tokio::time::timeout(Duration::from_millis(200), there.next()).await {
                    Ok(event) if event["event"] == "again" => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        })
        .await;
    }
}

/// A drain disconnects the clients of one node, which the others then do not miss.
#[tokio::test]
async fn a_drained_gateway_leaves_the_others_alone() {
    for server in AnyServer::each_process().await {
        let [a, b] = nodes(&server, ["a", "b"], json!({"server": {"drain_ms": 2_000}})).await;
        let [mut here, mut there] = [a.native("/").await, b.native("/").await];
        soon(b.gateway.drain()).await;
        closes(&mut there).await;
        let counts = data(&a, "/api/counts").await;
        assert_eq!(counts["nodes"], json!([{"node": "a", "clients": 1}]));
        assert_eq!(counts["partial"], Value::Null);
        assert!(here.ask("ping", json!(null)).await["timestamp"].is_string());
    }
}
