//! The tests of `@socket.io/cluster-engine` with engines in one process. Each has its name in the comment.

use engineio::{CloseReason, Fault, Message, Transport};
use tests::peers::Kind;
use tests::raw::{Request, ServerEvent, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{KINDS, assert_idle, at, three};

/// CLENG-01: should work (read)
#[tokio::test]
async fn a_get_at_another_node_gets_what_waits() {
    for kind in KINDS {
        let nodes = three(kind, |session| session.send("hello").unwrap()).await;
        let client = nodes[0].polling().await;
        assert_eq!(at(&client, &nodes[1]).get().await.both(), (200, "4hello"));
        assert_idle(&nodes);
    }
}

/// CLENG-02: should work (read - deferred)
#[tokio::test]
async fn a_get_at_another_node_waits() {
    for kind in KINDS {
        let mut nodes = three(kind, |_| ()).await;
        let client = nodes[0].polling().await;
        let session = nodes[0].opened().await;
        let parked = at(&client, &nodes[1]).park(&nodes[0]).await;
        session.send("hello").unwrap();
        assert_eq!(parked.await.unwrap().both(), (200, "4hello"));
    }
}

/// CLENG-03: should work (write)
#[tokio::test]
async fn a_post_at_another_node_arrives() {
    for kind in KINDS {
        let mut nodes = three(kind, |_| ()).await;
        let client = nodes[0].polling().await;
        assert_eq!(at(&client, &nodes[1]).post("4hello").await.both(), (200, "ok"));
        assert_eq!(nodes[0].message().await, Message::from("hello"));
        assert_idle(&nodes);
    }
}

/// CLENG-04: should work (write - multiple)
#[tokio::test]
async fn posts_at_several_nodes_arrive_in_order() {
    for kind in KINDS {
        let mut nodes = three(kind, |_| ()).await;
        let client = nodes[0].polling().await;
        for (node, body) in [(1, "41\x1e42\x1e43"), (0, "44\x1e45"), (1, "46")] {
            assert_eq!(at(&client, &nodes[node]).post(body).await.status, 200);
        }
        for expected in ["1", "2", "3", "4", "5", "6"] {
            assert_eq!(nodes[0].message().await, Message::from(expected));
        }
    }
}

/// CLENG-05: should acquire read lock (different process)
#[tokio::test]
async fn a_second_get_at_another_node_is_refused() {
    for kind in KINDS {
        let nodes = three(kind, |_| ()).await;
        let client = nodes[0].polling().await;
        let parked = client.park(&nodes[0]).await;
        assert_eq!(at(&client, &nodes[1]).get().await.status, 400);
        parked.abort();
    }
}

/// CLENG-06: should acquire read lock (same process)
#[tokio::test]
async fn a_second_get_at_the_owner_is_refused() {
    for kind in KINDS {
        let nodes = three(kind, |_| ()).await;
        let client = nodes[0].polling().await;
        let parked = at(&client, &nodes[1]).park(&nodes[0]).await;
        assert_eq!(client.get().await.status, 400);
        parked.abort();
    }
}

/// CLENG-07: should handle close from main process
#[tokio::test]
async fn a_close_of_the_owner_answers_a_get_at_another_node() {
    for kind in KINDS {
        let mut nodes = three(kind, |_| ()).await;
        let client = nodes[0].polling().await;
        let session = nodes[0].opened().await;
        let parked = at(&client, &nodes[1]).park(&nodes[0]).await;
        session.close();
        assert_eq!(parked.await.unwrap().both(), (200, "1"));
    }
}

/// CLENG-08: should handle close from client
#[tokio::test]
async fn a_client_that_leaves_another_node_ends_its_session() {
    for kind in KINDS {
        let mut nodes = three(kind, |_| ()).await;
        let client = nodes[0].polling().await;
        let mut connection = TcpStream::connect(nodes[1].addr).await.unwrap();
        connection.write_all(&Request::new("GET", &client.target).bytes()).await.unwrap();
        let session = nodes[0].server.session(client.sid()).unwrap();
        until(async || session.can_send_now()).await;
        drop(connection);
        let reason = nodes[0].closed().await;
        // Over connections the name of the reason is passed on, and no details.
        let fault = if kind == Kind::Direct { Fault::Remote } else { Fault::PollAborted };
        assert_eq!(reason, CloseReason::TransportError(fault));
        assert_eq!(reason.as_str(), "transport error");
        assert_idle(&nodes);
    }
}

/// CLENG-09: should ping/pong
#[tokio::test]
async fn heartbeats_pass_all_nodes() {
    for kind in KINDS {
        let nodes = three(kind, |_| ()).await;
        let client = nodes[2].polling().await;
        for turn in 0..10 {
            assert_eq!(at(&client, &nodes[turn % 3]).get().await.both(), (200, "2"));
            assert_eq!(at(&client, &nodes[(turn + 1) % 3]).post("3").await.status, 200);
        }
        assert_idle(&nodes);
    }
}

/// CLENG-10: should reject an invalid id
#[tokio::test]
async fn an_id_that_no_node_has_is_refused() {
    for kind in KINDS {
        let nodes = three(kind, |_| ()).await;
        let target = "/engine.io/?EIO=4&transport=polling&sid=01234567890123456789";
        assert_eq!(nodes[1].get(target).await.status, 400);
        assert_idle(&nodes);
    }
}

/// CLENG-11: should upgrade
#[tokio::test]
async fn an_upgrade_at_another_node_moves_the_session() {
    for kind in KINDS {
        let [first, mut second, third] = three(kind, |_| ()).await;
        let client = first.polling().await;
        let mut ws = at(&client, &second).upgrade().await;
        let session = second.opened().await;
        second.find(|seen| matches!(seen, ServerEvent::Upgrade(Transport::WebSocket)).then_some(())).await;
        session.send("hello").unwrap();
        assert_eq!(ws.text().await, "4hello");
        ws.send("4hi").await;
        assert_eq!(second.message().await, Message::from("hi"));
        session.close();
        ws.closed().await;
        assert_eq!(first.server.traffic().opened, 0);
        assert_idle(&[first, second, third]);
    }
}

/// CLENG-12: should upgrade and send buffered messages
#[tokio::test]
async fn an_upgrade_at_another_node_takes_the_messages_along() {
    for kind in KINDS {
        let [first, mut second, third] = three(kind, |_| ()).await;
        let client = first.polling().await;
        let elsewhere = at(&client, &second);
        assert_eq!(elsewhere.post("4hi").await.status, 200);
        let mut ws = elsewhere.upgrade().await;
        let session = second.opened().await;
        session.send("hello").unwrap();
        assert_eq!(ws.text().await, "4hello");
        assert_eq!(second.message().await, Message::from("hi"));
        session.close();
        ws.closed().await;
        assert_idle(&[first, second, third]);
    }
}

/// cluster: should send and receive binary
#[tokio::test]
async fn binary_messages_pass_all_nodes() {
    for kind in KINDS {
        let mut nodes = three(kind, |_| ()).await;
        let client = nodes[0].polling().await;
        assert_eq!(at(&client, &nodes[1]).post("bAQIDBA==").await.status, 200);
        let message = nodes[0].message().await;
        assert_eq!(message, Message::from(vec![1, 2, 3, 4]));
        nodes[0].server.session(client.sid()).unwrap().send(message).unwrap();
        assert_eq!(at(&client, &nodes[2]).get().await.both(), (200, "bAQIDBA=="));
    }
}
