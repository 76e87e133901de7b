//! The emitter.

use serde_json::{Value, json};
use socketio_server::{Args, Binary};
use tests::cluster::join_namespace;
use tests::raw::{soon, until};

use super::support::{Cluster, NONE};

/// NATS-EMIT-01, NATS-EMIT-02, NATS-EMIT-03, NATS-EMIT-04, NATS-EMIT-05, NATS-EMIT-06, NATS-EMIT-07, NATS-EMIT-08,
/// NATS-EMIT-09, NATS-EMIT-10, NATS-EMIT-11, NATS-EMIT-12
#[tokio::test]
async fn an_emitter_reaches_clients_and_servers() {
    let mut cluster = Cluster::start().await;
    let ids = cluster.ids();
    let mut custom = Vec::new();
    for server in &cluster.servers {
        server.io.of("/custom");
        soon(server.connections.ready()).await;
        custom.push(join_namespace(server.addr, "/custom").await);
    }
    let emitter = cluster.emitter();
    soon(emitter.connections().ready()).await;
    emitter.emit("hello", &Args((1, "2", Binary::from(vec![3, 4])))).unwrap();
    for client in &mut cluster.clients {
        assert_eq!(client.text().await, r#"451-["hello",1,"2",{"_placeholder":true,"num":0}]"#);
        assert_eq!(client.ws.binary().await, [3, 4]);
    }
    emitter.of("custom").emit("x", &NONE).unwrap();
    for ws in &mut custom {
        assert_eq!(ws.text().await, r#"42/custom,["x"]"#);
    }
    let rooms = async |cluster: &Cluster, expected: Value| {
        until(async || json!(cluster.rooms(0).await) == expected).await;
    };
    emitter.sockets_join(&["all"]).unwrap();
    emitter.to(&ids[1]).sockets_join(&["one"]).unwrap();
    emitter.to("one").sockets_join(&["two", "three"]).unwrap();
    rooms(&cluster, json!([["all"], ["all", "one", "three", "two"], ["all"]])).await;
    emitter.to("one").compress(false).emit("room", &NONE).unwrap();
    soon(emitter.connections().flush()).await;
    cluster.only(&[1], r#"42["room"]"#).await;
    emitter.r#in("all").except("one").except(&ids[2]).volatile().emit("except", &NONE).unwrap();
    soon(emitter.connections().flush()).await;
    cluster.only(&[0], r#"42["except"]"#).await;
    emitter.to("one").sockets_leave(&["two"]).unwrap();
    emitter.to(&ids[1]).sockets_leave(&["one"]).unwrap();
    emitter.sockets_leave(&["all"]).unwrap();
    rooms(&cluster, json!([[], ["three"], []])).await;
    emitter.server_side_emit("hello", &Args(("world", 1, "2"))).unwrap();
    for server in &mut cluster.servers {
        assert_eq!(soon(server.hello.recv()).await.unwrap(), json!(["world", 1, "2"]));
    }
    emitter.disconnect_sockets(false).unwrap();
    for client in &mut cluster.clients {
        assert_eq!(client.text().await, "41");
    }
    soon(emitter.connections().flush()).await;
    let stats = emitter.connections().stats();
    assert_eq!((stats.lost, stats.unconfirmed, stats.published), (0, 0, 12));
    for server in &cluster.servers {
        assert_eq!(server.connections.stats().bad_messages, 0);
    }
}
