//! Orderly and unexpected ends of the client's session.

use std::time::Duration;

use engineio::client::{Closed, Event};
use engineio::{CloseReason, Message, SendError, Server, Transport};
use tests::raw::{ServerEvent, soon, start};

use crate::support::{builder, closed, connect, connect_on, without_websocket};

/// Closes a client at a given point of its upgrade and returns the events that the server has seen.
async fn closed_after(polls: usize, addr: std::net::SocketAddr, running: &mut tests::raw::Running) {
    let mut client = connect(addr).await;
    let sender = client.sender();
    for number in 0..3 {
        sender.send(number.to_string()).unwrap();
    }
    for _ in 0..polls {
        tokio::select! {
            biased;
            event = client.recv() => assert!(!matches!(event, Err(_) | Ok(Event::Message(_))), "{event:?}"),
            () = tokio::time::sleep(Duration::from_micros(200)) => {}
        }
    }
    sender.send("last").unwrap();
    sender.close();
    assert_eq!(sender.send("late"), Err(SendError::Closed));
    assert!(matches!(closed(&mut client).await, Closed::Forced));
    let mut messages = Vec::new();
    let reason = running
        .find(|seen| match seen {
            ServerEvent::Message(_, message) => {
                messages.push(message);
                None
            }
            ServerEvent::Close(reason, _) => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, CloseReason::TransportClose);
    assert_eq!(messages, ["0", "1", "2", "last"].map(Message::from), "closed after {polls} polls");
}

/// EIO-CLI-074, EIO-CLI-076, EIO-CLI-077
#[tokio::test]
async fn a_close_during_an_upgrade_loses_no_messages() {
    let mut running = start(Server::builder()).await;
    for polls in 0..30 {
        closed_after(polls, running.addr, &mut running).await;
    }
    running.emptied().await;
}

/// EIO-CLI-075
#[tokio::test]
async fn a_close_around_a_failed_upgrade_loses_no_messages() {
    let mut running = start(Server::builder()).await;
    let addr = without_websocket(running.addr).await;
    for polls in 0..20 {
        closed_after(polls, addr, &mut running).await;
    }
}

#[tokio::test]
async fn a_close_follows_queued_messages() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut running = start(Server::builder()).await;
        let client = connect_on(running.addr, transport).await;
        for _ in 0..100 {
            client.sender().send(vec![1; 10_000]).unwrap();
        }
        assert!(matches!(soon(client.close()).await, Closed::Forced));
        let mut bytes = 0;
        let reason = running.find(|seen| match seen {
            ServerEvent::Message(_, message) => {
                bytes += message.len();
                None
            }
            ServerEvent::Close(reason, _) => Some(reason),
            _ => None,
        });
        assert_eq!(reason.await, CloseReason::TransportClose);
        assert_eq!(bytes, 1_000_000);
        running.emptied().await;
    }
}

/// EIO-SRV-075, EIO-SRV-076, EIO-SRV-078, EIO-SRV-079, EIO-SRV-087
#[tokio::test]
async fn either_side_reports_who_closed() {
    // The heartbeat has begun, and its deadline is far away.
    let server = Server::builder().ping_interval(Duration::from_millis(20));
    let mut running = start(server).await;
    for transport in [Transport::Polling, Transport::WebSocket] {
        for by_server in [true, false] {
            let mut client = connect_on(running.addr, transport).await;
            let session = running.opened().await;
            let heartbeat = running.find(|seen| matches!(seen, ServerEvent::Heartbeat).then_some(()));
            tokio::select! {
                () = heartbeat => {}
                event = client.recv() => panic!("{event:?}"),
            }
            let at_client = if by_server {
                session.close();
                closed(&mut client).await
            } else {
                soon(client.close()).await
            };
            let reasons = (running.closed().await.to_string(), at_client.to_string());
            let expected = if by_server {
                ("forced close", "transport close")
            } else {
                ("transport close", "forced close")
            };
            assert_eq!((&*reasons.0, &*reasons.1), expected, "{transport:?}");
        }
    }
}

/// EIO-CLI-040
#[tokio::test]
async fn a_missed_heartbeat_deadline_closes_once() {
    let server =
        Server::builder().ping_interval(Duration::from_millis(20)).ping_timeout(Duration::from_millis(20));
    let running = start(server).await;
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut client = connect_on(running.addr, transport).await;
        // The session is not polled, as in a suspended laptop.
        tokio::time::sleep(Duration::from_millis(100)).await;
        for _ in 0..2 {
            assert!(matches!(soon(client.recv()).await, Err(Closed::PingTimeout)));
        }
    }
}

#[tokio::test]
async fn heartbeats_keep_a_session_alive() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let server =
            Server::builder().ping_interval(Duration::from_millis(10)).ping_timeout(Duration::from_secs(10));
        let mut running = start(server).await;
        let mut client = connect_on(running.addr, transport).await;
        let driving = tokio::spawn(async move { client.recv().await });
        let mut pongs = 0;
        running
            .find(|seen| {
                pongs += usize::from(matches!(seen, ServerEvent::Packet(engineio::packet::Packet::Pong(_))));
                (pongs == 10).then_some(())
            })
            .await;
        driving.abort();
    }
}

#[tokio::test]
async fn a_dropped_client_closes_its_connection() {
    let mut running = start(Server::builder()).await;
    let client = soon(builder(running.addr).transports([Transport::WebSocket]).connect()).await.unwrap();
    drop(client);
    assert_eq!(running.closed().await, CloseReason::TransportClose);
    running.emptied().await;
}
