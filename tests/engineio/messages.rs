//! Messages in both directions.

use std::time::Duration;

use bytes::Bytes;
use engineio::packet::Packet;
use engineio::{Message, PacketType, Server};
use tests::raw::{Request, ServerEvent, soon, start, start_echo, start_greeting};
use tokio::io::AsyncWriteExt;

/// EIO-PROTO-08, EIO-PROTO-13, EIO-SRV-110, EIO-SRV-115
#[tokio::test]
async fn text_is_exchanged_in_both_directions() {
    let running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    assert_eq!(client.post("4hello").await.both(), (200, "ok"));
    assert_eq!(client.poll().await, "4hello");
    let mut ws = running.websocket().await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
}

/// EIO-PROTO-09
#[tokio::test]
async fn a_payload_keeps_its_order() {
    let running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    assert_eq!(client.post("4test1\u{1e}4test2\u{1e}4test3").await.both(), (200, "ok"));
    assert_eq!(client.poll().await, "4test1\u{1e}4test2\u{1e}4test3");
}

/// EIO-PROTO-10, EIO-PROTO-14, EIO-SRV-121, EIO-SRV-122
#[tokio::test]
async fn binary_data_is_exchanged_in_both_directions() {
    let mut running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    assert_eq!(client.post("4hello\u{1e}bAQIDBA==").await.both(), (200, "ok"));
    assert_eq!(client.poll().await, "4hello\u{1e}bAQIDBA==");
    running.message().await;
    assert_eq!(running.message().await, Message::Binary(Bytes::from_static(&[1, 2, 3, 4])));
    let mut ws = running.websocket().await;
    ws.send_binary(&[1, 2, 3, 4]).await;
    assert_eq!(ws.binary().await, [1, 2, 3, 4]);
}

/// EIO-SRV-129
#[tokio::test]
async fn text_of_any_script_is_preserved() {
    let running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    for text in [".", "石室詩士施氏，嗜獅，誓食十獅。", "氏時時適市視獅。"] {
        client.post(format!("4{text}")).await;
        assert_eq!(client.poll().await, format!("4{text}"));
    }
}

/// EIO-SRV-111, EIO-SRV-116
#[tokio::test]
async fn messages_are_delivered_once_and_in_order_before_the_close() {
    let running = start_greeting(Server::builder(), |session| {
        session.send("a").unwrap();
        let session = session.clone();
        tokio::spawn(async move {
            session.drained().await.unwrap();
            session.send("b").unwrap();
            session.send("c").unwrap();
            session.close();
        });
    })
    .await;
    let client = running.polling().await;
    assert_eq!(client.poll().await, "4a");
    let mut rest = client.poll().await;
    while !rest.ends_with('1') {
        rest.push('\u{1e}');
        rest.push_str(&client.poll().await);
    }
    let messages: Vec<&str> = rest.split('\u{1e}').filter(|packet| packet.starts_with('4')).collect();
    assert_eq!(messages, ["4b", "4c"]);
    let mut ws = running.websocket().await;
    for message in ["4a", "4b", "4c"] {
        assert_eq!(ws.text().await, message);
    }
    assert_eq!(ws.closed().await, None);
}

