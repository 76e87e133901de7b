//! Single sockets, further namespaces, the official emitter, and servers that are silent or leave.

use std::future::pending;
use std::time::Duration;

use serde_json::{Value, json};
use socketio_postgres::{Postgres, PostgresAdapter};
use socketio_server::{Ack, Args, Binary};
use tests::cluster::join_namespace;
use tests::postgres::PostgresServer;
use tests::raw::{WebSocket, soon, until};

use super::support::{Client, Cluster, NONE, Node, Rust};

/// Two servers of ours and an official one, which wait for answers for this time, with a client each.
async fn three(timeout: Duration) -> Cluster {
    let postgres = PostgresServer::start().await;
    let settings = Postgres::open(&postgres.url()).unwrap();
    let adapter = || PostgresAdapter::builder(&settings).requests_timeout(timeout).build();
    let rust = vec![Rust::start(adapter()).await, Rust::start(adapter()).await];
    let options = json!({"requestsTimeout": timeout.as_millis() as u64});
    let node = vec![Node::start(&postgres, options).await];
    Cluster::of(postgres, rust, node, 8000).await
}

const CUSTOM: &str = "/custom";

/// A cluster with a further namespace, and a client in it at each server.
async fn with_custom() -> (Cluster, Vec<WebSocket>) {
    let cluster = three(Duration::from_secs(5)).await;
    for rust in &cluster.rust {
        rust.io.of(CUSTOM);
        soon(rust.connections.ready()).await;
    }
    cluster.node[0].run("of", json!({"nsp": CUSTOM})).await;
    let mut sockets = Vec::new();
    for addr in cluster.addresses() {
        sockets.push(join_namespace(addr, CUSTOM).await);
    }
    for rust in &cluster.rust {
        until(async || rust.io.of(CUSTOM).fetch_sockets().await.is_ok_and(|found| found.len() == 3)).await;
    }
    until(async || {
        let found = cluster.node[0].ask("fetch", json!({"nsp": CUSTOM})).await;
        found.is_ok_and(|found| found.as_array().unwrap().len() == 3)
    })
    .await;
    (cluster, sockets)
}

