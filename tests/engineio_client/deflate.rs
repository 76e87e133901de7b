//! Compressed messages between our client and our server, with and without each parameter.

use std::num::NonZeroU32;

use bytes::Bytes;
use engineio::client::{Client, Event};
use engineio::{
    CloseReason, Fault, Message, PerMessageDeflate, Prepared, Server, SlowConsumer, Transport, WindowBits,
};
use tests::raw::{soon, start, start_echo, until};

use crate::support::{builder, closed, message, peer};

/// The parameters of both sides. Each has a pair that agrees.
fn settings() -> Vec<PerMessageDeflate> {
    let all = PerMessageDeflate::new().threshold(0);
    let any = all.server_no_context_takeover(None).client_no_context_takeover(None);
    vec![
        all,
        any,
        any.server_no_context_takeover(false),
        any.server_max_window_bits(9),
        any.client_max_window_bits(8),
        any.client_max_window_bits(WindowBits::Refused).server_max_window_bits(WindowBits::Refused),
        all.level(1).mem_level(1),
    ]
}

async fn connect(addr: std::net::SocketAddr, deflate: PerMessageDeflate, transport: &[Transport]) -> Client {
    let builder = builder(addr).configure(|config| config.per_message_deflate = Some(deflate));
    soon(builder.transports(transport).connect()).await.unwrap()
}

