//! What a node knows about its link to the others, and says about it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use socketio_server::cluster::{AdapterErrorKind, AdapterHealth};
use socketio_server::{EmitError, GatherError};
use tests::raw::soon;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Cluster;
use super::bus::Bus;
use crate::support::{builder, start};

#[tokio::test]
async fn an_adapter_error_says_what_kind_it_is_of() {
    let cluster = Cluster::new(Bus::with_heartbeats()).await;
    cluster.bus.broken.store(true, Ordering::SeqCst);
    let error = cluster.io(0).emit("test", &1).await.unwrap_err();
    let EmitError::Adapter(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), AdapterErrorKind::Down);
}

/// A node that hears nothing any more forgets all others in time. Its answers must not look complete then.
#[tokio::test]
async fn the_answers_of_a_deaf_node_are_partial() {
    for bus in Bus::of_each_kind() {
        let cluster = Cluster::in_namespace(bus, "/", |_, io| {
            io.on_server_event("hello", || async { socketio_server::Ack(1) });
        })
        .await;
        let io = cluster.io(0);
        let mut health = io.cluster_health();
        assert_eq!(*health.borrow_and_update(), AdapterHealth::Connected);
        let deaf = AdapterHealth::Deaf { since: Instant::now() };
        cluster.bus.health.send_replace(deaf);
        soon(health.changed()).await.unwrap();
        assert_eq!(*health.borrow_and_update(), deaf);

        let error = io.fetch_sockets().await.unwrap_err();
        assert!(error.to_string().contains("the link to the other servers is deaf"), "{error}");
        let partial = error.partial().unwrap();
        assert_eq!((partial.answers.len(), partial.missing, partial.health), (3, 0, deaf));
        let partial = io.all_rooms().await.unwrap_err().partial().unwrap();
        assert_eq!((partial.answers.len(), partial.health), (3, deaf));
        let partial = io.server_side_emit_with_ack::<u32>("hello", &()).await.unwrap_err().partial().unwrap();
        assert_eq!((partial.answers, partial.health), (vec![1, 1], deaf));
        let nobody = io.to("nobody").emit_with_ack::<u32>("question", &()).await.unwrap_err();
        assert_eq!(nobody.partial().unwrap().health, deaf);
        assert_eq!(io.local().fetch_sockets().await.unwrap().len(), 1, "needs no other node");

        cluster.bus.health.send_replace(AdapterHealth::Connected);
        assert_eq!(io.fetch_sockets().await.unwrap().len(), 3);
    }
}

/// The link is lost after the request was sent.
#[tokio::test]
async fn an_answer_is_partial_if_the_node_becomes_deaf_meanwhile() {
    let cluster = Cluster::in_namespace(Bus::with_heartbeats(), "/", |number, io| {
        io.on_server_event("hello", move |ack: Option<socketio_server::AckSender>| async move {
            if number == 2 { std::mem::forget(ack) } else { ack.unwrap().send(&number).unwrap() }
        });
    })
    .await;
    let io = cluster.io(0).clone();
    let pending = tokio::spawn(async move { io.server_side_emit_with_ack::<u32>("hello", &()).await });
    soon(async {
        while cluster.io(0).cluster_stats().open_requests == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.bus.health.send_replace(AdapterHealth::Down { since: Instant::now() });
    cluster.io(2).close();
    let error = soon(pending).await.unwrap().unwrap_err();
    assert!(matches!(&error, GatherError::Partial(partial) if !partial.health.is_connected()), "{error}");
    assert_eq!(error.partial().unwrap().answers, [1]);
}

#[tokio::test]
async fn applications_hear_of_lost_time() {
    let (sender, mut gaps) = mpsc::unbounded_channel();
    let cluster = Cluster::in_namespace(Bus::with_heartbeats(), "/", |number, io| {
        let sender = sender.clone();
        if number == 1 {
            io.on_cluster_gap(move |gap| sender.send(*gap).unwrap());
        }
    })
    .await;
    let inbox = cluster.bus.inboxes.lock().unwrap()[1].clone();
    inbox.gap(Duration::from_millis(1500), Some(7));
    inbox.gap(Duration::from_secs(2), None);
    let gap = soon(gaps.recv()).await.unwrap();
    assert_eq!((gap.duration, gap.lost), (Duration::from_millis(1500), Some(7)));
    assert_eq!(soon(gaps.recv()).await.unwrap().lost, None);
    let stats = cluster.io(1).cluster_stats();
    assert_eq!((stats.gaps, stats.lost, stats.nodes), (2, 7, 2));
    assert_eq!(cluster.io(0).cluster_stats().gaps, 0);
}

#[tokio::test]
async fn a_server_without_an_adapter_is_always_connected() {
    let running = start(builder(), |_| {}).await;
    assert!(running.io.cluster_health().borrow().is_connected());
    assert_eq!(running.io.cluster_stats(), Default::default());
}
