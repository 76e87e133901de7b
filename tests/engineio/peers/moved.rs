//! Sessions whose WebSocket is at another node than they are, and nodes that fail.

use std::time::Duration;

use engineio::client::{Client, Event};
use engineio::peers::PeerSettings;
use engineio::{CloseReason, Fault, Message, Server};
use tests::peers::{Bus, Kind, balance};
use tests::raw::{Running, soon, start_echo, until};

use super::{KINDS, assert_idle, at};

/// Two servers that announce their sessions at once.
async fn two(bus: &Bus) -> [Running; 2] {
    let settings = PeerSettings::new().delayed_connection_timeout(Duration::ZERO);
    let builder = || Server::builder().peers(bus.clone()).peer_settings(settings.clone());
    let servers = [start_echo(builder()).await, start_echo(builder()).await];
    bus.ready().await;
    servers
}

#[tokio::test]
async fn a_websocket_at_another_node_is_relayed() {
    for kind in KINDS {
        let [mut first, second] = two(&Bus::new(kind, 2)).await;
        let client = first.polling().await;
        let session = first.opened().await;
        let mut ws = at(&client, &second).upgrade().await;
        for _ in 0..100 {
            ws.send("4hello").await;
            assert_eq!(ws.text().await, "4hello");
        }
        assert_eq!((first.server.stats().sessions, second.server.stats().sessions), (1, 0));
        assert_eq!(second.server.peer_stats().relayed, 1);
        session.close();
        ws.closed().await;
        assert_eq!(first.closed().await, CloseReason::ForcedClose);
        until(async || second.server.peer_stats().relayed == 0).await;

        let client = first.polling().await;
        drop(at(&client, &second).upgrade().await);
        assert_eq!(first.closed().await, CloseReason::TransportClose);
    }
}

#[tokio::test]
async fn a_node_that_is_cut_off_ends_its_relayed_connections_on_both_sides() {
    for kind in [Kind::Tagged, Kind::Direct] {
        is_cut_off(kind).await;
    }
}

async fn is_cut_off(kind: Kind) {
    let bus = Bus::new(kind, 2);
    let [mut first, second] = two(&bus).await;
    let client = first.polling().await;
    let mut ws = at(&client, &second).upgrade().await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
    let waiting = first.polling().await;
    let parked = at(&waiting, &second).park(&first).await;
    // The owner notices that the edge is gone.
    bus.cut("node 1");
    for _ in 0..2 {
        assert_eq!(first.closed().await, CloseReason::TransportError(Fault::Remote));
    }
    assert_eq!(first.server.stats().sessions, 0);
    // The edge notices that the owner is gone.
    bus.cut("node 0");
    drop((parked, ws));

    let bus = Bus::new(kind, 2);
    let [first, second] = two(&bus).await;
    let client = first.polling().await;
    let mut ws = at(&client, &second).upgrade().await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
    let waiting = first.polling().await;
    let parked = at(&waiting, &second).park(&first).await;
    bus.cut("node 0");
    assert_eq!(parked.await.unwrap().both(), (200, "1"));
    ws.closed().await;
    until(async || second.server.peer_stats().relayed == 0).await;
}

/// A client that upgrades while messages are on their way gets each of them once, wherever its requests arrive.
#[tokio::test]
async fn no_message_is_lost_or_doubled_by_an_upgrade_elsewhere() {
    for kind in KINDS {
        let [mut first, second] = two(&Bus::new(kind, 2)).await;
        let client = first.polling().await;
        let session = first.opened().await;
        let elsewhere = at(&client, &second);
        let sending = tokio::spawn(async move {
            for number in 0..500 {
                session.send(number.to_string()).unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut received = Vec::new();
        let mut take = |packets: &str| {
            let messages = packets.split('\x1e').filter_map(|packet| packet.strip_prefix('4'));
            received.extend(messages.map(|number| number.parse::<u32>().unwrap()));
        };
        take(&elsewhere.poll().await);
        take(&client.poll().await);
        let mut ws = elsewhere.probe().await.unwrap();
        ws.send("2probe").await;
        // The poll that waits during the probe is released.
        take(&elsewhere.poll().await);
        assert_eq!(ws.text().await, "3probe");
        ws.send("5").await;
        sending.await.unwrap();
        ws.send("4done").await;
        loop {
            match ws.text().await.as_str() {
                "4done" => break,
                packet => take(packet),
            }
        }
        assert_eq!(received, (0..500).collect::<Vec<_>>());
    }
}

/// The project's own client, whose connections go to the nodes in turn.
#[tokio::test]
async fn a_client_behind_a_balancer_without_sticky_sessions_upgrades() {
    for kind in KINDS {
        let bus = Bus::new(kind, 3);
        let builder = || Server::builder().peers(bus.clone());
        let nodes = [start_echo(builder()).await, start_echo(builder()).await, start_echo(builder()).await];
        bus.ready().await;
        let balancer = balance(nodes.iter().map(|node| node.addr).collect()).await;
        let builder = Client::builder(&format!("http://{balancer}")).unwrap();
        let mut clients = Vec::new();
        for _ in 0..5 {
            let mut client = soon(builder.connect()).await.unwrap();
            for number in 0..50 {
                client.sender().send(format!("{number}")).unwrap();
            }
            let (mut next, mut upgraded) = (0, false);
            while next < 50 || !upgraded {
                match soon(client.recv()).await.unwrap() {
                    Event::Message(message) => {
                        assert_eq!(message, Message::from(next.to_string()));
                        next += 1;
                    }
                    Event::Upgraded => upgraded = true,
                    other => panic!("{other:?}"),
                }
            }
            clients.push(client);
        }
        let sessions = || nodes.iter().map(|node| node.server.stats().sessions).sum::<usize>();
        assert_eq!(sessions(), 5);
        for client in clients {
            assert_eq!(soon(client.close()).await.to_string(), "forced close");
        }
        until(async || sessions() == 0).await;
        assert_idle(&nodes);
    }
}
