//! Servers that answer as no real one does.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A server with these answers to published messages, by subject and subject for replies.
async fn fake(headers: bool, answer: fn(&str, &str) -> Vec<u8>) -> NatsDriver {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, headers, answer));
        }
    });
    NatsDriver::new(&Nats::open(&url).unwrap().timeout(Duration::from_millis(400)))
}

async fn serve(mut stream: TcpStream, headers: bool, answer: fn(&str, &str) -> Vec<u8>) -> Option<()> {
    stream.write_all(format!("INFO {{\"headers\":{headers}}}\r\n").as_bytes()).await.ok()?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|bytes| *bytes > 0)?;
        let parts: Vec<&str> = line.split_whitespace().collect();
        let reply = match parts[0] {
            "PING" => b"PONG\r\n".to_vec(),
            "PUB" | "HPUB" => {
                let length: usize = parts.last()?.parse().ok()?;
                stream.read_exact(&mut vec![0; length + 2]).await.ok()?;
                answer(parts[1], parts[2])
            }
            _ => Vec::new(),
        };
        stream.write_all(&reply).await.ok()?;
    }
}

fn message(subject: &str, subscription: u64, reply: &str, payload: &str) -> Vec<u8> {
    format!("MSG {subject} {subscription} {reply} {}\r\n{payload}\r\n", payload.len()).into_bytes()
}

const FOUND: &str = r#"{"created":"2026-11-30T19:03:49Z","state":{"first_seq":1,"last_seq":9},"name":"c",
    "config":{"subjects":["socket=2Eio.entries"],"max_msgs":10}}"#;

/// A JetStream that does not answer leaves its own commands without a reply, and neither others nor the connection.
#[tokio::test]
async fn a_silent_jetstream_does_not_affect_other_messages() {
    for answer in [
        |_: &str, _: &str| Vec::new(),
        |subject: &str, reply: &str| {
            if subject.contains("INFO") { message(reply, 1, "", FOUND) } else { Vec::new() }
        },
    ] {
        let mut commands = soon(fake(true, answer).await.commands()).await.unwrap();
        let publish = Command::Publish { channel: "a".to_owned(), payload: Bytes::from("x"), sharded: false };
        for _ in 0..2 {
            let replies = send(&mut commands, &[publish.clone(), append(10, "1"), publish.clone()]).await;
            assert_eq!(replies, [Reply::Nothing, Reply::Lost, Reply::Nothing]);
        }
    }
}

/// Answers that cannot be read are refusals.
#[tokio::test]
async fn answers_that_cannot_be_read_are_refused() {
    fn broken(subject: &str, reply: &str) -> Vec<u8> {
        if subject.contains("INFO") { message(reply, 1, "", FOUND) } else { message(reply, 1, "", "{") }
    }
    for (answer, reason) in [
        ((|_, reply| message(reply, 1, "", "x")) as fn(&str, &str) -> Vec<u8>, "cannot be read"),
        (|_, reply| message(reply, 1, "", "{}"), "was made for another purpose"),
        (|_, reply| message(reply, 1, "", r#"{"error":{"description":"so it is"}}"#), "JetStream: so it is"),
        (broken, "cannot be read"),
    ] {
        let mut commands = soon(fake(true, answer).await.commands()).await.unwrap();
        let replies = send(&mut commands, &[append(10, "1")]).await;
        assert!(refused(&replies[0]).contains(reason), "{replies:?}");
    }
}

/// A server without headers has no JetStream for us.
#[tokio::test]
async fn a_server_without_headers_is_asked_nothing() {
    let driver = fake(false, |subject, _| panic!("{subject}")).await;
    let mut commands = soon(driver.commands()).await.unwrap();
    let replies = send(&mut commands, &[append(10, "1")]).await;
    assert!(refused(&replies[0]).contains("turned headers off"), "{replies:?}");
}

/// A consumer that sends more than it was asked for, or something else, is given up.
#[tokio::test]
async fn a_consumer_may_not_send_more_than_it_was_asked_for() {
    fn answer(subject: &str, reply: &str) -> Vec<u8> {
        if !subject.contains("MSG.NEXT") {
            return message(reply, 1, "", FOUND);
        }
        (1..=100).flat_map(|number| message("s", 2, &format!("$JS.ACK.s.c.1.{number}.1.1.1"), "{}")).collect()
    }
    fn other(subject: &str, reply: &str) -> Vec<u8> {
        if subject.contains("MSG.NEXT") { message("s", 2, "", "{}") } else { answer(subject, reply) }
    }
    fn silent(subject: &str, reply: &str) -> Vec<u8> {
        if subject.contains("MSG.NEXT") { Vec::new() } else { answer(subject, reply) }
    }
    for (answer, reason) in [
        (answer as fn(&str, &str) -> Vec<u8>, "sends more than it was asked for"),
        (other, "sends what is no message of a stream"),
        (silent, "a consumer of JetStream does not answer"),
    ] {
        let mut reader =
            soon(fake(true, answer).await.entries(STREAM, Duration::from_millis(50))).await.unwrap();
        let error = soon(async {
            let mut after = "0-0".to_owned();
            loop {
                match reader.read(STREAM, &after, 5).await {
                    Ok(entries) => after = entries.last().map_or(after, |entry| entry.id.clone()),
                    Err(error) => return error.to_string(),
                }
            }
        })
        .await;
        assert!(error.contains(reason), "{error}");
    }
}

/// JetStream may choose a server that is gone for a consumer, and does not answer.
#[tokio::test]
async fn a_consumer_without_an_answer_is_made_again() {
    use std::sync::atomic::{AtomicU64, Ordering};

    static CREATED: AtomicU64 = AtomicU64::new(0);
    fn answer(subject: &str, reply: &str) -> Vec<u8> {
        if subject.contains("CONSUMER.CREATE") && CREATED.fetch_add(1, Ordering::Relaxed) < 2 {
            return Vec::new();
        }
        if subject.contains("MSG.NEXT") {
            return message("s", 2, "$JS.ACK.s.c.1.1.1.1.1", r#"{"nsp":"/"}"#);
        }
        message(reply, 1, "", FOUND)
    }
    let mut reader = soon(fake(true, answer).await.entries(STREAM, Duration::from_secs(5))).await.unwrap();
    let entries = soon(reader.read(STREAM, "0-0", 5)).await.unwrap();
    // The time of `FOUND`.
    assert_eq!(entries[0].id, "1796065429000-1");
}
