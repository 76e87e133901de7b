//! Events between servers, and nodes that leave or fall silent.

use std::time::Duration;

use serde_json::json;
use socketio_server::{Ack, AckSender, Args, Arguments, Binary, Data, GatherError, Namespace, Server};
use tests::raw::{soon, until};
use tokio::sync::mpsc;

use super::Cluster;
use super::bus::Bus;

/// ADAPTER-45
#[tokio::test]
async fn servers_receive_events_of_each_other() {
    for bus in Bus::of_each_kind() {
        let (sender, mut received) = mpsc::unbounded_channel();
        let cluster = Cluster::in_namespace(bus, "/", |number, io| {
            let sender = sender.clone();
            io.on_server_event("hello", move |Arguments(args): Arguments<(String, u32, String)>| {
                sender.send((number, args)).unwrap();
                async {}
            });
        })
        .await;
        cluster.io(0).server_side_emit("hello", &Args(("world", 1, "2"))).await.unwrap();
        let mut who = Vec::new();
        for _ in 0..2 {
            let (number, args) = soon(received.recv()).await.unwrap();
            assert_eq!(args, ("world".to_owned(), 1, "2".to_owned()));
            who.push(number);
        }
        who.sort();
        assert_eq!(who, [1, 2]);
        cluster.io(1).fetch_sockets().await.unwrap();
        assert!(received.try_recv().is_err(), "not the sender");
    }
}

