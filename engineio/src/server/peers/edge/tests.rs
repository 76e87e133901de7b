//! The tables of a server, without a server.

use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::outbox::budget::Budget;

fn peer(name: &str) -> PeerId {
    PeerId::from(name)
}

fn sid() -> Sid {
    Sid::from("01234567890123456789")
}

fn edge() -> Edge {
    Edge::new(10, 10)
}

/// A GET that asks a node, or all.
fn get(edge: &Edge, to: Option<&str>) -> (u64, oneshot::Receiver<PeerId>, oneshot::Receiver<Drained>) {
    let ((granted, grant), (drained, drain)) = (oneshot::channel(), oneshot::channel());
    let number = edge.ask(to.map(peer), sid(), Wait::Get { granted, drained }).unwrap();
    (number, grant, drain)
}

fn lock(edge: &Edge) -> (u64, oneshot::Receiver<PeerId>) {
    let (granted, grant) = oneshot::channel();
    (edge.ask(Some(peer("b")), sid(), Wait::Lock(granted)).unwrap(), grant)
}

#[test]
fn packets_right_behind_the_lock_find_their_get() {
    let edge = edge();
    let (number, mut grant, mut drain) = get(&edge, None);
    assert_eq!(edge.stats().open_requests, 1);
    edge.granted(peer("b"), number);
    assert!(edge.drain(&peer("b"), &sid(), vec![Packet::Noop]));
    assert_eq!(grant.try_recv(), Ok(peer("b")));
    let Drained { owner, packets } = drain.try_recv().unwrap();
    assert_eq!((owner, packets), (peer("b"), vec![Packet::Noop]));
    // It is answered once, and nothing is left.
    assert!(!edge.drain(&peer("b"), &sid(), vec![Packet::Noop]));
    assert_eq!((edge.detach(&sid(), number), edge.stats()), (None, PeerStats::default()));
}

#[test]
fn an_owner_that_is_known_hears_of_a_client_that_leaves_before_the_answer() {
    let edge = edge();
    for to in [Some("b"), None] {
        let (number, grant, drain) = get(&edge, to);
        drop((grant, drain));
        edge.left(number);
        assert_eq!(edge.stats(), PeerStats::default());
        assert_eq!(edge.granted(peer("c"), number), None);
        assert_eq!(edge.granted(peer("b"), number), to.map(|_| sid()));
        assert_eq!((edge.granted(peer("b"), number), edge.detach(&sid(), number)), (None, None));
    }
    // An owner that does not answer costs no more than its requests could.
    for _ in 0..20 {
        let (number, ..) = get(&edge, Some("b"));
        edge.left(number);
    }
    assert_eq!(edge.tables.lock().left.len(), 10);
    edge.refused(&peer("b"), 4);
    assert_eq!(edge.tables.lock().left.len(), 9);
    edge.lost(&peer("b"));
    assert!(edge.tables.lock().left.is_empty());
}

#[test]
fn only_the_node_that_was_asked_may_answer() {
    let edge = edge();
    let (number, mut grant) = lock(&edge);
    edge.granted(peer("c"), number);
    edge.refused(&peer("c"), number);
    edge.granted(peer("b"), number + 1);
    assert_eq!(grant.try_recv(), Err(TryRecvError::Empty));
    edge.refused(&peer("b"), number);
    assert_eq!(grant.try_recv(), Err(TryRecvError::Closed));
    // Packets of a node that is not the owner are refused.
    let (number, _grant, mut drain) = get(&edge, Some("b"));
    edge.granted(peer("b"), number);
    assert!(!edge.drain(&peer("c"), &sid(), vec![Packet::Noop]));
    assert!(drain.try_recv().is_err());
    assert_eq!(edge.detach(&sid(), number), Some(peer("b")));
}

#[test]
fn a_late_end_of_a_connection_leaves_its_successor_alone() {
    let edge = edge();
    let (first, ..) = get(&edge, None);
    edge.granted(peer("b"), first);
    let (second, _grant, mut drain) = get(&edge, None);
    edge.granted(peer("b"), second);
    assert_eq!(edge.detach(&sid(), first), None);
    assert!(edge.drain(&peer("b"), &sid(), vec![Packet::Close]));
    assert_eq!(drain.try_recv().unwrap().packets, [Packet::Close]);
}

#[test]
fn a_websocket_releases_the_get_before_it() {
    let edge = edge();
    let (number, _grant, mut drain) = get(&edge, None);
    edge.granted(peer("b"), number);
    let socket = Arc::new(RelayedSocket::new(1000, &Arc::new(Budget::new(usize::MAX))));
    edge.attach(sid(), number + 1, peer("b"), Arc::clone(&socket));
    assert_eq!(drain.try_recv().unwrap().packets, [Packet::Noop]);
    let packets = vec![Packet::Noop, Packet::Message("a".into()), Packet::Close];
    assert!(edge.drain(&peer("b"), &sid(), packets));
    assert_eq!((socket.outbox.queued_messages(), socket.outbox.is_open(), socket.fault()), (1, false, None));
}

#[test]
fn a_lost_node_ends_its_requests_and_connections() {
    let edge = edge();
    let (_, mut directed) = lock(&edge);
    let (asked_of_all, mut grant, _) = get(&edge, None);
    let socket = Arc::new(RelayedSocket::new(1000, &Arc::new(Budget::new(usize::MAX))));
    edge.attach(sid(), 99, peer("b"), Arc::clone(&socket));
    edge.lost(&peer("c"));
    assert_eq!((directed.try_recv(), socket.fault()), (Err(TryRecvError::Empty), None));
    edge.lost(&peer("b"));
    assert_eq!((directed.try_recv(), socket.fault()), (Err(TryRecvError::Closed), Some(Fault::Remote)));
    assert!(!edge.drain(&peer("b"), &sid(), vec![Packet::Noop]));
    // Another node may still answer it.
    edge.granted(peer("c"), asked_of_all);
    assert_eq!(grant.try_recv(), Ok(peer("c")));
}

#[test]
fn requests_and_connections_have_limits() {
    let edge = Edge::new(2, 1);
    let (first, _grant) = lock(&edge);
    let _second = lock(&edge);
    let (granted, _grant) = oneshot::channel();
    assert_eq!(edge.ask(None, sid(), Wait::Lock(granted)), Err(Full));
    edge.forget(first);
    drop(lock(&edge));
    assert_eq!((edge.enter(), edge.enter()), (Ok(()), Err(Full)));
    assert_eq!(edge.stats(), PeerStats { open_requests: 2, relayed: 1 });
    edge.leave();
    assert_eq!(edge.enter(), Ok(()));
}