/// POSTGRES-02
#[tokio::test]
async fn events_of_a_namespace_reach_its_clients_on_all_servers() {
    let (mut cluster, mut sockets) = with_custom().await;
    for from_rust in [true, false] {
        if from_rust {
            let args = Args((1, "2", Binary::from_static(&[3])));
            cluster.rust[0].io.of(CUSTOM).emit("hi", &args).await.unwrap();
        } else {
            let args = json!([1, "2", {"$bin": "Aw=="}]);
            cluster.node[0].run("emit", json!({"nsp": CUSTOM, "event": "hi", "args": args})).await;
        }
        for ws in &mut sockets {
            assert_eq!(ws.text().await, r#"451-/custom,["hi",1,"2",{"_placeholder":true,"num":0}]"#);
            assert_eq!(ws.binary().await, [3]);
        }
    }
    cluster.nothing_else().await;
}

/// POSTGRES-25
#[tokio::test]
async fn a_silent_server_is_missing_in_the_answers() {
    let cluster = three(Duration::from_millis(500)).await;
    // The official server answers neither of them.
    cluster.rust[1].io.on_server_event("first", || async { Ack(2) });
    let asking = cluster.rust[0].io.server_side_emit_with_ack::<u8>("first", &NONE);
    let partial = soon(asking).await.unwrap_err().partial().unwrap();
    assert_eq!((partial.answers, partial.missing), (vec![2], 1));
    cluster.rust[0].io.on_server_event("second", || async { Ack(2) });
    cluster.rust[1].io.on_server_event("second", pending::<Ack<u8>>);
    let error = cluster.node[0].ask("serverSideEmitAck", json!({"event": "second", "args": []})).await;
    assert_eq!(error.unwrap_err(), "timeout reached: missing 1 responses");
}

/// A server that leaves while it is asked is not waited for.
///
/// POSTGRES-26
#[tokio::test]
async fn a_server_that_leaves_is_not_missing() {
    // Nothing is left to the timeout.
    let cluster = three(Duration::from_secs(60)).await;
    cluster.rust[1].io.on_server_event("leave", || async { Ack(2) });
    let asking = cluster.rust[0].io.server_side_emit_with_ack::<u8>("leave", &NONE);
    assert_eq!(soon(asking).await.unwrap(), [2]);

    let cluster = three(Duration::from_secs(60)).await;
    let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
    cluster.rust[0].io.on_server_event("leave", || async { Ack(2) });
    cluster.rust[1].io.on_server_event("leave", move || {
        let _ = sender.send(());
        pending::<Ack<u8>>()
    });
    let asking = cluster.node[0].run("serverSideEmitAck", json!({"event": "leave", "args": []}));
    let leaving = async {
        soon(asked.recv()).await.unwrap();
        cluster.rust[1].io.close();
    };
    assert_eq!(tokio::join!(asking, leaving).0, json!([2]));
}

/// POSTGRES-10, POSTGRES-11
#[tokio::test]
async fn one_client_acknowledges_an_event_of_any_server() {
    let mut cluster = three(Duration::from_secs(5)).await;
    let ids = cluster.ids();
    let answers = async |client: &mut Client, answer: u8| {
        let packet = client.text().await;
        let id = packet.strip_prefix("42").and_then(|rest| rest.strip_suffix(r#"["ask",1]"#)).unwrap();
        client.ws.send(&format!("43{id}[{answer}]")).await;
    };
    let local = cluster.rust[1].io.socket(&ids[1]).unwrap();
    let asking = local.emit_with_ack::<u8>("ask", &1);
    assert_eq!(tokio::join!(asking, answers(&mut cluster.clients[1], 2)).0.unwrap(), 2);
    // A client of ours, and one of the official server.
    for number in [1, 2] {
        let found = cluster.rust[0].io.to(&ids[number]).fetch_sockets().await.unwrap();
        let [remote] = &found[..] else { panic!("{}", found.len()) };
        let asking = remote.emit_with_ack::<u8>("ask", &1);
        assert_eq!(tokio::join!(asking, answers(&mut cluster.clients[number], 3)).0.unwrap(), 3);
    }
    let ask = json!({"to": [ids[0]], "event": "ask", "args": [1]});
    let asking = cluster.node[0].run("askOne", ask);
    assert_eq!(tokio::join!(asking, answers(&mut cluster.clients[0], 4)).0, json!(4));
    cluster.nothing_else().await;
}

/// The messages of the official emitter do not name their namespace, which our servers know by the channel. The official adapter
/// 0.5 ignores them.
///
/// POSTGRES-EMIT-01, POSTGRES-EMIT-02, POSTGRES-EMIT-03, POSTGRES-EMIT-04, POSTGRES-EMIT-05,
/// POSTGRES-EMIT-06, POSTGRES-EMIT-07, POSTGRES-EMIT-08, POSTGRES-EMIT-09, POSTGRES-EMIT-10, POSTGRES-EMIT-11, POSTGRES-EMIT-12
#[tokio::test]
async fn the_official_emitter_reaches_our_servers() {
    let (mut cluster, mut sockets) = with_custom().await;
    let ids = cluster.ids();
    let emit = async |cluster: &Cluster, nsp: &str, to: &[&str], except: &[&str], args: Value| {
        let command = json!({"nsp": nsp, "to": to, "except": except, "method": "emit", "args": args});
        cluster.node[0].run("emitter", command).await;
    };
    let large = "x".repeat(10_000);
    emit(&cluster, "", &[], &[], json!(["test", 1, "2", {"$bin": "AwQ="}])).await;
    for client in &mut cluster.clients[..2] {
        assert_eq!(client.text().await, r#"451-["test",1,"2",{"_placeholder":true,"num":0}]"#);
        assert_eq!(client.ws.binary().await, [3, 4]);
    }
    emit(&cluster, "", &[], &[], json!(["large", large])).await;
    for client in &mut cluster.clients[..2] {
        assert_eq!(client.text().await, format!(r#"42["large","{large}"]"#));
    }
    emit(&cluster, "custom", &[], &[], json!(["test"])).await;
    for ws in &mut sockets[..2] {
        assert_eq!(ws.text().await, r#"42/custom,["test"]"#);
    }
    // The rooms of the clients of our two servers.
    let rooms = async |cluster: &Cluster, method: &str, to: &[&str], rooms: &[&str], expected: Value| {
        let command = json!({"method": method, "to": to, "args": [rooms]});
        cluster.node[0].run("emitter", command).await;
        until(async || json!(cluster.rooms().await[..2]) == expected).await;
    };
    rooms(&cluster, "socketsJoin", &[], &["all"], json!([["all"], ["all"]])).await;
    rooms(&cluster, "socketsJoin", &[&ids[1]], &["one"], json!([["all"], ["all", "one"]])).await;
    rooms(&cluster, "socketsJoin", &["one"], &["two"], json!([["all"], ["all", "one", "two"]])).await;
    emit(&cluster, "", &["one"], &[], json!(["room"])).await;
    assert_eq!(cluster.clients[1].text().await, r#"42["room"]"#);
    emit(&cluster, "", &[], &["one"], json!(["except"])).await;
    cluster.only(&[0], r#"42["except"]"#).await;
    rooms(&cluster, "socketsLeave", &["one"], &["two"], json!([["all"], ["all", "one"]])).await;
    rooms(&cluster, "socketsLeave", &[&ids[1]], &["one"], json!([["all"], ["all"]])).await;
    rooms(&cluster, "socketsLeave", &[], &["all"], json!([[], []])).await;
    let hello = json!({"method": "serverSideEmit", "args": ["hello", "world", 1, "2"]});
    cluster.node[0].run("emitter", hello).await;
    for rust in &mut cluster.rust {
        assert_eq!(soon(rust.hello.recv()).await.unwrap(), json!(["world", 1, "2"]));
    }
    let stats = cluster.rust[0].connections.stats();
    assert_eq!((stats.bad_messages, stats.lost), (0, 0), "{stats:?}");
    cluster.node[0].run("emitter", json!({"method": "disconnectSockets", "args": []})).await;
    for client in &mut cluster.clients[..2] {
        assert_eq!(client.text().await, "41");
    }
}