/// EIO-SRV-124
#[tokio::test]
async fn a_large_post_in_many_segments_is_reassembled() {
    let mut running = start(Server::builder().max_payload(2_000_000)).await;
    let client = running.polling().await;
    let mut stream = tokio::net::TcpStream::connect(running.addr).await.unwrap();
    let body = format!("4{}", "a".repeat(1_000_000));
    let request = Request::new("POST", &client.target).body(&body).bytes();
    let sending = tokio::spawn(async move {
        for piece in request.chunks(10_000) {
            stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        tests::raw::Response::read(&mut stream).await
    });
    assert_eq!(running.message().await.len(), 1_000_000);
    assert_eq!(sending.await.unwrap().both(), (200, "ok"));
}

/// EIO-SRV-125
#[tokio::test]
async fn a_chunked_post_is_reassembled() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let mut stream = tokio::net::TcpStream::connect(running.addr).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n",
        client.target
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in ["2\r\n41\r\n", "1\r\n2\r\n", "1\r\n3\r\n", "0\r\n\r\n"] {
        stream.write_all(chunk.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(tests::raw::Response::read(&mut stream).await.both(), (200, "ok"));
    assert_eq!(running.message().await, Message::from("123"));
}

/// EIO-SRV-151
#[tokio::test]
async fn hooks_receive_packets_flushes_and_drains() {
    let mut running = start_echo(Server::builder()).await;
    let mut ws = running.websocket().await;
    ws.send("4a").await;
    let mut seen = Vec::new();
    running
        .find(|event| {
            match event {
                ServerEvent::Packet(packet) => {
                    assert_eq!(packet, Packet::Message("a".into()));
                    seen.push("packet".to_owned());
                }
                ServerEvent::Flush(kinds) if kinds == [PacketType::Message] => seen.push("flush".to_owned()),
                ServerEvent::Message(_, message) => seen.push(format!("message {}", message.len())),
                ServerEvent::Drain if seen.len() == 3 => return Some(()),
                _ => {}
            }
            None
        })
        .await;
    assert_eq!(seen, ["packet", "message 1", "flush"]);
}

/// EIO-SRV-128
#[tokio::test]
async fn a_hundred_large_messages_after_the_handshake_are_delivered() {
    let large = "a".repeat(65_000);
    let builder =
        Server::builder().ping_interval(Duration::from_millis(200)).ping_timeout(Duration::from_secs(20));
    let running = start_greeting(builder, move |session| {
        for _ in 0..100 {
            session.send(large.as_str()).unwrap();
        }
    })
    .await;
    let mut ws = running.websocket().await;
    let mut messages = 0;
    while messages < 100 {
        match ws.text().await.as_str() {
            "2" => ws.send("3").await,
            text => {
                assert_eq!(text.len(), 65_001);
                messages += 1;
            }
        }
    }
}

/// EIO-SRV-141, EIO-SRV-143, EIO-SRV-145, EIO-SRV-146
#[tokio::test]
async fn a_tracked_send_is_confirmed_when_it_is_written() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let session = running.opened().await;
    let confirmed: Vec<_> = (0..4).map(|_| session.send_tracked("a").unwrap()).collect();
    assert_eq!(client.poll().await, "4a\u{1e}4a\u{1e}4a\u{1e}4a");
    for sent in confirmed {
        soon(sent).await.unwrap();
    }
    let mut ws = running.websocket().await;
    let session = running.opened().await;
    let confirmed: Vec<_> = (0..4).map(|_| session.send_tracked("b").unwrap()).collect();
    for sent in confirmed {
        assert_eq!(ws.text().await, "4b");
        soon(sent).await.unwrap();
    }
    soon(session.drained()).await.unwrap();
    assert_eq!((session.queued_messages(), session.queued_bytes()), (0, 0));
}

/// EIO-SRV-032, EIO-SRV-033
#[tokio::test]
async fn invalid_bytes_after_an_upgrade_request_are_a_protocol_error() {
    let running = start_echo(Server::builder()).await;
    let bystander = running.polling().await;
    for sid in [String::new(), format!("&sid={}", running.polling().await.sid())] {
        let target = format!("/engine.io/?EIO=4&transport=websocket{sid}");
        let request =
            Request::new("GET", &target).header("upgrade", "websocket").header("connection", "Upgrade");
        let request = request
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let mut stream = tokio::net::TcpStream::connect(running.addr).await.unwrap();
        stream.write_all(&[request.bytes(), b"test".to_vec()].concat()).await.unwrap();
        assert_eq!(tests::raw::Response::read(&mut stream).await.status, 101);
    }
    bystander.post("4a").await;
    assert_eq!(bystander.poll().await, "4a");
}

/// A message and its attachments stay together when other senders interleave.
#[tokio::test]
async fn attachments_follow_their_text() {
    let mut running = start(Server::builder()).await;
    let mut ws = running.websocket().await;
    let session = running.opened().await;
    for number in 0..20u8 {
        let session = session.clone();
        tokio::spawn(async move {
            let mut text = engineio::TextBuf::with_capacity(8);
            text.buffer().extend_from_slice(number.to_string().as_bytes());
            session
                .send(text.finish_with([Bytes::from(vec![number]), Bytes::from(vec![number; 2])]))
                .unwrap();
        });
    }
    for _ in 0..20 {
        let number: u8 = ws.text().await[1..].parse().unwrap();
        assert_eq!(ws.binary().await, [number]);
        assert_eq!(ws.binary().await, [number; 2]);
    }
}

/// Heartbeats and the probes of an upgrade do not count as messages.
#[tokio::test]
async fn traffic_is_counted() {
    let running = start_echo(Server::builder().ping_interval(Duration::from_millis(200))).await;
    let client = running.polling().await;
    client.post("4four\u{1e}4six666").await;
    assert_eq!(client.poll().await, "4four\u{1e}4six666");
    let mut ws = running.websocket().await;
    ws.send_binary(&[1, 2, 3]).await;
    assert_eq!(ws.binary().await, [1, 2, 3]);
    // A heartbeat is a later turn of the session, so the previous traffic is counted.
    assert_eq!(ws.text().await, "2");
    let traffic = running.server.traffic();
    assert_eq!(traffic.opened, 2);
    assert_eq!((traffic.received.messages, traffic.received.bytes), (3, 4 + 6 + 3));
    // Each text frame has two bytes of header and one byte of type; the binary frame has no type.
    assert_eq!((traffic.sent.messages, traffic.sent.bytes), (3, 7 + 9 + 5));
}
