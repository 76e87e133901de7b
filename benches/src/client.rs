//! Clients on connections in memory: they open a session, and then send prepared bytes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;

use engineio::Server;

use crate::samples::frame;
use crate::wire::{Meter, Wire};

/// The request that opens a session over WebSocket.
const OPEN: &str = "GET /%/?EIO=4&transport=websocket HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n\
    connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Many clients of one server, all connected.
pub struct Clients {
    wires: Vec<Wire>,
    arrived: Meter,
}

impl Clients {
    /// Opens `count` sessions below `path`, and for Socket.IO (`connect`) joins the namespace `/` with each.
    ///
    /// Has to be awaited on a runtime with one thread.
    pub async fn open(server: &Server, path: &str, count: usize, connect: bool) -> Self {
        let arrived = Meter::default();
        let wires: Vec<Wire> = (0..count).map(|_| Wire::new(&arrived)).collect();
        for wire in &wires {
            wire.keep(true);
            server.connect(wire.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
            wire.push(OPEN.replace('%', path).as_bytes());
            expect(wire, b"\"sid\"").await;
            if connect {
                wire.push(&frame(1, b"40"));
                expect(wire, b"40{").await;
            }
            wire.keep(false);
        }
        Self { wires, arrived }
    }

    /// One of the clients.
    pub fn wire(&self, index: usize) -> &Wire {
        &self.wires[index]
    }

    /// Total number of bytes that arrived at all clients.
    pub fn arrived(&self) -> usize {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Runs the server until `bytes` more than `before` have arrived.
    pub async fn until(&self, before: usize, bytes: usize) {
        while self.arrived() - before < bytes {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.arrived() - before, bytes, "the server wrote unexpected data");
    }

    /// Pushes `bytes` from the first client, and returns the number of bytes in the server's response; the
    /// response is complete when the server is idle.
    pub async fn answer_len(&self, bytes: &[u8]) -> usize {
        let before = self.arrived();
        self.wires[0].push(bytes);
        let mut quiet = 0;
        let mut seen = before;
        while quiet < 100 || seen == before {
            tokio::task::yield_now().await;
            quiet = if self.arrived() == seen { quiet + 1 } else { 0 };
            seen = self.arrived();
        }
        seen - before
    }
}

async fn expect(wire: &Wire, part: &[u8]) {
    let mut seen = Vec::new();
    while !seen.windows(part.len()).any(|window| window == part) {
        tokio::task::yield_now().await;
        seen.extend(wire.take());
    }
}
