//! A network with continuous faults, between a client with retries and a server that removes duplicates.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_client::{Args, Transport};
use socketio_server::{Ack, Arguments, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::{Running, builder, emptied, serve};

/// Number of faults.
const FAULTS: usize = 500;
/// Number of messages that are in flight or queued.
const WINDOW: usize = 20;
/// Time limit of the whole test; it ends when the faults are used up, after about a tenth of this time.
const LIMIT: Duration = Duration::from_secs(240);

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Both ends see the end of the connection, during any operation.
    Cut,
    /// No data is forwarded for a while.
    Stall,
    /// No data is forwarded any more, and neither end is notified.
    Silence,
    /// The server stops, and another one starts.
    Restart,
}

/// State shared by all connections of the proxy.
struct FaultyNetwork {
    /// Xorshift: the same faults in each run, as far as the network is the same.
    random: Mutex<u64>,
    faults: AtomicUsize,
    open: AtomicUsize,
    server: Mutex<Option<Running>>,
    make: Box<dyn Fn() -> Server + Send + Sync>,
}

impl FaultyNetwork {
    fn below(&self, limit: u64) -> u64 {
        let mut random = self.random.lock().unwrap();
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random % limit
    }

    /// The next fault, while there are any left.
    fn fault(&self) -> Option<Fault> {
        let used = self.faults.fetch_add(1, Ordering::Relaxed);
        (used < FAULTS).then(|| match self.below(100) {
            0..60 => Fault::Cut,
            60..93 => Fault::Stall,
            93..96 => Fault::Silence,
            _ => Fault::Restart,
        })
    }

    fn server(&self) -> SocketAddr {
        self.server.lock().unwrap().as_ref().unwrap().addr
    }

    async fn restart(&self) {
        let next = serve((self.make)(), "127.0.0.1:0".parse().unwrap()).await;
        drop(self.server.lock().unwrap().replace(next));
    }

    /// Forwards one connection until it ends or a fault ends it.
    async fn carry(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut server = TcpStream::connect(self.server()).await?;
        let (mut up, mut down) = ([0; 2048], [0; 2048]);
        let mut left = 100 + self.below(6000);
        loop {
            let (bytes, to) = tokio::select! {
                read = client.read(&mut up) => (&up[..read?], &mut server),
                read = server.read(&mut down) => (&down[..read?], &mut client),
            };
            if bytes.is_empty() {
                return Ok(());
            }
            let whole = u64::try_from(bytes.len()).unwrap();
            if whole < left {
                left -= whole;
                to.write_all(bytes).await?;
                continue;
            }
            let (before, after) = bytes.split_at(usize::try_from(left).unwrap());
            to.write_all(before).await?;
            match self.fault() {
                Some(Fault::Cut) => return Ok(()),
                Some(Fault::Stall) => tokio::time::sleep(Duration::from_millis(self.below(30))).await,
                Some(Fault::Silence) => {
                    // Until the client closes the connection.
                    while client.read(&mut up).await? > 0 {}
                    return Ok(());
                }
                Some(Fault::Restart) => {
                    self.restart().await;
                    return Ok(());
                }
                None => {}
            }
            to.write_all(after).await?;
            left = 100 + self.below(6000);
        }
    }
}

async fn proxy(network: Arc<FaultyNetwork>) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let network = Arc::clone(&network);
            network.open.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                // Failing connections are the purpose of this proxy.
                let _ = network.carry(client).await;
                network.open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    (addr, serving)
}

/// Sends numbered messages through faults until these are used up.
async fn traffic(transports: &[Transport], seed: u64) {
    let tasks_before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // The numbers of the handled messages: they outlive the servers, as in a database.
    let handled = Arc::new(Mutex::new(Vec::<u64>::new()));
    let record = Arc::clone(&handled);
    let make = move || {
        let heartbeat = Duration::from_millis(500);
        let io = Server::builder().ping_interval(heartbeat).ping_timeout(heartbeat).build().unwrap();
        let record = Arc::clone(&record);
        io.of("/").on("order", move |Arguments((number, _)): Arguments<(u64, String)>| {
            let mut record = record.lock().unwrap();
            let last = record.last().copied().unwrap_or(0);
            assert!(number <= last + 1, "{number} after {last}");
            if number > last {
                record.push(number);
            }
            async move { Ack(number) }
        });
        io
    };
    let network = Arc::new(FaultyNetwork {
        random: Mutex::new(seed),
        faults: AtomicUsize::new(0),
        open: AtomicUsize::new(0),
        server: Mutex::new(None),
        make: Box::new(make),
    });
    network.restart().await;
    let (addr, proxying) = proxy(Arc::clone(&network)).await;
    let manager = builder(addr)
        .transports(transports)
        .retries(1_000_000)
        .ack_timeout(Duration::from_secs(5))
        .connect_timeout(Duration::from_secs(1))
        .build();
    let socket = manager.socket("/");
    socket.connect();
    let mut number = 0;
    let mut waiting = JoinSet::new();
    while network.faults.load(Ordering::Relaxed) < FAULTS || !waiting.is_empty() {
        if network.faults.load(Ordering::Relaxed) < FAULTS && waiting.len() < WINDOW {
            number += 1;
            let (socket, order) = (socket.clone(), number);
            let size = usize::try_from(network.below(500)).unwrap();
            waiting.spawn(async move {
                let answer: u64 =
                    socket.emit_with_ack("order", &Args((order, "x".repeat(size)))).await.unwrap();
                assert_eq!(answer, order);
            });
            // Each message enters the queue in its order.
            tokio::task::yield_now().await;
            continue;
        }
        waiting.join_next().await.unwrap().unwrap();
    }
    assert_eq!(*handled.lock().unwrap(), (1..=number).collect::<Vec<_>>());
    assert_eq!(socket.queued(), 0);
    manager.close().await;
    drop((socket, manager));
    let server = network.server.lock().unwrap().take().unwrap();
    emptied(&server.io).await;
    proxying.abort();
    drop(server);
    // Nothing is left: neither connections nor tasks.
    loop {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        if network.open.load(Ordering::Relaxed) == 0 && tasks <= tasks_before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn every_message_is_handled_once_and_in_order_over_websocket() {
    tokio::time::timeout(LIMIT, traffic(&[Transport::WebSocket], 0x9e37_79b9_7f4a_7c15)).await.unwrap();
}

#[tokio::test]
async fn every_message_is_handled_once_and_in_order_with_upgrades() {
    let transports = [Transport::Polling, Transport::WebSocket];
    tokio::time::timeout(LIMIT, traffic(&transports, 0x2545_f491_4f6c_dd1d)).await.unwrap();
}

#[tokio::test]
async fn every_message_is_handled_once_and_in_order_over_polling() {
    tokio::time::timeout(LIMIT, traffic(&[Transport::Polling], 0x1234_5678_9abc_def1)).await.unwrap();
}
