//! Messages in both directions, in every form.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use engineio::client::{Closed, TransportError};
use engineio::{CloseReason, Fault, Message, Prepared, SendError, Server, ServerBuilder, Transport};
use futures_util::FutureExt;
use tests::raw::{soon, start, start_echo, start_greeting};

use crate::support::{builder, closed, connect, connect_on, message, ok, peer, upgraded};

const BOTH: [Transport; 2] = [Transport::Polling, Transport::WebSocket];

/// Sends all messages and expects them back in order.
async fn echoed(client: &mut engineio::client::Client, messages: Vec<Message>) {
    for message in &messages {
        client.sender().send(message.clone()).unwrap();
    }
    for sent in messages {
        assert_eq!(message(client).await, sent);
    }
}

/// EIO-CLI-068, EIO-CLI-069
#[tokio::test]
async fn text_of_any_script_is_echoed() {
    let running = start_echo(Server::builder()).await;
    for transport in BOTH {
        let mut client = connect_on(running.addr, transport).await;
        echoed(
            &mut client,
            vec!["cash money €€€".into(), "\u{1f600}\u{e000}\u{10ffff}\0".into(), "".into(), "4".into()],
        )
        .await;
    }
}

/// EIO-CLI-085, EIO-CLI-086, EIO-CLI-089, EIO-CLI-090
#[tokio::test]
async fn text_and_binary_are_echoed_in_order() {
    let running = start_echo(Server::builder()).await;
    let mixed = || vec![vec![0, 1, 2, 3, 4].into(), "cash money €€€".into(), Message::Binary(Bytes::new())];
    for transport in BOTH {
        echoed(&mut connect_on(running.addr, transport).await, mixed()).await;
    }
    let mut client = connect(running.addr).await;
    upgraded(&mut client).await;
    assert_eq!(client.transport(), Transport::WebSocket);
    echoed(&mut client, mixed()).await;
}

/// EIO-CLI-087, EIO-CLI-091
#[tokio::test]
async fn binary_is_sent_as_base64_if_configured() {
    let mut running = start_echo(Server::builder()).await;
    for transport in BOTH {
        let builder =
            builder(running.addr).transports([transport]).configure(|config| config.force_base64 = true);
        let mut client = soon(builder.connect()).await.unwrap();
        echoed(&mut client, vec![vec![0, 1, 2, 3, 4].into(), vec![255; 300].into()]).await;
        assert_eq!(running.opened().await.request().query().get("b64"), Some("1"));
    }
}

/// EIO-CLI-071
#[tokio::test]
async fn posts_of_text_stay_within_the_limit_of_the_server() {
    let (server, posts) = counting_posts(Server::builder().max_payload(100));
    let running = start_echo(server).await;
    let mut client = connect_on(running.addr, Transport::Polling).await;
    let texts = [("a", 99), ("b", 30), ("c", 30), ("d", 35), ("€", 33), ("f", 99)];
    echoed(&mut client, texts.map(|(text, times)| text.repeat(times).into()).into()).await;
    assert_eq!(posts.load(Ordering::Relaxed), 4, "b, c and d fit into one");
}

/// Counts the POSTs that the server accepts.
fn counting_posts(builder: ServerBuilder) -> (ServerBuilder, Arc<AtomicUsize>) {
    let posts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&posts);
    let builder = builder.on_headers(move |request, _| {
        count.fetch_add(usize::from(request.method == http::Method::POST), Ordering::Relaxed);
    });
    (builder, posts)
}

/// EIO-CLI-005, EIO-CLI-088
#[tokio::test]
async fn posts_of_binary_stay_within_the_limit_of_the_server() {
    let (server, posts) = counting_posts(Server::builder().max_payload(100));
    let running = start_echo(server).await;
    let mut client = connect_on(running.addr, Transport::Polling).await;
    let bytes = |len: usize| Message::from(vec![7; len]);
    echoed(&mut client, vec![bytes(72), bytes(20), "a".repeat(20).into(), bytes(20), bytes(72)]).await;
    assert_eq!(posts.load(Ordering::Relaxed), 3, "the three short ones fit into one");
}

