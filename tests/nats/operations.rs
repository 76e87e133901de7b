//! Every operation, from each of three servers.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use socketio_server::{Args, Binary};
use tests::raw::{soon, until};

use super::support::{Client, Cluster, NONE};

/// Text and binary events of every server reach every client once.
///
/// NATS-01
#[tokio::test]
async fn events_reach_the_clients_of_all_servers() {
    #[derive(Serialize)]
    struct Second {
        a: Binary,
    }
    let mut cluster = Cluster::start().await;
    let text = r#"42["hello",1,"two",{"three":[3,-4.5,null,true]}]"#;
    let binary = r#"452-["bin",{"_placeholder":true,"num":0},{"a":{"_placeholder":true,"num":1}}]"#;
    for number in 0..3 {
        let io = cluster.servers[number].io.clone();
        io.emit("hello", &Args((1, "two", json!({"three": [3, -4.5, null, true]})))).await.unwrap();
        cluster.only(&[0, 1, 2], text).await;
        let args = Args((Binary::from(vec![0, 1, 255]), Second { a: Binary::from(Vec::new()) }));
        io.emit("bin", &args).await.unwrap();
        for client in &mut cluster.clients {
            assert_eq!(client.text().await, binary);
            assert_eq!((client.ws.binary().await, client.ws.binary().await), (vec![0, 1, 255], vec![]));
        }
        cluster.nothing_else().await;
    }
}

