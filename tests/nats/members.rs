//! Namespaces and rooms with any name, and servers that are silent or leave.

use std::future::pending;
use std::time::Duration;

use socketio_nats::{Nats, NatsAdapter};
use socketio_server::{Ack, Args, Binary};
use tests::cluster::join_namespace;
use tests::nats::NatsServer;
use tests::raw::{soon, until};

use super::support::{Client, Cluster, NONE, Rust};

/// NATS-02
#[tokio::test]
async fn events_of_a_namespace_reach_its_clients_on_all_servers() {
    let mut cluster = Cluster::start().await;
    let mut custom = Vec::new();
    for server in &cluster.servers {
        server.io.of("/custom");
        soon(server.connections.ready()).await;
    }
    for addr in cluster.addresses() {
        custom.push(join_namespace(addr, "/custom").await);
    }
    for server in &cluster.servers {
        let io = server.io.of("/custom");
        until(async || io.fetch_sockets().await.is_ok_and(|found| found.len() == 3)).await;
        io.emit("hi", &Args((1, "2", Binary::from_static(&[3])))).await.unwrap();
        for ws in &mut custom {
            assert_eq!(ws.text().await, r#"451-/custom,["hi",1,"2",{"_placeholder":true,"num":0}]"#);
            assert_eq!(ws.binary().await, [3]);
        }
    }
    cluster.nothing_else().await;
}

/// Names that are no tokens of NATS, or that are wildcards there, are apart from each other.
#[tokio::test]
async fn namespaces_and_rooms_may_have_any_name() {
    let nats = NatsServer::start().await;
    let adapter = || NatsAdapter::builder(&Nats::open(&nats.url()).unwrap()).subject_prefix("a b.>").build();
    let nodes = [Rust::start(adapter()).await, Rust::start(adapter()).await];
    let long = "long".repeat(1000);
    let names = [
        "",
        "a.b",
        "a b",
        "*",
        ">",
        "a.>",
        "a.*",
        "%2E",
        "%",
        "node",
        "probe",
        "é\u{1f600}",
        "\r\nPUB x 1\r\n",
        "\0",
        "\"\\",
        &long,
        &format!("{long}r"),
    ];
    let mut heard = Vec::new();
    for name in names {
        let namespace = format!("/{name}");
        for node in &nodes {
            let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
            let on = namespace.clone();
            node.io.of(&namespace).on_server_event(
                "hello",
                move |socketio_server::Data(to): socketio_server::Data<String>| {
                    let _ = sender.send((on.clone(), to));
                    async {}
                },
            );
            heard.push(receiver);
        }
    }
    for node in &nodes {
        soon(node.connections.ready()).await;
    }
    for name in names {
        let namespace = format!("/{name}");
        nodes[0].io.of(&namespace).server_side_emit("hello", &namespace).await.unwrap();
        nodes[1].io.of(&namespace).server_side_emit("hello", &namespace).await.unwrap();
    }
    for receiver in &mut heard {
        let (on, to) = soon(receiver.recv()).await.unwrap();
        assert_eq!(on, to);
    }
    assert!(
        heard.iter_mut().all(|receiver| receiver.try_recv().is_err()),
        "each namespace has its own subject"
    );

    let mut client = Client::connect(nodes[1].addr).await;
    for name in names {
        nodes[0].io.to(&client.id).sockets_join([name]).await.unwrap();
        nodes[0].io.to(name).emit("room", &name.len()).await.unwrap();
        assert_eq!(client.text().await, format!(r#"42["room",{}]"#, name.len()));
        nodes[0].io.to(name).sockets_leave([name]).await.unwrap();
    }
    for node in &nodes {
        let stats = node.connections.stats();
        assert_eq!((stats.lost, stats.unconfirmed, stats.bad_messages), (0, 0, 0), "{stats:?}");
    }
}

/// Servers with another prefix are another cluster.
#[tokio::test]
async fn prefixes_are_apart() {
    let nats = NatsServer::start().await;
    let settings = Nats::open(&nats.url()).unwrap();
    let adapter = |prefix: &str| NatsAdapter::builder(&settings).subject_prefix(prefix).build();
    let nodes = [
        Rust::start(adapter("one")).await,
        Rust::start(adapter("two")).await,
        Rust::start(adapter("two")).await,
    ];
    let mut client = Client::connect(nodes[2].addr).await;
    nodes[0].io.emit("other", &NONE).await.unwrap();
    soon(nodes[0].connections.flush()).await;
    nodes[1].io.emit("same", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["same"]"#);
}

/// NATS-25
#[tokio::test]
async fn a_silent_server_is_missing_in_the_answers() {
    let cluster = Cluster::with(Duration::from_millis(500)).await;
    cluster.servers[1].io.on_server_event("question", || async { Ack(2) });
    cluster.servers[2].io.on_server_event("question", pending::<Ack<u8>>);
    let asking = cluster.servers[0].io.server_side_emit_with_ack::<u8>("question", &NONE);
    let partial = soon(asking).await.unwrap_err().partial().unwrap();
    assert_eq!((partial.answers, partial.missing), (vec![2], 1));
}

/// A server that leaves while it is asked is not waited for.
///
/// NATS-26
#[tokio::test]
async fn a_server_that_leaves_is_not_missing() {
    // Nothing is left to the timeout.
    let cluster = Cluster::with(Duration::from_secs(60)).await;
    let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
    cluster.servers[1].io.on_server_event("leave", || async { Ack(2) });
    cluster.servers[2].io.on_server_event("leave", move || {
        let _ = sender.send(());
        pending::<Ack<u8>>()
    });
    let asking = cluster.servers[0].io.server_side_emit_with_ack::<u8>("leave", &NONE);
    let leaving = async {
        soon(asked.recv()).await.unwrap();
        cluster.servers[2].io.close();
    };
    let (answers, ()) = soon(async { tokio::join!(asking, leaving) }).await;
    assert_eq!(answers.unwrap(), [2]);
}

/// Connections have names and subscriptions as documented, and a closed server has no subscriptions but its probe.
#[tokio::test]
async fn a_closed_server_has_no_subscriptions() {
    let nats = NatsServer::start_monitored().await;
    let settings = Nats::open(&nats.url()).unwrap().client_name("web 1");
    let node = Rust::start(NatsAdapter::new(&settings)).await;
    node.io.of("/chat");
    soon(node.connections.ready()).await;
    let subscribed = async || {
        let mut connections = nats.connections().await;
        connections.sort();
        let [(publish, nothing), (subscribe, subjects)] = connections.try_into().unwrap();
        assert_eq!(
            (publish.as_str(), subscribe.as_str(), nothing.len()),
            ("web 1:publish", "web 1:subscribe", 0)
        );
        let mut begins: Vec<String> = subjects
            .iter()
            .map(|subject| subject.trim_end_matches(|c: char| c.is_ascii_hexdigit()).to_owned())
            .collect();
        begins.sort();
        begins
    };
    let expected =
        ["socket.io./", "socket.io./.node.", "socket.io./chat", "socket.io./chat.node.", "socket.io.probe."];
    assert_eq!(subscribed().await, expected);
    node.io.close();
    until(async || subscribed().await == ["socket.io.probe."]).await;
}

/// Messages of other applications on the same NATS server are none of ours.
#[tokio::test]
async fn messages_for_other_applications_are_ignored() {
    let mut cluster = Cluster::start().await;
    for subject in
        ["foo", "socket.io", "socket.io.x", "socket.io.//", "socket.io./.node.x", "socket.io.probe.x"]
    {
        cluster.nats.publish(subject, &[b"junk"]).await;
    }
    cluster.nothing_else().await;
    for server in &cluster.servers {
        assert_eq!(server.connections.stats().bad_messages, 0);
    }
}