fn messages() -> Vec<Message> {
    let text = |len| Message::from("{\"key\":\"value\"},".repeat(len));
    let binary = (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Bytes>();
    vec![
        text(0),
        text(1),
        text(1000),
        Message::Binary(binary),
        text(1),
        Message::Binary(vec![0; 900_000].into()),
        text(40_000),
    ]
}

#[tokio::test]
async fn messages_are_echoed_with_every_pair_of_settings() {
    let mut agreed = 0;
    for server in settings() {
        let running = start_echo(Server::builder().per_message_deflate(server)).await;
        for client in settings() {
            let builder = builder(running.addr).transports([Transport::WebSocket]);
            let builder = builder.configure(|config| config.per_message_deflate = Some(client));
            let mut client = match soon(builder.connect()).await {
                Ok(client) => client,
                // Settings that contradict each other are refused.
                Err(error) => {
                    assert!(format!("{error:?}").contains("400"), "{error:?}");
                    continue;
                }
            };
            agreed += 1;
            for sent in messages() {
                client.sender().send(sent.clone()).unwrap();
                assert!(message(&mut client).await == sent);
            }
        }
    }
    assert!(agreed > 30, "{agreed} pairs agree");
}

#[tokio::test]
async fn a_session_compresses_from_its_upgrade_on() {
    let mut running = start_echo(Server::builder().per_message_deflate(PerMessageDeflate::new())).await;
    let both = [Transport::Polling, Transport::WebSocket];
    let mut client = connect(running.addr, PerMessageDeflate::new(), &both).await;
    let session = running.opened().await;
    let text = "long text, ".repeat(1000);
    client.sender().send(text.as_str()).unwrap();
    // The message may arrive before or after the upgrade.
    let (mut is_upgraded, mut echoes) = (false, 0);
    while !is_upgraded || echoes == 0 {
        match soon(client.recv()).await.unwrap() {
            Event::Upgraded => is_upgraded = true,
            Event::Message(echo) => {
                assert!(echo == text.clone().into());
                echoes += 1;
            }
            _ => {}
        }
    }
    client.sender().send(text.as_str()).unwrap();
    assert!(client.sender().queued_bytes() < 200, "the queue has the compressed message");
    assert!(message(&mut client).await == text.clone().into());
    assert_eq!(session.queued_bytes(), 0);
}

/// Nothing is compressed without an agreement.
#[tokio::test]
async fn one_side_alone_compresses_nothing() {
    let mut running = start_echo(Server::builder().per_message_deflate(PerMessageDeflate::new())).await;
    let mut client = soon(builder(running.addr).transports([Transport::WebSocket]).connect()).await.unwrap();
    let text = "long text, ".repeat(1000);
    client.sender().send(text.as_str()).unwrap();
    assert!(client.sender().queued_bytes() > 11_000);
    assert!(message(&mut client).await == text.clone().into());
    let _ = running.opened().await;
    let off = start_echo(Server::builder()).await;
    let mut client = connect(off.addr, PerMessageDeflate::new(), &[Transport::WebSocket]).await;
    client.sender().send(text.as_str()).unwrap();
    assert!(client.sender().queued_bytes() > 11_000);
    assert!(message(&mut client).await == text.clone().into());
}

/// A message of a few kilobytes on the wire that would have ten megabytes.
#[tokio::test]
async fn a_message_that_becomes_too_long_ends_the_session() {
    let mut running = start_echo(Server::builder().per_message_deflate(PerMessageDeflate::new())).await;
    let bomb = Prepared::binary(vec![0; 10 << 20].into());
    for _ in 0..5 {
        let mut client = connect(running.addr, PerMessageDeflate::new(), &[Transport::WebSocket]).await;
        client.sender().send(bomb.clone()).unwrap();
        assert!(client.sender().queued_bytes() < 20_000);
        assert!(format!("{:?}", closed(&mut client).await).contains("1009"));
        assert_eq!(running.closed().await, CloseReason::TransportError(Fault::WebSocket));
    }
    running.emptied().await;
    assert_eq!(running.server.stats().received_bytes, 0, "nothing is held");
}

/// A server whose messages become long: the client reads one after the other.
#[tokio::test]
async fn the_client_holds_few_messages_that_become_long() {
    let mut running = start(Server::builder().per_message_deflate(PerMessageDeflate::new())).await;
    let mut client = connect(running.addr, PerMessageDeflate::new(), &[Transport::WebSocket]).await;
    let session = running.opened().await;
    for number in 0..100_u8 {
        session.send(vec![number; 900_000]).unwrap();
    }
    for number in 0..100 {
        let received = message(&mut client).await;
        assert!(received == Message::Binary(vec![number; 900_000].into()), "{number}");
    }
}

/// The outbox of a client that does not read counts compressed bytes, and several sessions get one form.
#[tokio::test]
async fn a_broadcast_waits_compressed() {
    let deflate = PerMessageDeflate::new();
    let builder = Server::builder().per_message_deflate(deflate).max_buffered(64 << 20, SlowConsumer::Refuse);
    let mut running = start(builder).await;
    let (mut clients, mut sessions) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        clients.push(connect(running.addr, deflate, &[Transport::WebSocket]).await);
        sessions.push(running.opened().await);
    }
    let text = "{\"id\":1,\"name\":\"value\"},".repeat(4000);
    let prepared = Prepared::text(&text).conflate_by(NonZeroU32::MIN);
    // This task does not yield in between, so nothing is written.
    for session in &sessions {
        for message in [prepared.clone(), prepared.clone().compress(false), Prepared::text("short")] {
            session.send(message).unwrap();
        }
        let queued = session.queued_bytes();
        assert!((text.len()..text.len() + 2000).contains(&queued), "{queued}");
    }
    for client in &mut clients {
        for expected in [&*text, &*text, "short"] {
            assert!(message(client).await == expected.to_owned().into());
        }
    }
    until(async || sessions.iter().all(|session| session.queued_bytes() == 0)).await;
    assert!(sessions[0].send_volatile(prepared).unwrap());
    assert!(message(&mut clients[0]).await == text.clone().into());
}

#[tokio::test]
async fn an_answer_that_was_not_offered_is_refused() {
    let key = |head: &str| {
        let line = head.lines().find(|line| line.starts_with("sec-websocket-key")).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    let accept = move |head: &str, extension: &str| {
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key(head).as_bytes());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: {extension}\r\n\r\n"
        )
    };
    for (offer, answer) in [
        (None, "permessage-deflate"),
        (Some(PerMessageDeflate::new()), "permessage-deflate; unknown"),
        (
            Some(PerMessageDeflate::new().client_max_window_bits(9)),
            "permessage-deflate; client_max_window_bits=10",
        ),
    ] {
        let addr = peer(move |head| accept(head, answer)).await;
        let builder = builder(addr).transports([Transport::WebSocket]);
        let error =
            soon(builder.configure(|config| config.per_message_deflate = offer).connect()).await.err();
        let error = error.expect("the answer is refused");
        assert!(format!("{error:?}").contains("Extension"), "{error:?}");
    }
}
