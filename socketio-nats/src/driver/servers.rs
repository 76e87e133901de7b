//! The servers of a NATS cluster: those of the settings, and those that a server has named.

use std::sync::atomic::{AtomicUsize, Ordering};

use engineio::sync::Mutex;

use crate::protocol::{Address, Info};

/// The known servers, and their limit of messages.
#[derive(Debug)]
pub(crate) struct Servers {
    configured: Vec<Address>,
    discovered: Mutex<Vec<Address>>,
    /// The limit of the server that has said it last; without one there is none.
    max_payload: AtomicUsize,
}

/// The order in which connections of one purpose are tried.
#[derive(Debug, Default)]
pub(super) struct Order(Mutex<Vec<Address>>);

impl Servers {
    pub(crate) fn new(configured: &[Address]) -> Self {
        Self {
            configured: configured.to_vec(),
            discovered: Mutex::default(),
            max_payload: AtomicUsize::new(usize::MAX),
        }
    }

    /// A server has said what it is, and which others there are.
    pub(super) fn learn(&self, info: &Info) {
        self.max_payload.store(info.max_payload, Ordering::Relaxed);
        self.discovered.lock().clone_from(&info.servers);
    }

    /// Maximum size of a message.
    pub(crate) fn max_payload(&self) -> usize {
        self.max_payload.load(Ordering::Relaxed)
    }

    /// Whether the settings name this server.
    #[cfg(feature = "tls")]
    pub(super) fn is_configured(&self, server: &Address) -> bool {
        self.configured.contains(server)
    }

    /// All known servers, each once, in a random order.
    fn shuffled(&self) -> Vec<Address> {
        let mut all = self.configured.clone();
        for server in &*self.discovered.lock() {
            if !all.contains(server) {
                all.push(server.clone());
            }
        }
        for at in (1..all.len()).rev() {
            all.swap(at, below(at + 1));
        }
        all
    }
}

impl Order {
    /// The next server. When all were taken, a new order begins.
    pub(super) fn next(&self, servers: &Servers) -> Option<Address> {
        let mut order = self.0.lock();
        if order.is_empty() {
            *order = servers.shuffled();
        }
        order.pop()
    }
}

/// A random number below this one, which is small; without random numbers the last.
fn below(end: usize) -> usize {
    let bits = getrandom::u32().unwrap_or(u32::MAX);
    usize::try_from(u64::from(bits) * end as u64 / (1 << 32)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_server_is_tried_before_one_is_tried_again() {
        let address = |text: &str| Address::parse(text).unwrap();
        let configured = [address("a"), address("b")];
        let servers = Servers::new(&configured);
        let order = Order::default();
        let take = |count: usize| -> HashSet<Address> {
            (0..count).map(|_| order.next(&servers).unwrap()).collect()
        };
        let first = order.next(&servers).unwrap();
        let info = br#"{"max_payload":5,"connect_urls":["b:4222","c:4222"]}"#;
        servers.learn(&Info::decode(info).unwrap());
        assert_eq!(servers.max_payload(), 5);
        let second = take(1);
        assert!(!second.contains(&first));
        assert_eq!(second.len(), 1, "the order is kept to its end");
        for _ in 0..10 {
            assert_eq!(take(3), HashSet::from([address("a"), address("b"), address("c")]));
        }
        // Servers that have left are forgotten.
        servers.learn(&Info::decode(b"{}").unwrap());
        assert_eq!(take(2), HashSet::from(configured));
        for end in 1..10 {
            assert!((0..100).all(|_| below(end) < end));
        }
    }
}
