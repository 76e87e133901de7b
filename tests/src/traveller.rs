//! Clients that return to another server of a cluster, and traffic that shows what they have missed.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]
#![allow(missing_docs, clippy::missing_panics_doc, reason = "code of tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use socketio_server::{Args, Server};
use tokio::task::JoinHandle;

use crate::raw::{WebSocket, soon};

/// A client that keeps what it needs to return.
#[derive(Default)]
pub struct Traveller {
    /// The connection, unless it is lost.
    pub ws: Option<WebSocket>,
    pub sid: String,
    pub pid: String,
    /// The position of the last event.
    pub offset: String,
    /// The events that it has received.
    pub events: Vec<Value>,
}

impl Traveller {
    pub async fn connect(addr: SocketAddr) -> Self {
        let mut traveller = Self { ws: Some(open(addr).await), ..Self::default() };
        traveller.join("/", json!({})).await;
        traveller
    }

    /// A client that knows the same.
    pub fn copy(other: &Self) -> Self {
        let (sid, pid, offset) = (other.sid.clone(), other.pid.clone(), other.offset.clone());
        Self { sid, pid, offset, ..Self::default() }
    }

    /// Returns to a server. Returns whether it was recovered.
    pub async fn return_to(&mut self, addr: SocketAddr) -> bool {
        self.ws = Some(open(addr).await);
        self.join("/", json!({"pid": self.pid, "offset": self.offset})).await
    }

    pub async fn join(&mut self, namespace: &str, auth: Value) -> bool {
        let name = if namespace == "/" { String::new() } else { format!("{namespace},") };
        self.ws.as_mut().unwrap().send(&format!("40{name}{auth}")).await;
        loop {
            let text = self.ws.as_mut().unwrap().text().await;
            if let Some(confirmation) = text.strip_prefix(&format!("40{name}")) {
                let confirmation: Value = serde_json::from_str(confirmation).unwrap();
                let sid = confirmation["sid"].as_str().unwrap().to_owned();
                self.pid = confirmation["pid"].as_str().unwrap().to_owned();
                return std::mem::replace(&mut self.sid, sid) == self.sid;
            }
            self.received(&text);
        }
    }

    fn received(&mut self, text: &str) {
        if text == "2" {
            return;
        }
        let (event, offset) = event(text);
        self.events.push(event);
        self.offset = offset;
    }

    /// The next event.
    pub async fn next(&mut self) -> Value {
        let before = self.events.len();
        while self.events.len() == before {
            let text = self.ws.as_mut().unwrap().text().await;
            self.received(&text);
        }
        self.events.last().unwrap().clone()
    }
}

pub async fn open(addr: SocketAddr) -> WebSocket {
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws
}

/// The name and the arguments of an event, and its offset.
pub fn event(text: &str) -> (Value, String) {
    let event = text.strip_prefix("42").unwrap_or_else(|| panic!("no event: {text}"));
    let mut event: Vec<Value> = serde_json::from_str(event).unwrap();
    let offset = event.pop().unwrap().as_str().unwrap().to_owned();
    (event.into(), offset)
}

/// Events that two servers emit all the time: `event`, with the number of the sender and of the event.
pub struct Senders {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<u64>>,
}

impl Senders {
    pub fn start(servers: [&Server; 2]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let start = |sender: usize| {
            let (io, stop) = (servers[sender].clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut sent = 0;
                while !stop.load(Ordering::Relaxed) {
                    io.emit("event", &Args((sender, sent))).await.unwrap();
                    sent += 1;
                    tokio::task::yield_now().await;
                }
                sent
            })
        };
        let tasks = (0..2).map(start).collect();
        Self { stop, tasks }
    }

    /// Ends the events. Returns how many each server has sent.
    pub async fn end(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sent = Vec::new();
        for task in self.tasks {
            sent.push(soon(task).await.unwrap());
        }
        sent
    }
}

/// Checks that these events are each once and in order, and that none is missing behind the first one of each sender.
/// Returns the number behind the last one of each sender.
pub fn in_order(events: &[Value]) -> [u64; 2] {
    [0, 1].map(|sender| {
        let of_sender = events.iter().filter(|event| event[0] == "event" && event[1] == sender);
        let numbers: Vec<u64> = of_sender.map(|event| event[2].as_u64().unwrap()).collect();
        let Some(first) = numbers.first().copied() else { return 0 };
        let end = first + numbers.len() as u64;
        assert_eq!(numbers, Vec::from_iter(first..end), "of sender {sender}");
        end
    })
}
