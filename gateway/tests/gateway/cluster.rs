//! Gateways that are nodes of one cluster.

use serde_json::{Value, json};
use tests::postgres::PostgresServer;
use tests::raw::{Request, WebSocket, soon, until};
use tests::redis::RedisServer;

use crate::media::{AnyServer, Medium};
use crate::metrics::read;
use crate::support::{Client, Running, parsed, start};

pub(crate) const KEY: &str = "a key of all operators";

/// Settings of a node of the cluster, with further ones.
pub(crate) fn settings(medium: &impl Medium, node: &str, more: &Value) -> Value {
    let mut settings = json!({
        "cluster": {"node": node, "request_timeout_ms": 1_000},
        "api": {"keys": [KEY]},
    });
    settings["cluster"].as_object_mut().unwrap().extend(medium.cluster().as_object().unwrap().clone());
    for (section, values) in more.as_object().unwrap() {
        let section = settings.as_object_mut().unwrap().entry(section).or_insert_with(|| json!({}));
        section.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    }
    settings
}

/// Starts nodes with these names and settings, and waits until each knows all.
pub(crate) async fn nodes<const N: usize>(
    medium: &impl Medium,
    names: [&str; N],
    more: Value,
) -> [Running; N] {
    let mut nodes = Vec::new();
    for name in names {
        nodes.push(start(settings(medium, name, &more)).await);
    }
    for node in &nodes {
        soon(node.gateway.cluster_ready()).await;
        until(async || known(node).await == names).await;
    }
    nodes.try_into().ok().unwrap()
}

