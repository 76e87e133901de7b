//! Requests to other nodes: how long they wait, and what remains of them.

use std::time::Duration;

use socketio_server::{Ack, AckSender, Data, GatherError};
use tests::raw::soon;
use tokio::time::Instant;

use super::Cluster;
use super::bus::Bus;
use crate::support::builder;

/// The option `requestsTimeout` of the official adapters.
#[tokio::test]
async fn a_link_sets_the_timeout_of_requests() {
    let mut bus = Bus::with_heartbeats();
    bus.request_timeout = Duration::from_secs(1);
    let cluster = Cluster::in_namespace(bus, "/", |_, io| {
        io.on_server_event("hello", |ack: Option<AckSender>| async move { std::mem::forget(ack) });
    })
    .await;
    cluster.bus.lose("/", 2);
    tokio::time::pause();
    let begun = Instant::now();
    assert_eq!(cluster.io(0).fetch_sockets().await.unwrap_err().partial().unwrap().silent.len(), 1);
    assert_eq!(begun.elapsed().as_secs(), 1);
    let partial = cluster.io(0).server_side_emit_with_ack::<u32>("hello", &()).await.unwrap_err();
    assert_eq!((partial.partial().unwrap().missing, begun.elapsed().as_secs()), (2, 2));
}

#[tokio::test]
async fn the_timeout_of_a_broadcast_limits_a_search_for_sockets() {
    let cluster = Cluster::new(Bus::with_heartbeats()).await;
    cluster.bus.lose("/", 2);
    tokio::time::pause();
    let begun = Instant::now();
    let found = cluster.io(0).timeout(Duration::from_millis(100)).fetch_sockets().await;
    assert_eq!(found.unwrap_err().partial().unwrap().answers.len(), 2);
    assert_eq!(begun.elapsed().as_millis() / 10, 10);
}

/// One socket has one acknowledgement: a node that is lost does not hold it back.
#[tokio::test]
async fn the_ack_of_a_remote_socket_does_not_wait_for_other_nodes() {
    let mut cluster = Cluster::new(Bus::with_heartbeats()).await;
    let remote = cluster.io(0).r#in(&cluster.ids[1]).fetch_sockets().await.unwrap().remove(0);
    cluster.bus.lose("/", 2);
    tokio::time::pause();
    let begun = Instant::now();
    let pending = tokio::spawn(async move { remote.emit_with_ack::<u32>("question", &()).await });
    assert!(cluster.clients[1].text().await.starts_with(r#"420["question""#));
    cluster.clients[1].send("430[7]").await;
    assert_eq!(soon(pending).await.unwrap().unwrap(), 7);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn pending_requests_and_replies_are_counted() {
    let mut cluster = Cluster::in_namespace(Bus::with_heartbeats(), "/", |_, io| {
        io.on_server_event("hello", |ack: Option<AckSender>| async move {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            drop(ack);
        });
    })
    .await;
    let io = cluster.io(0).clone();
    let asking = tokio::spawn(async move {
        let patient = io.timeout(Duration::from_secs(3600));
        let clients = patient.emit_with_ack::<u32>("question", &());
        tokio::join!(io.server_side_emit_with_ack::<u32>("hello", &()), clients)
    });
    assert!(cluster.clients[1].text().await.contains("question"));
    soon(async {
        while cluster.io(1).cluster_stats().open_replies < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(cluster.io(0).cluster_stats().open_requests, 2);
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    assert_eq!(cluster.io(0).cluster_stats().open_requests, 0, "a cancelled request leaves nothing");
}

#[tokio::test]
async fn nodes_have_a_name() {
    let bus = Bus::with_heartbeats();
    let number = std::sync::atomic::AtomicUsize::new(0);
    let named = || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        builder().node_name(format!("web-{number}"))
    };
    let cluster = Cluster::of_builders(bus, "/", named, |_, _| {}).await;
    cluster.bus.lose("/", 2);
    tokio::time::pause();
    let error = cluster.io(0).fetch_sockets().await.unwrap_err();
    assert!(error.to_string().contains("silent: web-2-"), "{error}");
}

/// Official servers on a medium that counts its nodes do not know the message of heartbeats that says so.
#[tokio::test]
async fn only_nodes_with_heartbeats_say_that_they_leave() {
    for (bus, says_so) in Bus::of_each_kind().into_iter().zip([true, false]) {
        let cluster = Cluster::new(bus).await;
        cluster.io(2).drain(Duration::from_secs(5), Duration::ZERO).await;
        assert_eq!(cluster.bus.published.lock().unwrap().contains(&13), says_so);
        assert_eq!(cluster.bus.nodes("/"), 2);
    }
}

/// A process may exit when `drain` returns, and its clients receive the events of other nodes until they
/// leave.
#[tokio::test]
async fn a_draining_server_is_a_member_until_its_clients_have_left() {
    let bus = Bus::with_heartbeats();
    let mut cluster = Cluster::in_namespace(bus, "/", |_, io| {
        io.on_disconnect(|socket: socketio_server::Socket| async move {
            socket.broadcast().emit("last word", &1).await.unwrap();
        });
    })
    .await;
    cluster.io(2).drain(Duration::from_secs(5), Duration::ZERO).await;
    assert_eq!(cluster.clients[0].text().await, r#"42["last word",1]"#);
    assert_eq!(cluster.bus.nodes("/"), 2, "left before `drain` returned");
}

/// The request `allRooms` of the classic adapter.
#[tokio::test]
async fn the_rooms_of_all_nodes_are_found() {
    for bus in Bus::of_each_kind() {
        let cluster = Cluster::new(bus).await;
        for (number, room) in ["a", "b", "a"].into_iter().enumerate() {
            cluster.io(number).socket(&cluster.ids[number]).unwrap().join(room);
        }
        let mut expected = [&["a".to_owned(), "b".to_owned()][..], &cluster.ids].concat();
        expected.sort();
        let rooms = cluster.io(1).all_rooms().await.unwrap();
        assert_eq!(rooms.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), expected);
    }
}

#[tokio::test]
async fn a_panic_in_a_handler_of_a_server_event_is_answered_and_ends_nothing_else() {
    let cluster = Cluster::in_namespace(Bus::with_heartbeats(), "/", |_, io| {
        io.on_server_event("before", |Data(number): Data<u32>| {
            assert_ne!(number, 1, "before the first poll");
            async move { Ack(number) }
        });
        io.on_server_event("in", |Data(number): Data<u32>| async move {
            assert_ne!(number, 1, "in the first poll");
            Ack(number)
        });
    })
    .await;
    for event in ["before", "in"] {
        let asked = soon(cluster.io(0).server_side_emit_with_ack::<u32>(event, &1)).await;
        assert!(matches!(&asked, Err(GatherError::Remote(text)) if text == "internal error"), "{asked:?}");
        let answers = soon(cluster.io(0).server_side_emit_with_ack::<u32>(event, &2)).await.unwrap();
        assert!(!answers.is_empty() && answers.iter().all(|answer| *answer == 2), "{answers:?}");
    }
}