/// EIO-CLI-036
#[tokio::test]
async fn a_post_over_the_limit_is_refused_by_the_server() {
    let addr = peer(|head| match head {
        post if post.starts_with("POST") => {
            "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
        poll if poll.contains("sid=") => String::new(),
        _ => ok(r#"0{"sid":"a","upgrades":[],"pingInterval":60000,"pingTimeout":60000,"maxPayload":100}"#),
    })
    .await;
    let mut client = connect_on(addr, Transport::Polling).await;
    client.sender().send("a".repeat(100)).unwrap();
    let Closed::TransportError(error) = closed(&mut client).await else { panic!("no transport error") };
    assert!(matches!(error, TransportError::Post(_)));
    assert_eq!((error.as_str(), error.status().unwrap().as_u16()), ("xhr post error", 413));
}

/// EIO-CLI-072: the response to the POST and the close packet for the waiting GET arrive on two connections.
#[tokio::test]
async fn a_post_over_the_limit_closes_client_and_session() {
    let mut running = start(Server::builder().max_payload(100)).await;
    let mut client = connect_on(running.addr, Transport::Polling).await;
    client.sender().send("a".repeat(100)).unwrap();
    let reason = closed(&mut client).await;
    assert!(matches!(reason, Closed::TransportClose(None) | Closed::TransportError(TransportError::Post(_))));
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::PayloadTooLarge));
}

/// EIO-CLI-037
#[tokio::test]
async fn a_websocket_message_over_the_limit_is_refused_by_the_server() {
    let mut running = start(Server::builder().max_payload(100)).await;
    let mut client = connect_on(running.addr, Transport::WebSocket).await;
    client.sender().send("a".repeat(101)).unwrap();
    let Closed::TransportClose(Some(code)) = closed(&mut client).await else { panic!("no code") };
    assert_eq!(code.0, 1009);
    running.closed().await;
}

#[tokio::test]
async fn a_message_over_the_limit_of_the_client_ends_the_session() {
    let mut running = start(Server::builder()).await;
    let builder = builder(running.addr).configure(|config| config.max_payload = 1000);
    let mut client = soon(builder.transports([Transport::WebSocket]).connect()).await.unwrap();
    running.opened().await.send("a".repeat(1001)).unwrap();
    let closed = closed(&mut client).await;
    assert!(matches!(closed, Closed::TransportError(TransportError::Frame(_))), "{closed:?}");
}

#[tokio::test]
async fn the_outbox_of_a_client_is_bounded() {
    let running = start(Server::builder()).await;
    let builder = builder(running.addr).configure(|config| config.max_buffered = 2300);
    let mut client = soon(builder.transports([Transport::WebSocket]).connect()).await.unwrap();
    let sender = client.sender();
    let mut sent = 0;
    while sender.send("x".repeat(100)).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 9, "with their headers and places");
    assert_eq!(sender.send("x".repeat(100)), Err(SendError::Full));
    assert_eq!(sender.send_volatile("x"), Ok(false));
    // The capacity is free again as soon as the bytes are written.
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send_when_ready("y".repeat(100)).await }
    });
    let driving = tokio::spawn(async move { while client.recv().await.is_ok() {} });
    soon(waiting).await.unwrap().unwrap();
    soon(sender.flushed()).await.unwrap();
    assert_eq!(sender.send_volatile("x"), Ok(true));
    driving.abort();
}

#[tokio::test]
async fn many_messages_are_echoed_in_order() {
    let running = start_echo(Server::builder()).await;
    let mut client = connect(running.addr).await;
    // The session upgrades to WebSocket during the transfer.
    let numbers = (0..2000).map(|number: u32| {
        if number % 3 == 0 { number.to_be_bytes().to_vec().into() } else { number.to_string().into() }
    });
    echoed(&mut client, numbers.collect()).await;
    assert_eq!(client.close().await.to_string(), "forced close");
}

