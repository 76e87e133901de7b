//! Revision 3 of the protocol, which servers of Socket.IO v2 speak.

use std::time::Duration;

use engineio::client::{Client, Closed, OpenError};
use engineio::packet::Packet;
use engineio::{Message, Protocol, Server, ServerBuilder, Transport};
use tests::raw::{Running, ServerEvent, soon, start_echo};

use crate::support::{builder, closed, message, ok, peer, upgraded};

const TRANSPORTS: [&[Transport]; 3] =
    [&[Transport::Polling], &[Transport::WebSocket], &[Transport::Polling, Transport::WebSocket]];

fn server() -> ServerBuilder {
    Server::builder().allow_eio3(true)
}

async fn connect(running: &Running, transports: &[Transport]) -> Client {
    let builder = builder(running.addr).protocol(Protocol::V3).transports(transports);
    soon(builder.connect()).await.unwrap()
}

#[tokio::test]
async fn messages_are_echoed_unchanged() {
    let mut running = start_echo(server()).await;
    for transports in TRANSPORTS {
        let mut client = connect(&running, transports).await;
        assert_eq!(running.opened().await.protocol(), Protocol::V3);
        for round in 0..3 {
            let messages = [
                Message::from("é€😀"),
                Message::from(vec![round; 1000]),
                Message::from(""),
                Message::from(Vec::new()),
                Message::from("x".repeat(50_000)),
            ];
            for sent in &messages {
                client.sender().send(sent.clone()).unwrap();
            }
            for sent in &messages {
                assert_eq!(message(&mut client).await, *sent);
            }
        }
        if transports.len() == 2 && client.transport() == Transport::Polling {
            upgraded(&mut client).await;
        }
        assert_eq!(client.transport(), *transports.last().unwrap());
        assert!(matches!(soon(client.close()).await, Closed::Forced));
        running.closed().await;
    }
    running.emptied().await;
}

#[tokio::test]
async fn messages_over_the_request_limit_are_split() {
    let mut running = start_echo(server().max_payload(1000)).await;
    let mut client = connect(&running, &[Transport::Polling]).await;
    running.opened().await;
    for number in 0..200_u8 {
        client.sender().send(vec![number; usize::from(number)]).unwrap();
    }
    for number in 0..200_u8 {
        assert_eq!(message(&mut client).await, Message::from(vec![number; usize::from(number)]));
    }
}

#[tokio::test]
async fn the_client_sends_pings() {
    let heartbeat = Duration::from_millis(20);
    let mut running =
        start_echo(server().ping_interval(heartbeat).ping_timeout(Duration::from_secs(20))).await;
    for transports in TRANSPORTS {
        let mut client = connect(&running, transports).await;
        let serving = tokio::spawn(async move { closed(&mut client).await });
        let session = running.opened().await;
        for _ in 0..3 {
            running.find(|seen| matches!(seen, ServerEvent::Packet(Packet::Ping(_))).then_some(())).await;
        }
        session.close();
        assert!(matches!(soon(serving).await.unwrap(), Closed::TransportClose(_)));
        running.closed().await;
    }
}

#[tokio::test]
async fn a_server_without_pongs_times_out() {
    let open = r#"{"sid":"x","upgrades":[],"pingInterval":1,"pingTimeout":1}"#;
    let addr = peer(move |_| ok(&format!("{}:0{open}", open.len() + 1))).await;
    let builder = builder(addr).protocol(Protocol::V3).transports([Transport::Polling]);
    let mut client = soon(builder.connect()).await.unwrap();
    assert!(matches!(closed(&mut client).await, Closed::PingTimeout));
}

#[tokio::test]
async fn a_server_of_revision_4_refuses_revision_3() {
    let running = start_echo(Server::builder()).await;
    for transport in [Transport::Polling, Transport::WebSocket] {
        let builder = builder(running.addr).protocol(Protocol::V3).transports([transport]);
        let Err(OpenError::Transport(error)) = soon(builder.connect()).await else { panic!("accepted") };
        assert_eq!(error.status(), Some(http::StatusCode::BAD_REQUEST));
    }
}
