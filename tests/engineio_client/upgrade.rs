//! Upgrades from polling to WebSocket, and failed upgrades.

use std::time::Duration;

use engineio::client::{Event, UpgradeError};
use engineio::{Message, Server, Transport};
use tests::raw::{soon, start_echo};

use crate::support::{builder, connect, message, ok, peer, upgraded, without_websocket};

/// EIO-CLI-026
#[tokio::test]
async fn no_upgrade_is_tried_if_disabled() {
    let running = start_echo(Server::builder()).await;
    for builder in
        [builder(running.addr).transports([Transport::Polling]), builder(running.addr).upgrade(false)]
    {
        let mut client = soon(builder.connect()).await.unwrap();
        for number in 0..50 {
            client.sender().send(number.to_string()).unwrap();
            let event = soon(client.recv()).await.unwrap();
            assert!(matches!(event, Event::Message(_)), "{event:?}");
        }
        assert_eq!(client.transport(), Transport::Polling);
    }
}

#[tokio::test]
async fn messages_keep_their_order_during_an_upgrade() {
    let running = start_echo(Server::builder()).await;
    for _ in 0..20 {
        let mut client = connect(running.addr).await;
        let sender = client.sender();
        let sending = tokio::spawn(async move {
            for number in 0..200 {
                sender.send(number.to_string()).unwrap();
                if number % 10 == 0 {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            }
        });
        for number in 0..200 {
            assert_eq!(message(&mut client).await, Message::from(number.to_string()));
        }
        sending.await.unwrap();
        if client.transport() == Transport::Polling {
            upgraded(&mut client).await;
        }
    }
}

#[tokio::test]
async fn polling_continues_behind_a_proxy_without_websocket() {
    let running = start_echo(Server::builder()).await;
    let mut client = connect(without_websocket(running.addr).await).await;
    let Event::UpgradeFailed(UpgradeError::Transport(error)) = soon(client.recv()).await.unwrap() else {
        panic!("upgraded");
    };
    assert_eq!(error.status(), Some(http::StatusCode::BAD_GATEWAY));
    client.sender().send("still there").unwrap();
    assert_eq!(message(&mut client).await, "still there".into());
}

#[tokio::test]
async fn an_unanswered_upgrade_times_out() {
    let addr = peer(|head| {
        let open = r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":60000,"pingTimeout":60000,"maxPayload":9}"#;
        if head.contains("sid=") { String::new() } else { ok(open) }
    })
    .await;
    let builder = builder(addr).upgrade_timeout(Duration::from_millis(30));
    let mut client = soon(builder.connect()).await.unwrap();
    let event = soon(client.recv()).await.unwrap();
    assert!(matches!(event, Event::UpgradeFailed(UpgradeError::Timeout)), "{event:?}");
    assert_eq!(client.transport(), Transport::Polling);
}