/// EIO-CLI-070
#[tokio::test]
async fn nothing_is_sent_after_a_close() {
    let mut running = start(Server::builder()).await;
    let mut client = connect(running.addr).await;
    let sender = client.sender();
    sender.close();
    assert_eq!(sender.send("late"), Err(SendError::Closed));
    assert_eq!(closed(&mut client).await.to_string(), "forced close");
    assert_eq!(running.closed().await, CloseReason::TransportClose);
}

#[tokio::test]
async fn queued_messages_are_sent_before_further_reads() {
    let mut running = start_greeting(Server::builder(), |session| {
        let message = Prepared::text(&"x".repeat(16_000));
        (0..20).for_each(|_| session.send(message.clone()).unwrap());
    })
    .await;
    let mut client = connect_on(running.addr, Transport::WebSocket).await;
    // All data is in the buffers of the system, so every read of the client finds more.
    soon(running.opened().await.drained()).await.unwrap();
    client.sender().send("hello").unwrap();
    // Several reads. From then on the client is not polled any more.
    for _ in 0..15 {
        message(&mut client).await;
    }
    assert_eq!(running.message().await, "hello".into());
}

/// EIO-SRV-135, EIO-SRV-136, EIO-SRV-139, EIO-SRV-140
#[tokio::test]
async fn the_outbox_keeps_messages_until_they_are_written() {
    let mut running = start(Server::builder()).await;
    for transport in BOTH {
        let mut client = connect_on(running.addr, transport).await;
        let sender = client.sender();
        // The session is not driven yet.
        sender.send("1").unwrap();
        let one = sender.queued_bytes();
        sender.send("2").unwrap();
        assert!(one > 0 && sender.queued_bytes() == 2 * one, "{transport:?}");
        let mut second = std::pin::pin!(sender.flushed());
        assert!(second.as_mut().now_or_never().is_none());
        sender.send("3").unwrap();
        tokio::select! {
            flushed = soon(sender.flushed()) => flushed.unwrap(),
            event = client.recv() => panic!("{event:?}"),
        }
        assert_eq!(second.now_or_never(), Some(Ok(())), "not after the third");
        assert_eq!(sender.queued_bytes(), 0, "{transport:?}");
        for expected in ["1", "2", "3"] {
            assert_eq!(running.message().await, expected.into(), "{transport:?}");
        }
    }
}

/// EIO-SRV-137, EIO-SRV-138
#[tokio::test]
async fn messages_are_echoed_one_after_the_other() {
    let running = start_echo(Server::builder()).await;
    for transport in BOTH {
        let mut client = connect_on(running.addr, transport).await;
        for number in 0..3 {
            client.sender().send(number.to_string()).unwrap();
            assert_eq!(message(&mut client).await, number.to_string().into(), "{transport:?}");
        }
    }
}

/// EIO-SRV-162, EIO-SRV-163
#[tokio::test]
async fn headers_of_the_application_reach_the_server() {
    let mut running = start(Server::builder()).await;
    for transport in BOTH {
        let builder = builder(running.addr)
            .transports([transport])
            .header(http::HeaderName::from_static("x-custom"), http::HeaderValue::from_static("my-value"))
            .header(
                http::header::COOKIE,
                http::HeaderValue::from_static("user_session=NI2JlCKF90aE0sJZD9Zz"),
            );
        let _client = soon(builder.connect()).await.unwrap();
        let session = running.opened().await;
        assert_eq!(session.request().header("x-custom"), Some("my-value"), "{transport:?}");
        assert!(
            session.request().header("cookie").unwrap().starts_with("user_session=NI2J"),
            "{transport:?}"
        );
    }
}
