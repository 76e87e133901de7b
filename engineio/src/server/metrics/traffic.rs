//! The traffic of a server since its start.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The number of cells. Up to this many threads count without contention; further threads share cells.
const CELLS: usize = 16;

thread_local! {
    /// The cell of this thread, once it is assigned.
    static CELL: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The traffic of a server since its start. Heartbeats and other control packets do not count as messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Sessions opened.
    pub opened: u64,
    /// Messages received from clients.
    pub received: Flow,
    /// Messages written to clients.
    pub sent: Flow,
}

/// Messages in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow {
    /// The number of messages. A text with its attachments counts as one when sent, and as several when
    /// received.
    pub messages: u64,
    /// The bytes of the messages: of received ones the content, of sent ones their size on a WebSocket.
    pub bytes: u64,
}

impl Flow {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

/// Counters for many threads. Each thread adds to a cell of its own, so that threads do not contend.
#[derive(Debug, Default)]
pub(crate) struct Meters([CounterCell; CELLS]);

/// One cell, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct CounterCell {
    opened: AtomicU64,
    received_messages: AtomicU64,
    received_bytes: AtomicU64,
    sent_messages: AtomicU64,
    sent_bytes: AtomicU64,
}

impl Meters {
    pub(crate) fn add(&self, traffic: Traffic) {
        let cell = self.cell();
        let add = |counter: &AtomicU64, number: u64| {
            if number > 0 {
                counter.fetch_add(number, Ordering::Relaxed);
            }
        };
        add(&cell.opened, traffic.opened);
        add(&cell.received_messages, traffic.received.messages);
        add(&cell.received_bytes, traffic.received.bytes);
        add(&cell.sent_messages, traffic.sent.messages);
        add(&cell.sent_bytes, traffic.sent.bytes);
    }

    pub(crate) fn now(&self) -> Traffic {
        let sum = |counter: fn(&CounterCell) -> &AtomicU64| {
            self.0.iter().map(|cell| counter(cell).load(Ordering::Relaxed)).sum()
        };
        Traffic {
            opened: sum(|cell| &cell.opened),
            received: Flow {
                messages: sum(|cell| &cell.received_messages),
                bytes: sum(|cell| &cell.received_bytes),
            },
            sent: Flow { messages: sum(|cell| &cell.sent_messages), bytes: sum(|cell| &cell.sent_bytes) },
        }
    }

    fn cell(&self) -> &CounterCell {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = CELL.get().unwrap_or_else(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            CELL.set(Some(number));
            number
        });
        &self.0[number % CELLS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up() {
        let meters = Meters::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * CELLS {
                scope.spawn(|| {
                    let mut traffic = Traffic { opened: 1, ..Traffic::default() };
                    traffic.received.add(3);
                    traffic.received.add(4);
                    traffic.sent.add(5);
                    meters.add(traffic);
                });
            }
        });
        let threads = 2 * CELLS as u64;
        let now = meters.now();
        assert_eq!(now.opened, threads);
        assert_eq!(now.received, Flow { messages: 2 * threads, bytes: 7 * threads });
        assert_eq!(now.sent, Flow { messages: threads, bytes: 5 * threads });
    }
}
