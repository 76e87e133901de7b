//! The packets that wait for a relayed WebSocket.

use std::sync::Arc;

use super::packets::prepared;
use crate::close_reason::Fault;
use crate::config::SlowConsumer;
use crate::error::SendError;
use crate::outbox::Outbox;
use crate::outbox::budget::Budget;
use crate::protocol::packet::Packet;
use crate::sync::Mutex;

/// The packets that wait for a relayed WebSocket.
pub(crate) struct RelayedSocket {
    /// Bounded, and counted in the memory of the server, as the outbox of a session. A packet that does not
    /// fit ends the relay.
    pub(crate) outbox: Outbox,
    fault: Mutex<Option<Fault>>,
}

impl RelayedSocket {
    /// At most `limit` bytes wait for the client.
    pub(crate) fn new(limit: usize, budget: &Arc<Budget>) -> Self {
        let outbox = Outbox::within(limit, SlowConsumer::Disconnect, Arc::clone(budget));
        Self { outbox, fault: Mutex::default() }
    }

    pub(super) fn push(&self, packets: Vec<Packet>) {
        for packet in packets {
            match packet {
                // The WebSocket is closed behind the packets before it.
                Packet::Close => {
                    self.outbox.drain();
                    self.outbox.rouse();
                }
                // The end of a GET that this WebSocket has replaced.
                Packet::Noop => {}
                packet => {
                    if matches!(
                        self.outbox.push(prepared(packet)),
                        Err(SendError::Full | SendError::ServerFull)
                    ) {
                        return self.cut(Fault::SlowConsumer);
                    }
                }
            }
        }
    }

    /// Ends the relay in its next turn.
    pub(super) fn cut(&self, fault: Fault) {
        self.fault.lock().get_or_insert(fault);
        self.outbox.rouse();
    }

    /// The fault that ends the relay: the link to the owner is lost, or the client reads too slowly.
    pub(crate) fn fault(&self) -> Option<Fault> {
        *self.fault.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_beyond_the_limit_end_the_relay() {
        let socket = RelayedSocket::new(1000, &Arc::new(Budget::new(usize::MAX)));
        socket.push(vec![Packet::Message(vec![0; 500].into())]);
        assert_eq!(socket.fault(), None);
        socket.push(vec![Packet::Message(vec![0; 500].into())]);
        assert_eq!(socket.fault(), Some(Fault::SlowConsumer));
    }
}