/// Rooms, exceptions and flags select the same clients from every server.
///
/// NATS-03, NATS-04, NATS-05, NATS-12, NATS-13, NATS-14, NATS-15, NATS-16, NATS-17
#[tokio::test]
async fn targets_select_the_same_clients_from_every_server() {
    let mut cluster = Cluster::start().await;
    let ids = cluster.ids();
    cluster.servers[0].io.sockets_join(["all"]).await.unwrap();
    cluster.servers[0].io.to([&ids[1], &ids[2]]).sockets_join(["a", "42"]).await.unwrap();
    cluster.servers[1].io.to(&ids[0]).sockets_join(["b"]).await.unwrap();
    cluster.nothing_else().await;
    cluster.servers[2].io.to("b").sockets_join(["c", "d"]).await.unwrap();
    cluster.nothing_else().await;
    let expected = json!([["all", "b", "c", "d"], ["42", "a", "all"], ["42", "a", "all"]]);
    for server in 0..3 {
        assert_eq!(json!(cluster.rooms(server).await), expected);
    }
    for (to, except, clients) in [
        (vec!["a"], vec![], vec![1, 2]),
        (vec!["42"], vec![], vec![1, 2]),
        (vec!["a", "b"], vec![ids[0].as_str()], vec![1, 2]),
        (vec![], vec!["a"], vec![0]),
        (vec![ids[2].as_str()], vec![], vec![2]),
        (vec!["empty"], vec![], vec![]),
        (vec!["a"], vec!["42"], vec![]),
    ] {
        for server in 0..3 {
            let broadcast = cluster.servers[server].io.to(to.clone()).except(except.clone());
            broadcast.volatile().compress(false).emit("x", &NONE).await.unwrap();
            cluster.only(&clients, r#"42["x"]"#).await;
        }
    }
    for server in 0..3 {
        cluster.servers[server].io.local().emit("x", &NONE).await.unwrap();
        cluster.only(&[server], r#"42["x"]"#).await;
    }
    cluster.servers[0].io.to("a").sockets_leave(["42"]).await.unwrap();
    cluster.nothing_else().await;
    cluster.servers[1].io.to("b").sockets_leave(["c", "b"]).await.unwrap();
    cluster.servers[1].io.to(&ids[2]).sockets_leave(["a"]).await.unwrap();
    cluster.servers[2].io.sockets_leave(["all"]).await.unwrap();
    cluster.nothing_else().await;
    for server in 0..3 {
        assert_eq!(json!(cluster.rooms(server).await), json!([["d"], ["a"], []]));
    }
}

/// The acknowledgements of all clients come back to every server.
///
/// NATS-06, NATS-07, NATS-08, NATS-09
#[tokio::test]
async fn acknowledgements_cross_servers() {
    let mut cluster = Cluster::start().await;
    for server in 0..3 {
        let io = cluster.servers[server].io.clone();
        let asking = async {
            let numbers = io.emit_with_ack::<u8>("ask", &7).await.unwrap();
            (numbers, io.emit_with_ack::<Binary>("ask", &7).await.unwrap())
        };
        let clients = &mut cluster.clients;
        let answering = async {
            for is_binary in [false, true] {
                for (number, client) in clients.iter_mut().enumerate() {
                    let id = asked(client, 7).await;
                    if is_binary {
                        client.ws.send(&format!(r#"461-{id}[{{"_placeholder":true,"num":0}}]"#)).await;
                        client.ws.send_binary(&[number as u8]).await;
                    } else {
                        client.ws.send(&format!("43{id}[{number}]")).await;
                    }
                }
            }
        };
        let ((mut numbers, binary), ()) = soon(async { tokio::join!(asking, answering) }).await;
        numbers.sort();
        let mut bytes: Vec<u8> = binary.iter().map(|data| data[0]).collect();
        bytes.sort();
        assert_eq!((numbers, bytes), (vec![0, 1, 2], vec![0, 1, 2]), "server {server}");
        let empty = io.to("empty").emit_with_ack::<u8>("ask", &9).await.unwrap();
        assert!(empty.is_empty());
    }
    cluster.nothing_else().await;
    let io = cluster.servers[0].io.clone();
    // One client does not answer.
    let broadcast = io.timeout(Duration::from_millis(500));
    let asking = broadcast.emit_with_ack::<u8>("ask", &8);
    let clients = &mut cluster.clients;
    let answering = async {
        for (number, client) in clients.iter_mut().enumerate().take(2) {
            let id = asked(client, 8).await;
            client.ws.send(&format!("43{id}[{number}]")).await;
        }
    };
    let (error, ()) = soon(async { tokio::join!(asking, answering) }).await;
    let mut partial = error.unwrap_err().partial().unwrap();
    partial.answers.sort();
    assert_eq!((partial.answers, partial.missing), (vec![0, 1], 1));
}

/// The id of the question with this argument.
async fn asked(client: &mut Client, argument: u8) -> String {
    let packet = client.text().await;
    let end = format!(r#"["ask",{argument}]"#);
    packet.strip_prefix("42").and_then(|rest| rest.strip_suffix(end.as_str())).unwrap().to_owned()
}

/// NATS-10, NATS-11
#[tokio::test]
async fn one_client_acknowledges_an_event_of_any_server() {
    let mut cluster = Cluster::start().await;
    let ids = cluster.ids();
    for server in 0..3 {
        let found = cluster.servers[server].io.to(&ids[1]).fetch_sockets().await.unwrap();
        let [socket] = &found[..] else { panic!("{}", found.len()) };
        let client = &mut cluster.clients[1];
        let answering = async {
            let id = asked(client, 1).await;
            client.ws.send(&format!("43{id}[{server}]")).await;
        };
        let (answer, ()) = tokio::join!(socket.emit_with_ack::<usize>("ask", &1), answering);
        assert_eq!(answer.unwrap(), server);
    }
    let local = cluster.servers[1].io.socket(&ids[1]).unwrap();
    let client = &mut cluster.clients[1];
    let answering = async {
        let id = asked(client, 1).await;
        client.ws.send(&format!("43{id}[2]")).await;
    };
    let (answer, ()) = tokio::join!(local.emit_with_ack::<u8>("ask", &1), answering);
    assert_eq!(answer.unwrap(), 2);
    cluster.nothing_else().await;
}

/// Every server finds the sockets of all, with their rooms, data and handshakes.
///
/// NATS-20, NATS-21, NATS-22
#[tokio::test]
async fn sockets_are_found_on_all_servers() {
    let mut cluster = Cluster::start().await;
    let ids = cluster.ids();
    for server in &cluster.servers {
        let found = server.io.fetch_sockets().await.unwrap();
        assert_eq!(found.len(), 3);
        for id in &ids {
            let socket = found.iter().find(|socket| socket.id() == id).unwrap();
            assert_eq!(socket.rooms().iter().map(AsRef::as_ref).collect::<Vec<&str>>(), [id.as_str()]);
            assert_eq!(json!(socket.data()), json!({"user": "rust"}));
            let handshake = json!(socket.handshake());
            assert_eq!(handshake["auth"], json!({"token": "t"}));
        }
        assert_eq!(server.io.local().fetch_sockets().await.unwrap().len(), 1);
        let rooms = server.io.all_rooms().await.unwrap();
        assert!(ids.iter().all(|id| rooms.iter().any(|room| **room == **id)), "{rooms:?}");
    }
    let one = cluster.servers[0].io.to(&ids[2]).fetch_sockets().await.unwrap();
    one[0].join("found").await.unwrap();
    one[0].emit("hi", &1).await.unwrap();
    cluster.only(&[2], r#"42["hi",1]"#).await;
    assert_eq!(cluster.rooms(1).await[2], ["found"]);
    one[0].leave("found").await.unwrap();
    cluster.nothing_else().await;
    assert!(cluster.rooms(1).await[2].is_empty());
}

/// Events of servers, with and without answers.
///
/// NATS-23, NATS-24
#[tokio::test]
async fn servers_receive_events_of_each_other() {
    let mut cluster = Cluster::start().await;
    for number in 0..3 {
        cluster.servers[number].io.server_side_emit("hello", &Args((number, "a"))).await.unwrap();
        for (other, server) in cluster.servers.iter_mut().enumerate() {
            if other != number {
                assert_eq!(soon(server.hello.recv()).await.unwrap(), json!([number, "a"]));
            }
        }
        let args = Args(("b", number));
        let asking = cluster.servers[number].io.server_side_emit_with_ack::<Value>("hello", &args);
        let answer = json!({"from": "rust", "args": ["b", number]});
        assert_eq!(asking.await.unwrap(), [answer.clone(), answer]);
        for (other, server) in cluster.servers.iter_mut().enumerate() {
            if other != number {
                assert_eq!(soon(server.hello.recv()).await.unwrap(), json!(["b", number]));
            }
        }
    }
    for server in &mut cluster.servers {
        server.hello.try_recv().unwrap_err();
    }
}

/// Sockets are disconnected on all servers, after the events that were emitted before.
///
/// NATS-18, NATS-19
#[tokio::test]
async fn sockets_are_disconnected_on_all_servers() {
    let mut cluster = Cluster::start().await;
    let ids = cluster.ids();
    cluster.servers[1].io.to(&ids[0]).disconnect_sockets(false).await.unwrap();
    assert_eq!(cluster.clients[0].text().await, "41");
    until(async || cluster.servers[1].io.fetch_sockets().await.is_ok_and(|found| found.len() == 2)).await;
    cluster.servers[0].io.emit("bye", &NONE).await.unwrap();
    cluster.servers[0].io.disconnect_sockets(true).await.unwrap();
    for client in &mut cluster.clients[1..] {
        assert_eq!(client.text().await, r#"42["bye"]"#);
        client.ws.closed().await;
    }
    until(async || cluster.servers[1].io.fetch_sockets().await.is_ok_and(|found| found.is_empty())).await;
}