/// The official server reserves these three names; those of packets are free.
#[tokio::test]
async fn other_names_are_reserved_for_events_of_servers_than_of_clients() {
    let (sender, mut received) = mpsc::unbounded_channel();
    let cluster = Cluster::in_namespace(Bus::with_heartbeats(), "/", |number, io| {
        let sender = sender.clone();
        io.on_server_event("disconnect", move |Arguments(args): Arguments<(u32, Binary)>| {
            sender.send((number, args)).unwrap();
            async {}
        });
    })
    .await;
    let io = cluster.io(0);
    for name in ["connect", "connection", "new_namespace"] {
        let expected = format!("{name:?} is a reserved event name");
        assert_eq!(io.server_side_emit(name, &1).await.unwrap_err().to_string(), expected);
        let refused = io.server_side_emit_with_ack::<u32>(name, &1).await.unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
    for name in ["connect_error", "disconnecting", "a \"quoted\" name"] {
        io.server_side_emit(name, &()).await.unwrap();
    }
    io.server_side_emit("disconnect", &Args((7, Binary::from_static(b"\x00\xff")))).await.unwrap();
    for _ in 0..2 {
        let (number, (count, data)) = soon(received.recv()).await.unwrap();
        assert!(number != 0 && count == 7 && **data == *b"\x00\xff", "{number} {count} {data:?}");
    }
}

/// ADAPTER-46
#[tokio::test]
async fn servers_acknowledge_events_of_each_other() {
    for bus in Bus::of_each_kind() {
        let cluster = Cluster::in_namespace(bus, "/", |number, io| match number {
            1 => {
                io.on_server_event("sum", |Arguments((a, b)): Arguments<(u32, u32)>| async move {
                    Ack(json!(a + b))
                });
            }
            2 => {
                io.on_server_event("sum", |Data(a): Data<u32>, ack: Option<AckSender>| async move {
                    tokio::spawn(async move { ack.unwrap().send(&format!("{a}")) });
                });
            }
            _ => {}
        })
        .await;
        let answers =
            cluster.io(0).server_side_emit_with_ack::<serde_json::Value>("sum", &Args((1, 2))).await;
        let mut answers: Vec<String> = answers.unwrap().iter().map(ToString::to_string).collect();
        answers.sort();
        assert_eq!(answers, [r#""1""#, "3"]);
        // An argument of the wrong type is acknowledged with an error. No other node has a handler, and no
        // time passes while waiting.
        tokio::time::pause();
        let answers = cluster.io(1).server_side_emit_with_ack::<serde_json::Value>("sum", &"x").await;
        let error = answers.unwrap_err();
        let answers = error.partial().unwrap().answers;
        assert!(answers[0]["error"].as_str().unwrap().starts_with("argument 0"), "{answers:?}");
        tokio::time::resume();
    }
}

/// A request does not wait forever for a node that is unreachable, and names it.
#[tokio::test]
async fn requests_do_not_wait_for_a_node_that_left() {
    for bus in Bus::of_each_kind() {
        let cluster = Cluster::new(bus).await;
        cluster.io(2).close();
        until(async || cluster.bus.nodes("/") <= 2).await;
        assert_eq!(cluster.io(0).fetch_sockets().await.unwrap().len(), 2);
    }
}

/// ADAPTER-47
#[tokio::test]
async fn a_silent_server_counts_as_missing_and_is_named() {
    let cluster = Cluster::in_namespace(Bus::with_heartbeats(), "/", |number, io| {
        io.on_server_event("hello", move |ack: Option<AckSender>| async move {
            match number {
                2 => std::mem::forget(ack),
                _ => ack.unwrap().send(&number).unwrap(),
            }
        });
    })
    .await;
    tokio::time::pause();
    let asked = cluster.io(0).server_side_emit_with_ack::<u32>("hello", &()).await;
    let error = asked.unwrap_err();
    assert!(matches!(&error, GatherError::Partial(partial) if partial.missing == 1), "{error}");
    let partial = error.partial().unwrap();
    assert_eq!((partial.answers, partial.silent.len()), (vec![1], 1));
}

/// ADAPTER-48
#[tokio::test]
async fn a_pending_request_does_not_wait_for_a_server_that_leaves() {
    let (sender, mut asked) = mpsc::unbounded_channel();
    let cluster = Cluster::in_namespace(Bus::with_heartbeats(), "/", |number, io| {
        let sender = sender.clone();
        io.on_server_event("hello", move |ack: Option<AckSender>| {
            let sender = sender.clone();
            async move {
                match number {
                    2 => sender.send(ack).unwrap(),
                    _ => ack.unwrap().send(&number).unwrap(),
                }
            }
        });
    })
    .await;
    let io = cluster.io(0).clone();
    let pending = tokio::spawn(async move { io.server_side_emit_with_ack::<u32>("hello", &()).await });
    let _unanswered = soon(asked.recv()).await.unwrap();
    cluster.io(2).close();
    assert_eq!(soon(pending).await.unwrap().unwrap(), [1]);
}

/// Silent nodes are removed; nodes that send heartbeats are not.
#[tokio::test]
async fn nodes_without_heartbeats_are_removed() {
    let cluster = Cluster::new(Bus::with_heartbeats()).await;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let io = cluster.io(0);
    assert_eq!(io.fetch_sockets().await.unwrap().len(), 3, "all nodes stayed in touch");
    cluster.bus.lose("/", 2);
    // Requests wait for the node, and name it, until it has been silent for too long.
    let partial = io.fetch_sockets().await.unwrap_err().partial().unwrap();
    assert_eq!((partial.answers.len(), partial.missing, partial.silent.len()), (2, 1, 1));
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(io.fetch_sockets().await.unwrap().len(), 2);
}

/// A handler of the events of other servers uses its own server, and its namespace.
#[tokio::test]
async fn handlers_of_server_events_take_the_server_and_the_namespace() {
    let cluster = Cluster::in_namespace(Bus::with_heartbeats(), "/chat", |_, io| {
        io.of("/chat").on_server_event("who", |io: Server, namespace: Namespace| async move {
            Ack((namespace.name().to_owned(), namespace.len(), io.namespaces().len()))
        });
    })
    .await;
    let chat = cluster.io(0).of("/chat");
    let answers = soon(chat.server_side_emit_with_ack::<serde_json::Value>("who", &Args(()))).await;
    assert_eq!(answers.unwrap(), vec![json!(["/chat", 1, 2]); 2]);
}
