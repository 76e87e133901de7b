//! The end of a server in waves, and the pause of reading, with virtual time and connections in memory.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use websocket_rooms::{ConnectionOptions, Server, ServerOptions};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// One end of a connection in memory, and the status of the response.
async fn open(server: &Server) -> (DuplexStream, String) {
    let (mut near, far) = tokio::io::duplex(1024);
    let server = server.clone();
    tokio::spawn(async move { server.accept(far, None).await });
    near.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    (near, head.split(' ').nth(1).unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn connections_are_closed_evenly_over_the_time() {
    let server = Server::new(ServerOptions::default());
    let (tell, mut closed) = mpsc::unbounded_channel();
    for _ in 0..5 {
        let (mut ws, status) = open(&server).await;
        assert_eq!(status, "101");
        let tell = tell.clone();
        tokio::spawn(async move {
            let mut frame = [0; 4];
            ws.read_exact(&mut frame).await.unwrap();
            // A close frame with the code 1001, which the client answers.
            assert_eq!((frame[0], &frame[2..]), (0x88, &1001_u16.to_be_bytes()[..]));
            tell.send(Instant::now()).unwrap();
            ws.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
        });
    }
    while server.connections().len() < 5 {
        tokio::task::yield_now().await;
    }
    assert!(server.is_ready());
    let started = Instant::now();
    let draining = tokio::spawn({
        let server = server.clone();
        async move { server.drain(Duration::from_secs(8)).await }
    });
    for second in [0, 2, 4, 6, 8] {
        let at = closed.recv().await.unwrap() - started;
        assert_eq!(at.as_secs(), second);
        assert!(!server.is_ready());
        if second < 8 {
            assert_eq!(open(&server).await.1, "503");
        }
    }
    draining.await.unwrap();
}

/// While `max_unhandled` messages wait for the handlers nothing more is read, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn reading_pauses_while_messages_wait() {
    let connection = ConnectionOptions { max_unhandled: 2, ..ConnectionOptions::default() };
    let server = Server::new(ServerOptions { connection, ..ServerOptions::default() });
    let gate = Arc::new(Semaphore::new(0));
    let (tell, mut handled) = mpsc::unbounded_channel();
    let held = Arc::clone(&gate);
    server.on_message(move |_, _, message| {
        let (gate, tell) = (Arc::clone(&held), tell.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            let _ = tell.send(message.text().unwrap().to_owned());
        }
    });
    let (mut ws, _) = open(&server).await;
    let writing = tokio::spawn(async move {
        for number in 0..1000 {
            // A masked text frame of 105 bytes.
            let frame = [&[0x81, 0x80 + 99, 0, 0, 0, 0][..], format!("{number:099}").as_bytes()].concat();
            ws.write_all(&frame).await.unwrap();
        }
        ws
    });
    tokio::pin!(writing);
    // Virtual time passes when no task can go on.
    assert!(timeout(Duration::from_secs(1), &mut writing).await.is_err(), "all was read");
    gate.add_permits(1000);
    let _ws = writing.await.unwrap();
    for number in 0..1000 {
        assert_eq!(handled.recv().await.unwrap(), format!("{number:099}"));
    }
}