/// The nodes that answer a node, and the node itself.
pub(crate) async fn known(node: &Running) -> Vec<String> {
    let (_, counts) = node.get("/api/counts").await;
    let nodes = counts["data"]["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["node"].as_str().unwrap().to_owned()).collect()
}

pub(crate) async fn call(node: &Running, path: &str, body: Value) -> (u16, Value) {
    let request = node.operator("POST", path).header("content-type", "application/json");
    parsed(&request.body(body.to_string()).send(node.addr).await)
}

/// The data of a call that succeeds.
pub(crate) async fn done(node: &Running, path: &str, body: Value) -> Value {
    let (status, mut response) = call(node, path, body).await;
    assert_eq!(status, 200, "{response}");
    response["data"].take()
}

pub(crate) async fn data(node: &Running, target: &str) -> Value {
    let (status, mut response) = node.get(target).await;
    assert_eq!(status, 200, "{response}");
    response["data"].take()
}

/// Every call at one gateway reaches the clients of both, and every list is of both.
pub(crate) async fn gateways_act_as_one(medium: &impl Medium, kind: &str) {
    let more = json!({"cluster": {"kind": kind}, "server": {"namespaces": ["/", "/native"]}});
    let [a, b] = nodes(medium, ["a", "b"], more).await;
    let [mut here, mut there] = [a.native("/").await, b.socketio().await];
    let mut elsewhere = b.native("/?namespace=/native").await;
    let mut sender = a.native("/?namespace=/native").await;
    let reached = |number: usize| json!({"reached": number});
    for id in [&here.id, &there.id] {
        let joined = done(&a, "/api/join_room", json!({"client_id": id, "room": "r"})).await;
        let members = if *id == here.id { 1 } else { 2 };
        assert_eq!(joined, json!({"members": members}));
    }
    for node in [&a, &b] {
        for (path, body) in [
            ("/api/emit_to_room", json!({"room": "r", "event": "e", "data": {"n": 1.5}})),
            ("/api/broadcast", json!({"event": "e", "data": {"n": 1.5}})),
        ] {
            assert_eq!(done(node, path, body).await, reached(2));
            for client in [&mut here, &mut there] {
                assert_eq!(client.heard("e").await, json!({"n": 1.5}));
            }
        }
        for client in [&mut here, &mut there] {
            let one = json!({"client_id": client.id, "event": "one", "data": 12345678901234567890_u64});
            assert_eq!(done(node, "/api/emit_to_client", one).await, reached(1));
            assert_eq!(client.heard("one").await, json!(12345678901234567890_u64));
            let metadata = json!({"client_id": client.id, "metadata": {"by": "an operator"}});
            let changed = done(node, "/api/set_metadata", metadata).await;
            assert_eq!(changed, json!({"metadata": {"by": "an operator"}}));
        }
        let unknown = json!({"client_id": "unknown", "event": "e"});
        assert_eq!(call(node, "/api/emit_to_client", unknown).await.1["error"]["code"], "unknown_client");
        let unknown = json!({"event": "e", "namespace": "/nowhere"});
        assert_eq!(call(node, "/api/broadcast", unknown).await.1["error"]["code"], "unknown_namespace");

        let mut clients = [here.id.clone(), there.id.clone()];
        clients.sort();
        let rooms = json!({"rooms": [{"namespace": "/", "room": "r", "clients": clients}]});
        assert_eq!(data(node, "/api/rooms").await, rooms);
        let counts = data(node, "/api/counts").await;
        assert_eq!(counts["connections"], json!({"native": 3, "polling": 0, "websocket": 1}));
        assert_eq!(counts["namespaces"]["/"], json!({"clients": 2, "rooms": 1, "users": 0}));
        assert_eq!(counts["nodes"], json!([{"node": "a", "clients": 2}, {"node": "b", "clients": 2}]));
        assert_eq!(counts["partial"], Value::Null);

        // Page by page.
        let mut listed = Vec::new();
        let mut after = String::new();
        loop {
            let page = data(node, &format!("/api/sockets?room=r&limit=1&after={after}")).await;
            listed.extend(page["sockets"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => break,
            }
        }
        let listed: Vec<_> = listed.iter().map(|socket| (&socket["id"], &socket["node"])).collect();
        for (id, node) in [(&here.id, "a"), (&there.id, "b")] {
            assert!(listed.contains(&(&json!(id), &json!(node))), "{listed:?}");
        }
        assert_eq!(listed.len(), 2);
        let info = parsed(&Request::new("GET", "/info").send(node.addr).await).1;
        assert_eq!(info["node"], json!(node.gateway.node()));
    }
    let left = done(&b, "/api/leave_room", json!({"client_id": here.id, "room": "r"})).await;
    assert_eq!(left, json!({"members": 1}));
    // What clients relay to each other reaches those of other nodes too.
    here.emit("message", json!("hello")).await;
    assert_eq!(there.heard("message").await["content"], "hello");
    assert_eq!(here.heard("message_received").await["success"], true);
    // Native clients see from whom it is, and that other events are from the server.
    sender.emit("message", json!("hello")).await;
    let relayed = elsewhere.next().await;
    assert_eq!((&relayed["event"], &relayed["from"]), (&json!("message"), &json!(sender.id)), "{relayed}");
    done(&a, "/api/broadcast", json!({"event": "e", "namespace": "/native"})).await;
    let sent = elsewhere.next().await;
    assert_eq!((&sent["event"], &sent["from"]), (&json!("e"), &Value::Null), "{sent}");
    let gone = done(&a, "/api/disconnect", json!({"client_id": there.id})).await;
    assert_eq!(gone, json!({"disconnected": 1}));
    closes(&mut there).await;
    let gone = done(&b, "/api/disconnect", json!({"room": here.id})).await;
    assert_eq!(gone, json!({"disconnected": 1}));
    closes(&mut here).await;
}

/// The connection of the client ends; Socket.IO clients hear it first.
pub(crate) async fn closes(client: &mut Client) {
    if !client.is_native() {
        assert_eq!(client.ws.text().await, "41");
    }
    client.ws.closed().await;
}

#[tokio::test]
async fn gateways_on_streams_act_as_one() {
    gateways_act_as_one(&RedisServer::start().await, "streams").await;
}

#[tokio::test]
async fn gateways_on_sharded_channels_act_as_one() {
    gateways_act_as_one(&RedisServer::start().await, "sharded").await;
}

#[tokio::test]
async fn gateways_on_classic_channels_act_as_one() {
    gateways_act_as_one(&RedisServer::start().await, "classic").await;
}

#[tokio::test]
async fn gateways_on_postgres_act_as_one() {
    gateways_act_as_one(&PostgresServer::start_empty().await, "streams").await;
}

/// A user is all connections at all gateways, in all namespaces, those of patterns included.
#[tokio::test]
async fn a_user_is_its_connections_at_all_gateways() {
    for server in AnyServer::each().await {
        let namespaces = json!({"server": {"namespaces": ["/", "/tenant/{tenant}"]}});
        let [a, b] = nodes(&server, ["a", "b"], namespaces).await;
        let [mut here, mut there] = [a.native("/").await, b.native("/").await];
        let mut tenant = b.native("/?namespace=/tenant/x").await;
        let io = [a.gateway.io(), b.gateway.io()];
        io[0].socket(&here.id).unwrap().join("user:ada");
        io[1].socket(&there.id).unwrap().join("user:ada");
        io[1].namespace("/tenant/x").unwrap().socket(&tenant.id).unwrap().join("user:ada");
        // The namespace exists at b only.
        let emit = json!({"user": "ada", "event": "e", "data": 1, "namespace": "/tenant/x"});
        assert_eq!(done(&a, "/api/emit_to_user", emit).await, json!({"reached": 1}));
        assert_eq!(tenant.heard("e").await, 1);
        assert!(io[0].namespace("/tenant/x").is_none());
        let sockets = data(&a, "/api/sockets?namespace=/tenant/x").await;
        assert_eq!(
            (&sockets["sockets"][0]["id"], &sockets["sockets"][0]["node"]),
            (&json!(tenant.id), &json!("b"))
        );
        assert_eq!(a.get("/api/sockets?namespace=/tenant/y").await.0, 404);
        assert_eq!(
            done(&a, "/api/emit_to_user", json!({"user": "ada", "event": "e"})).await,
            json!({"reached": 2})
        );
        assert_eq!(
            data(&a, "/api/counts").await["namespaces"]["/"],
            json!({"clients": 2, "rooms": 0, "users": 1})
        );
        let gone = done(&a, "/api/disconnect", json!({"user": "ada"})).await;
        assert_eq!(gone, json!({"disconnected": 3}));
        for client in [&mut here, &mut there] {
            client.heard("e").await;
        }
        for client in [&mut here, &mut there, &mut tenant] {
            closes(client).await;
        }
    }
}

/// A room under the id of another client would receive what is meant for that client alone.
#[tokio::test]
async fn clients_cannot_join_rooms_of_clients_at_other_gateways() {
    for server in AnyServer::each().await {
        let [a, b] = nodes(&server, ["a", "b"], json!({})).await;
        let [mut here, there] = [a.native("/").await, b.native("/").await];
        let refused = here.ask("join", json!(there.id)).await;
        assert_eq!(refused["error"], "the room name is the id of a socket");
        assert_eq!(here.ask("join", json!("a room of 20 letters")).await["room"], "a room of 20 letters");
    }
}

/// The statistics of operators are of all nodes, and go to the operators of each node once.
#[tokio::test]
async fn the_statistics_are_of_all_gateways() {
    for server in AnyServer::each().await {
        let [a, b] = nodes(&server, ["a", "b"], json!({})).await;
        let [mut here, mut there] = [a.native("/").await, b.socketio().await];
        for client in [&mut here, &mut there] {
            client.ask("join", json!("r")).await;
        }
        there.ask("join", json!("s")).await;
        let mut operators = Vec::new();
        for node in [&a, &b] {
            let mut ws = WebSocket::open(node.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
            ws.text().await;
            ws.send(&format!("40/gateway,{}", json!({"key": KEY}))).await;
            assert!(ws.text().await.starts_with("40/gateway,{"));
            operators.push(ws);
        }
        for ws in &mut operators {
            let expected = json!({
                "connections": {"native": 1, "polling": 0, "websocket": 3},
                "namespaces": {"/": 2, "/gateway": 2},
                "nodes": [{"node": "a", "connections": 2}, {"node": "b", "connections": 2}],
                "partial": null,
                "roomCount": 2,
                "rooms": [
                    {"namespace": "/", "room": "r", "members": 2},
                    {"namespace": "/", "room": "s", "members": 1},
                ],
            });
            until(async || {
                let text = ws.text().await;
                let Some(event) = text.strip_prefix("42/gateway,") else { return false };
                let event: Value = serde_json::from_str(event).unwrap();
                expected.as_object().unwrap().iter().all(|(key, value)| event[1][key] == *value)
            })
            .await;
        }
    }
}

/// Each gateway has the metrics of its own process, by its name, and the numbers of the whole cluster.
#[tokio::test]
async fn the_metrics_are_of_a_node_and_of_the_whole_cluster() {
    for server in AnyServer::each().await {
        let [a, b] = nodes(&server, ["a", "b"], json!({})).await;
        let [mut here, mut there] = [a.native("/").await, b.socketio().await];
        let _silent = b.native("/").await;
        for client in [&mut here, &mut there] {
            client.ask("join", json!("r")).await;
        }
        there.ask("join", json!("s")).await;
        for (node, name, sockets, rooms) in [(&a, "a", 1, 1), (&b, "b", 2, 2)] {
            let metrics = read(node).await;
            assert!(
                metrics.keys().all(|series| series.contains(&format!("{{node=\"{name}\""))),
                "{metrics:?}"
            );
            let labelled = |series: &str| metrics[&format!("gateway_{series}{{node=\"{name}\"}}")];
            assert_eq!(metrics[&format!("gateway_sockets{{node=\"{name}\",namespace=\"/\"}}")], sockets);
            assert_eq!(labelled("rooms"), rooms);
            assert_eq!((labelled("cluster_sockets"), labelled("cluster_rooms")), (3, 2));
            assert_eq!((labelled("cluster_nodes"), labelled("cluster_missing_nodes")), (2, 0));
            assert_eq!((labelled("node_info"), labelled("cluster_other_nodes")), (1, 1));
            assert_eq!((labelled("cluster_link_state"), labelled("cluster_messages_lost_total")), (0, 0));
        }
    }
}
