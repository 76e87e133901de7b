//! The server retains nothing of clients that disappear without a close packet.
//!
//! The clients come in waves; at the end all counters of the server must be zero. The environment variable
//! `ABANDONED_CLIENTS` sets the total number of clients, 20,000 by default.

use std::net::SocketAddr;
use std::time::Duration;

use engineio::{Message, Server, Session, SlowConsumer, Stats, handler_fn};
use tests::raw::{Polling, Request, WebSocket};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Clients that are connected at the same time.
const WAVE: usize = 500;

/// One client, which disappears in the way that its number selects.
async fn disappear(addr: SocketAddr, number: usize) {
    let open = || Polling::open(addr, "/engine.io/?EIO=4&transport=polling");
    let websocket = || WebSocket::open(addr, "/engine.io/?EIO=4&transport=websocket");
    match number % 9 {
        // Disappears after a poll.
        0 => drop(open().await),
        // Disappears while a GET waits.
        1 => {
            let client = open().await;
            let mut stream = TcpStream::connect(addr).await.expect("the server listens");
            let request = Request::new("GET", &client.target).bytes();
            stream.write_all(&request).await.expect("the server reads");
        }
        // Disappears in the middle of a POST.
        2 => {
            let client = open().await;
            let mut stream = TcpStream::connect(addr).await.expect("the server listens");
            let head = format!("POST {} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n4a", client.target);
            stream.write_all(head.as_bytes()).await.expect("the server reads");
        }
        // Disappears in the middle of an upgrade, at three different points.
        3 => drop(open().await.probe().await),
        4 => {
            let mut probe = open().await.probe().await.expect("accepted");
            probe.send("2probe").await;
            probe.cut();
        }
        5 => {
            let mut probe = open().await.probe().await.expect("accepted");
            probe.send("2probe").await;
            probe.text().await;
            probe.cut();
        }
        // After the upgrade, and as a WebSocket from the start.
        6 => open().await.upgrade().await.cut(),
        7 => websocket().await.expect("accepted").cut(),
        // Requests a large amount of data and does not read it.
        _ => {
            let mut ws = websocket().await.expect("accepted");
            ws.send("4much").await;
            ws.cut();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_state_is_left_of_clients_that_disappear() {
    let clients =
        std::env::var("ABANDONED_CLIENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let short = Duration::from_secs(3);
    let builder = Server::builder().ping_interval(short).ping_timeout(short).upgrade_timeout(short);
    let server = builder
        .max_buffered(100_000, SlowConsumer::Disconnect)
        .build(|_: &Session| {
            handler_fn(|session: &Session, message: Message| {
                if message.as_bytes() == b"much" {
                    for _ in 0..10 {
                        let _ = session.send(vec![0; 5_000]);
                    }
                }
            })
        })
        .expect("valid settings");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener).await });

    let mut wave = JoinSet::new();
    for number in 0..clients {
        if wave.len() == WAVE {
            wave.join_next().await.expect("a client").expect("no client failed");
        }
        wave.spawn(disappear(addr, number));
    }
    while let Some(ended) = wave.join_next().await {
        ended.expect("no client failed");
    }
    // All deadlines together are far below this limit; with a leak the loop runs to its end.
    for _ in 0..600 {
        if server.stats() == Stats::default() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("left behind by {clients} clients: {:?}", server.stats());
}
