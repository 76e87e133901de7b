//! A client of one node, over a stream in memory. It acknowledges what it is asked, and checks the order of events.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use socketio_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

/// Violated invariants, and the number of answers that were checked for completeness.
#[derive(Clone, Default)]
pub(crate) struct Violations(Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>);

impl Violations {
    pub(crate) fn add(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    pub(crate) fn count_check(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn checks(&self) -> usize {
        self.1.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The newest event of each sender.
pub(crate) type Received = Arc<Mutex<HashMap<String, u64>>>;

pub(crate) struct Client {
    pub(crate) received: Received,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    pub(crate) fn open(server: &Server, name: &str, violations: &Violations) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        server.engine().connect(ours, ([127, 0, 0, 1], 1).into());
        let received = Received::default();
        let (events, name, violations) = (Arc::clone(&received), name.to_owned(), violations.clone());
        let task = tokio::spawn(async move {
            // The end of the stream is the end of the client.
            let _ = run(theirs, &name, &events, &violations).await;
        });
        Self { received, task }
    }
}

async fn run(
    mut stream: DuplexStream,
    name: &str,
    events: &Received,
    violations: &Violations,
) -> std::io::Result<()> {
    let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    loop {
        stream.read_u8().await?;
        let len = match stream.read_u8().await? {
            126 => usize::from(stream.read_u16().await?),
            short => usize::from(short),
        };
        let mut text = vec![0; len];
        stream.read_exact(&mut text).await?;
        let text = String::from_utf8_lossy(&text);
        if text.starts_with('0') {
            send(&mut stream, "40").await?;
        } else if text == "2" {
            send(&mut stream, "3").await?;
        } else if let Some(packet) = text.strip_prefix("42") {
            let id: String = packet.chars().take_while(char::is_ascii_digit).collect();
            if !id.is_empty() {
                send(&mut stream, &format!("43{id}[1]")).await?;
            }
            let packet: Vec<serde_json::Value> = serde_json::from_str(&packet[id.len()..])?;
            if packet[0] == "event" {
                let (sender, number) = (packet[1].as_str().unwrap(), packet[2].as_u64().unwrap());
                let before = events.lock().unwrap().insert(sender.to_owned(), number);
                if before.is_some_and(|before| before >= number) {
                    violations.add(format!("{name} received {number} of {sender} after {before:?}"));
                }
            }
        }
    }
}

/// A short text frame of a client, masked with zeros.
async fn send(stream: &mut DuplexStream, text: &str) -> std::io::Result<()> {
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    stream.write_all(&frame).await
}
