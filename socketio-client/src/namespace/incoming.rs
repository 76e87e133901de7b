//! Incoming events and acknowledgements.

use engineio::Prepared;
use socketio_parser::RawArgs;

use super::NamespaceState;
use super::early::IncomingEvent;
use crate::error::{EmitError, ProtocolError};

impl<H> NamespaceState<H> {
    /// Handles an acknowledgement. One that no emit waits for is ignored. `true` if a queued event may be
    /// due.
    pub(crate) fn acknowledge(&self, id: u64, args: RawArgs) -> bool {
        let mut state = self.lock();
        match state.retry_queue.acknowledge(id, args) {
            Ok(completion) => {
                drop(state);
                if let Some(completion) = completion {
                    completion.send();
                }
                true
            }
            Err(args) => {
                let sender = state.acks.remove(&id);
                drop(state);
                if let Some(sender) = sender {
                    // The emit may have been dropped.
                    let _ = sender.send(Ok(args));
                }
                false
            }
        }
    }

    /// Handles an event. Returns it if the socket is connected, and keeps it if the confirmation is pending.
    pub(crate) fn receive(&self, event: IncomingEvent) -> Result<Option<IncomingEvent>, ProtocolError> {
        let mut state = self.lock();
        if state.is_joining() {
            state.early.push(event, &self.config)?;
            return Ok(None);
        }
        Ok(state.connection().is_some().then_some(event))
    }

    /// Notes the offset of an event for the recovery. Returns the number of the current attempt to join.
    pub(crate) fn note_event(&self, IncomingEvent { event, ack_id }: &IncomingEvent) -> u64 {
        let mut state = self.lock();
        // Servers append no offset to an event that requests an acknowledgement, and do not keep it.
        if ack_id.is_none() {
            state.note_offset(event.args());
        }
        state.attempts()
    }

    /// Sends an acknowledgement, unless the socket has left the namespace or lost the connection since the
    /// event arrived. Servers close the connection of a client that sends packets to a namespace that it has
    /// not joined.
    pub(crate) fn send_ack(&self, attempt: u64, message: Prepared) -> Result<(), EmitError> {
        let state = self.lock();
        let connection =
            state.connection().filter(|_| state.attempts() == attempt).ok_or(EmitError::Disconnected)?;
        Ok(connection.send(message)?)
    }
}
