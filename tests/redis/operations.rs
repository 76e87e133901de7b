//! Every operation, from servers of both kinds, with each adapter.

use std::time::Duration;

use serde_json::{Value, json};
use socketio_server::{Args, Binary};
use tests::raw::soon;

use super::support::{Cluster, NONE};

const TEXT: &str = r#"42["hello",1,"two",{"three":[3,-4.5,null,true]}]"#;

/// Text and binary events of every server reach every client once.
pub(crate) async fn events_reach_the_clients_of_all_servers(mut cluster: Cluster) {
    let arguments = || json!([1, "two", {"three": [3, -4.5, null, true]}]);
    for number in 0..2 {
        let args = Args((1, "two", json!({"three": [3, -4.5, null, true]})));
        cluster.rust[number].io.emit("hello", &args).await.unwrap();
        cluster.only(&[0, 1, 2, 3], TEXT).await;
        cluster.node[number].run("emit", json!({"event": "hello", "args": arguments()})).await;
        cluster.only(&[0, 1, 2, 3], TEXT).await;
    }
    let binary = r#"452-["bin",{"_placeholder":true,"num":0},{"a":{"_placeholder":true,"num":1}}]"#;
    for from_rust in [true, false] {
        if from_rust {
            let (first, second) = (Binary::from(vec![0, 1, 255]), Binary::from(Vec::new()));
            #[derive(serde::Serialize)]
            struct Second {
                a: Binary,
            }
            cluster.rust[0].io.emit("bin", &Args((first, Second { a: second }))).await.unwrap();
        } else {
            let args = json!([{"$bin": "AAH/"}, {"a": {"$bin": ""}}]);
            cluster.node[0].run("emit", json!({"event": "bin", "args": args})).await;
        }
        for client in &mut cluster.clients {
            assert_eq!(client.text().await, binary);
            assert_eq!((client.ws.binary().await, client.ws.binary().await), (vec![0, 1, 255], vec![]));
        }
        cluster.nothing_else().await;
    }
}

