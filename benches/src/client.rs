//! Clients on connections in memory: they open a session, and then push bytes that were laid out before.

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

    /// How many bytes arrived at all clients together.
    pub fn arrived(&self) -> usize {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Lets the server work until `bytes` more have arrived than `before`.
    pub async fn until(&self, before: usize, bytes: usize) {
        while self.arrived() - before < bytes {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.arrived() - before, bytes, "the server wrote something that nobody expects");
    }

    /// Pushes `bytes` from the first client, and returns how many bytes the server writes for it: once everything is
    /// quiet, there is nothing more to come.
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
