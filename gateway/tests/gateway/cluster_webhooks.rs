//! Webhooks of a gateway in a cluster, whose responses reach clients at other gateways.

use serde_json::{Value, json};
use tests::postgres::PostgresServer;
use tests::raw::until;
use tests::redis::RedisServer;

use crate::cluster::nodes;
use crate::media::AnyServer;
use crate::support::{Client, Running};
use crate::webhook_backend::Backend;

const TENANT: &str = "/?namespace=/tenant/x";

struct Setup {
    backend: Backend,
    nodes: [Running; 2],
    _server: AnyServer,
}

/// The kinds of Redis, and PostgreSQL.
const MEDIA: [&str; 4] = ["streams", "sharded", "classic", "postgres"];

async fn setup(medium: &str) -> Setup {
    let (server, kind) = match medium {
        "postgres" => (AnyServer::Postgres(PostgresServer::start_empty().await), "streams"),
        kind => (AnyServer::Redis(RedisServer::start().await), kind),
    };
    let backend = Backend::start().await;
    let hooks = backend.settings(&json!({"calls": ["event", "disconnect"]}));
    let more = json!({
        "cluster": {"kind": kind}, "server": {"namespaces": ["/", "/tenant/{tenant}"]}, "webhooks": hooks,
    });
    Setup { nodes: nodes(&server, ["a", "b"], more).await, backend, _server: server }
}

/// The next event of a client, which nothing precedes.
async fn hears(client: &mut Client, event: &str, data: Value) {
    assert_eq!(client.heard(event).await, data);
}

/// The namespace of a pattern exists only where it has clients.
#[tokio::test]
async fn webhooks_emit_to_namespaces_that_are_at_another_gateway() {
    for kind in MEDIA {
        let Setup { mut backend, nodes: [a, b], _server } = setup(kind).await;
        let (mut here, mut there) = (a.native("/").await, b.native(TENANT).await);
        let io = [a.gateway.io(), b.gateway.io()];
        let socket = io[1].namespace("/tenant/x").unwrap().socket(&there.id).unwrap();
        socket.join("r");
        socket.join("user:ada");
        here.emit("buy", json!(1)).await;
        backend.next("event").await.says(json!({"emit": [
            {"event": "nowhere", "namespace": "/tenant/y", "broadcast": true},
            {"event": "operators", "namespace": "/gateway", "broadcast": true},
            {"event": "all", "namespace": "/tenant/x", "broadcast": true, "others": true, "data": {"n": 1.0}},
            {"event": "room", "namespace": "/tenant/x", "room": "r"},
            {"event": "no member", "namespace": "/tenant/x", "room": "s"},
            {"event": "user", "namespace": "/tenant/x", "user": "ada", "data": [2]},
            {"event": "one", "namespace": "/tenant/x", "client_id": there.id, "data": 3},
            {"event": "done"},
        ]}));
        hears(&mut there, "all", json!({"n": 1.0})).await;
        hears(&mut there, "room", json!(null)).await;
        hears(&mut there, "user", json!([2])).await;
        hears(&mut there, "one", json!(3)).await;
        hears(&mut here, "done", json!(null)).await;
        assert!(io[0].namespace("/tenant/x").is_none(), "{kind}");
    }
}

/// With its last client the namespace of a pattern has left the gateway.
#[tokio::test]
async fn a_disconnect_is_told_to_the_clients_at_another_gateway() {
    for medium in ["streams", "postgres"] {
        let Setup { mut backend, nodes: [a, b], _server } = setup(medium).await;
        let (here, mut there) = (a.native(TENANT).await, b.native(TENANT).await);
        drop(here);
        let call = backend.next("disconnect").await;
        until(async || a.gateway.io().namespace("/tenant/x").is_none()).await;
        call.says(
            json!({"emit": [{"event": "left", "broadcast": true, "others": true, "data": "a client"}]}),
        );
        hears(&mut there, "left", json!("a client")).await;
    }
}
