//! Counters of sessions, packets and bytes: the aggregated events of the statistics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use engineio::packet::Packet;
use engineio::prepared::PacketRef;
use engineio::sync::Mutex;
use engineio::{CloseReason, Observer, PacketType, Prepared, Session, Transport};
use serde::Serialize;

/// Counts what the sessions of a server do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    polling: AtomicUsize,
    opened: AtomicU64,
    closed: Mutex<BTreeMap<&'static str, u64>>,
    received: Direction,
    sent: Direction,
}

/// On a cache line of its own, as receivers and senders are different threads.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Direction {
    packets: AtomicU64,
    bytes: AtomicU64,
}

/// Events of one kind within an interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AggregatedEvent {
    /// Milliseconds since 1970.
    timestamp: u64,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<&'static str>,
    count: u64,
}

impl Traffic {
    /// Sessions that poll.
    pub(crate) fn polling(&self) -> usize {
        self.0.polling.load(Ordering::Relaxed)
    }

    /// The events since the last call.
    pub(crate) fn take(&self, timestamp: u64) -> Vec<AggregatedEvent> {
        let counters = &self.0;
        let counts = [
            ("rawConnection", &counters.opened),
            ("packetsIn", &counters.received.packets),
            ("bytesIn", &counters.received.bytes),
            ("packetsOut", &counters.sent.packets),
            ("bytesOut", &counters.sent.bytes),
        ];
        let event = |r#type, sub_type, count| AggregatedEvent { timestamp, r#type, sub_type, count };
        let counts = counts.map(|(name, counter)| event(name, None, counter.swap(0, Ordering::Relaxed)));
        let closed = std::mem::take(&mut *counters.closed.lock());
        let closed = closed.into_iter().map(|(reason, count)| event("rawDisconnection", Some(reason), count));
        counts.into_iter().chain(closed).filter(|event| event.count > 0).collect()
    }
}

impl Direction {
    /// Packets without data do not count, as for the official server.
    fn add(&self, bytes: usize) {
        if bytes > 0 {
            self.packets.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

impl Observer for Traffic {
    fn on_open(&self, session: &Session) {
        self.0.opened.fetch_add(1, Ordering::Relaxed);
        if session.transport() == Transport::Polling {
            self.0.polling.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn on_packet(&self, _: &Session, packet: &Packet) {
        let bytes = match packet {
            Packet::Message(message) => message.len(),
            Packet::Open(text) | Packet::Ping(text) | Packet::Pong(text) => text.as_bytes().len(),
            _ => 0,
        };
        self.0.received.add(bytes);
    }

    fn on_packet_create(&self, _: &Session, packet: &Prepared) {
        if packet.kind() != PacketType::Message {
            return;
        }
        for packet in packet.packets() {
            self.0.sent.add(match packet {
                // Without the digit of its type.
                PacketRef::Text(text) => text.len() - 1,
                PacketRef::Binary(binary) => binary.data().len(),
            });
        }
    }

    fn on_upgrade(&self, _: &Session, _: Transport) {
        self.0.polling.fetch_sub(1, Ordering::Relaxed);
    }

    fn on_close(&self, session: &Session, reason: CloseReason) {
        *self.0.closed.lock().entry(reason.as_str()).or_default() += 1;
        if session.transport() == Transport::Polling {
            self.0.polling.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