/// Rooms, exceptions and flags select the same clients from every server.
pub(crate) async fn targets_select_the_same_clients_from_every_server(mut cluster: Cluster) {
    let ids = cluster.ids();
    // A join of one server is carried out by all others.
    cluster.rust[0].io.to([&ids[1], &ids[2]]).sockets_join(["a", "42"]).await.unwrap();
    cluster.node[0].run("join", json!({"to": [ids[0], ids[3]], "rooms": ["b"]})).await;
    cluster.nothing_else().await;
    cluster.node[1].run("join", json!({"to": ["b"], "rooms": ["c", "d"]})).await;
    cluster.nothing_else().await;
    let expected = json!([["b", "c", "d"], ["42", "a"], ["42", "a"], ["b", "c", "d"]]);
    assert_eq!(json!(cluster.rooms().await), expected);

    for (to, except, clients) in [
        (vec!["a"], vec![], vec![1, 2]),
        (vec!["42"], vec![], vec![1, 2]),
        (vec!["a", "b"], vec![ids[0].as_str()], vec![1, 2, 3]),
        (vec![], vec!["a"], vec![0, 3]),
        (vec![ids[3].as_str()], vec![], vec![3]),
        (vec!["nobody"], vec![], vec![]),
        (vec!["a"], vec!["42"], vec![]),
    ] {
        for number in 0..2 {
            let broadcast = cluster.rust[number].io.to(to.clone()).except(except.clone());
            broadcast.volatile().compress(false).emit("x", &NONE).await.unwrap();
            cluster.only(&clients, r#"42["x"]"#).await;
            let emit = json!({"to": to, "except": except, "event": "x", "args": [], "compress": false});
            cluster.node[number].run("emit", emit).await;
            cluster.only(&clients, r#"42["x"]"#).await;
        }
    }
    cluster.rust[1].io.local().emit("x", &NONE).await.unwrap();
    cluster.only(&[1], r#"42["x"]"#).await;

    cluster.node[0].run("leave", json!({"to": ["a"], "rooms": ["42", "a"]})).await;
    cluster.rust[1].io.to("b").except(&ids[3]).sockets_leave(["c", "b"]).await.unwrap();
    cluster.nothing_else().await;
    assert_eq!(json!(cluster.rooms().await), json!([["d"], [], [], ["b", "c", "d"]]));
}

/// The acknowledgements of all clients come back to every server.
pub(crate) async fn acknowledgements_cross_servers(mut cluster: Cluster) {
    for number in 0..4 {
        let io = cluster.rust.get(number).map(|rust| rust.io.clone());
        let node = cluster.node.get(number.wrapping_sub(2));
        let asking = async {
            let ask = |args: Value| json!({"event": "ask", "args": args, "timeout": 15_000});
            match (io, node) {
                (Some(io), _) => (
                    json!(io.emit_with_ack::<u8>("ask", &7).await.unwrap()),
                    io.emit_with_ack::<Binary>("ask", &7).await.unwrap().iter().map(|data| data[0]).collect(),
                ),
                (None, Some(node)) => {
                    let answers = node.run("emitAck", ask(json!([7]))).await;
                    let binary = node.run("emitAck", ask(json!([7]))).await;
                    let byte = |data: &Value| {
                        let text =
                            ["AA==", "AQ==", "Ag==", "Aw=="].iter().position(|text| data["$bin"] == *text);
                        text.unwrap() as u8
                    };
                    (answers, binary.as_array().unwrap().iter().map(byte).collect::<Vec<u8>>())
                }
                (None, None) => unreachable!(),
            }
        };
        let clients = &mut cluster.clients;
        let answering = async {
            for is_binary in [false, true] {
                for (number, client) in clients.iter_mut().enumerate() {
                    let packet = client.text().await;
                    let id =
                        packet.strip_prefix("42").and_then(|rest| rest.strip_suffix(r#"["ask",7]"#)).unwrap();
                    if is_binary {
                        client.ws.send(&format!(r#"461-{id}[{{"_placeholder":true,"num":0}}]"#)).await;
                        client.ws.send_binary(&[number as u8]).await;
                    } else {
                        client.ws.send(&format!("43{id}[{number}]")).await;
                    }
                }
            }
        };
        let ((mut answers, mut binary), ()) = soon(async { tokio::join!(asking, answering) }).await;
        answers.as_array_mut().unwrap().sort_by_key(|answer| answer.as_u64());
        binary.sort();
        assert_eq!((answers, binary), (json!([0, 1, 2, 3]), vec![0, 1, 2, 3]), "server {number}");
    }
    cluster.nothing_else().await;
    let nobody = cluster.rust[0].io.to("nobody").emit_with_ack::<u8>("ask", &9).await.unwrap();
    assert!(nobody.is_empty());
    // A client that does not answer is missing, at a server of either kind.
    let error =
        cluster.rust[0].io.timeout(Duration::from_millis(300)).emit_with_ack::<Value>("ask", &8).await;
    let partial = error.unwrap_err().partial().unwrap();
    assert_eq!((partial.answers.len(), partial.missing), (0, 4));
}

/// Every server finds the sockets of all, with their rooms, data and handshakes.
pub(crate) async fn sockets_are_found_on_all_servers(mut cluster: Cluster) {
    let ids = cluster.ids();
    let mut lists = Vec::new();
    for rust in &cluster.rust {
        let found = rust.io.fetch_sockets().await.unwrap();
        lists.push(Value::from_iter(found.iter().map(|socket| {
            let rooms: Vec<&str> = socket.rooms().iter().map(AsRef::as_ref).collect();
            json!({"id": socket.id(), "rooms": rooms, "data": socket.data(), "handshake": socket.handshake()})
        })));
    }
    for node in &cluster.node {
        lists.push(node.run("fetch", json!({})).await);
    }
    for mut list in lists {
        let list = list.as_array_mut().unwrap();
        list.sort_by_key(|socket| ids.iter().position(|id| socket["id"] == **id));
        for (number, socket) in list.iter().enumerate() {
            let user = if number < 2 { "rust" } else { "node" };
            assert_eq!((&socket["id"], &socket["rooms"]), (&json!(ids[number]), &json!([ids[number]])));
            assert_eq!(socket["data"], json!({"user": user}));
            assert_eq!(socket["handshake"]["auth"], json!({"token": "t"}));
            assert_eq!(socket["handshake"]["address"].as_str().map(|a| a.ends_with("127.0.0.1")), Some(true));
        }
        assert_eq!(list.len(), 4);
    }
    assert_eq!(cluster.rust[0].io.local().fetch_sockets().await.unwrap().len(), 1);
    let one = cluster.rust[0].io.to(&ids[2]).fetch_sockets().await.unwrap();
    one[0].join("found").await.unwrap();
    one[0].emit("hi", &1).await.unwrap();
    cluster.only(&[2], r#"42["hi",1]"#).await;
    assert_eq!(cluster.rooms().await[2], ["found"]);
    for node in &cluster.node {
        assert_eq!(node.run("serverCount", json!({})).await, 4);
    }
}

/// The names of all rooms are known to every server. Of the official adapters only the classic one has this.
pub(crate) async fn rooms_are_found_on_all_servers(cluster: Cluster) {
    let ids = cluster.ids();
    for node in &cluster.node {
        let rooms = node.run("allRooms", json!({})).await;
        assert!(ids.iter().all(|id| rooms.as_array().unwrap().contains(&json!(id))), "{rooms}");
    }
    let rooms = cluster.rust[0].io.all_rooms().await.unwrap();
    assert!(ids.iter().all(|id| rooms.iter().any(|room| **room == **id)), "{rooms:?}");
}

/// Events of servers, with and without answers.
pub(crate) async fn servers_receive_events_of_each_other(mut cluster: Cluster) {
    cluster.rust[0].io.server_side_emit("hello", &Args((1, "a"))).await.unwrap();
    cluster.node[0].run("serverSideEmit", json!({"event": "hello", "args": [2, "b"]})).await;
    let (one, two) = (json!([1, "a"]), json!([2, "b"]));
    let expected = [vec![&two], vec![&one, &two], vec![&one], vec![&one, &two]];
    for (hello, expected) in cluster.hellos().zip(expected) {
        let mut heard = Vec::new();
        for _ in &expected {
            heard.push(soon(hello.recv()).await.unwrap());
        }
        // The two come from different servers.
        heard.sort_by_key(|event| event[0].as_u64());
        assert_eq!(heard.iter().collect::<Vec<_>>(), expected);
    }

    let from_rust =
        cluster.rust[0].io.server_side_emit_with_ack::<Value>("hello", &Args((3, "c"))).await.unwrap();
    let from_node =
        cluster.node[0].run("serverSideEmitAck", json!({"event": "hello", "args": [3, "c"]})).await;
    for (mut answers, own) in [(json!(from_rust), "rust"), (from_node, "node")] {
        let answers = answers.as_array_mut().unwrap();
        answers.sort_by_key(|answer| answer["from"].to_string());
        let kinds: Vec<&str> = answers.iter().map(|answer| answer["from"].as_str().unwrap()).collect();
        let expected = if own == "rust" { ["node", "node", "rust"] } else { ["node", "rust", "rust"] };
        assert_eq!(kinds, expected);
        assert!(answers.iter().all(|answer| answer["args"] == json!([3, "c"])), "{answers:?}");
    }
    // Nobody has heard an event twice: those of the two questions are the only ones that are left.
    for (number, hello) in cluster.hellos().enumerate() {
        for _ in 0..if number % 2 == 0 { 1 } else { 2 } {
            assert_eq!(soon(hello.recv()).await.unwrap(), json!([3, "c"]));
        }
        hello.try_recv().unwrap_err();
    }
}

/// Sockets are disconnected on all servers, after the events that were emitted before.
pub(crate) async fn sockets_are_disconnected_on_all_servers(mut cluster: Cluster) {
    let ids = cluster.ids();
    cluster.node[0].run("disconnect", json!({"to": [ids[0]], "close": false})).await;
    assert_eq!(cluster.clients[0].text().await, "41");
    cluster.rust[1].io.emit("bye", &NONE).await.unwrap();
    cluster.rust[1].io.to(&ids[3]).disconnect_sockets(true).await.unwrap();
    for number in [1, 2, 3] {
        assert_eq!(cluster.clients[number].text().await, r#"42["bye"]"#);
    }
    cluster.clients[3].ws.closed().await;
    let found = cluster.rust[1].io.fetch_sockets().await.unwrap();
    let mut found: Vec<&str> = found.iter().map(|socket| socket.id()).collect();
    found.sort();
    let mut expected = [ids[1].as_str(), ids[2].as_str()];
    expected.sort();
    assert_eq!(found, expected);
}

/// Our emitter does what the official one does, at servers of both kinds.
pub(crate) async fn an_emitter_reaches_clients_and_servers(mut cluster: Cluster) {
    let ids = cluster.ids();
    let emitter = cluster.emitter();
    let flush = || soon(emitter.connections().flush());
    let args = Args((1, "two", json!({"three": [3, -4.5, null, true]})));
    emitter.compress(false).emit("hello", &args).unwrap();
    flush().await;
    cluster.only(&[0, 1, 2, 3], TEXT).await;
    for number in [0, 2, 3] {
        emitter.to(&ids[number]).sockets_join(&["a", "b"]).unwrap();
    }
    emitter.to(&ids[3]).sockets_leave(&["a"]).unwrap();
    flush().await;
    cluster.nothing_else().await;
    emitter.to("a").emit("x", &NONE).unwrap();
    flush().await;
    cluster.only(&[0, 2], r#"42["x"]"#).await;
    emitter.r#in("a").to("b").except(&ids[2]).volatile().emit("x", &NONE).unwrap();
    emitter.of("elsewhere").emit("x", &NONE).unwrap();
    flush().await;
    cluster.only(&[0, 3], r#"42["x"]"#).await;
    emitter.emit("bin", &Binary::from(vec![1])).unwrap();
    for client in &mut cluster.clients {
        assert_eq!(client.text().await, r#"451-["bin",{"_placeholder":true,"num":0}]"#);
        assert_eq!(client.ws.binary().await, [1]);
    }
    emitter.server_side_emit("hello", &Args((1, "a"))).unwrap();
    for hello in cluster.hellos() {
        assert_eq!(soon(hello.recv()).await.unwrap(), json!([1, "a"]));
    }
    emitter.disconnect_sockets(true).unwrap();
    for client in &mut cluster.clients {
        client.ws.closed().await;
    }
    let stats = emitter.connections().stats();
    assert_eq!((stats.lost, stats.unconfirmed, stats.published), (0, 0, 11));
}
