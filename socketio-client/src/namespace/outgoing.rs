//! Outgoing events: sent at once, buffered until the socket is connected, or queued for retries.
//!
//! The connection's outbox is filled under the lock of the namespace, so that the order of packets is the
//! order of transitions. That wakes the connection's task, which is a task of tokio: its waker runs no code
//! of the application. Results of emits are sent without the lock, because they wake tasks of the
//! application.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engineio::{Prepared, SendError};
use socketio_events::message;
use socketio_parser::{EncodeError, Event, RawArgs};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::NamespaceState;
use super::buffer::Buffered;
use super::early::data_len;
use super::retry::AckResultSender;
use super::state::State;
use crate::error::{AckError, EmitError};

impl<H> NamespaceState<H> {
    pub(crate) fn allocate_ack_id(&self) -> u64 {
        self.next_ack_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Acknowledgement id of the next event.
    pub(crate) fn following_ack_id(&self) -> u64 {
        self.next_ack_id.load(Ordering::Relaxed)
    }

    /// Registers an emit that waits for its acknowledgement.
    pub(crate) fn expect_ack(
        &self,
        id: u64,
    ) -> Result<oneshot::Receiver<Result<RawArgs, AckError>>, AckError> {
        let mut state = self.lock();
        if state.acks.len() >= self.config.max_pending_acks {
            return Err(AckError::TooMany);
        }
        let (sender, result) = oneshot::channel();
        state.acks.insert(id, sender);
        Ok(result)
    }

    /// Removes an emit that does not wait any more, and its event if it has not been sent.
    pub(crate) fn cancel_ack(&self, id: u64) {
        let mut state = self.lock();
        let sender = state.acks.remove(&id);
        state.buffer.remove(id);
        drop(state);
        drop(sender);
    }

    pub(crate) fn has_outgoing_listeners(&self) -> bool {
        !self.outgoing_listeners().is_empty()
    }

    /// Sends an event at once, or buffers it until the socket is connected.
    pub(crate) fn send(
        &self,
        message: Prepared,
        ack_id: Option<u64>,
        volatile: bool,
        event: Option<Event>,
    ) -> Result<(), EmitError> {
        let state = self.lock();
        let in_order = state.buffer.is_empty();
        let sent = match state.live_connection() {
            Some(connection) if volatile => in_order && connection.send_volatile(message).unwrap_or(false),
            None if volatile => false,
            Some(connection) if in_order => match connection.send(message.clone()) {
                Ok(()) => true,
                // The connection has just ended, and the task has not handled that yet.
                Err(SendError::Closed) => return self.buffer(state, Buffered { message, ack_id, event }),
                Err(error) => return Err(error.into()),
            },
            _ => return self.buffer(state, Buffered { message, ack_id, event }),
        };
        drop(state);
        if sent {
            self.notify_outgoing(event.as_ref());
        }
        Ok(())
    }

    fn buffer(&self, mut state: MutexGuard<'_, State>, event: Buffered) -> Result<(), EmitError> {
        let dropped = state.buffer.push(event, self.config.max_buffered, self.config.overflow)?;
        let ids = dropped.into_iter().filter_map(|event| event.ack_id);
        let senders: Vec<_> = ids.filter_map(|id| state.acks.remove(&id)).collect();
        drop(state);
        for sender in senders {
            // The emit may have been dropped.
            let _ = sender.send(Err(AckError::Dropped));
        }
        Ok(())
    }

    fn notify_outgoing<'a>(&self, events: impl IntoIterator<Item = &'a Event>) {
        for event in events {
            let listeners = self.outgoing_listeners().clone();
            listeners.calls().for_each(|listener| listener(event.name(), event.args()));
        }
    }

    /// Appends an event to the retry queue. Returns its sequence number.
    pub(crate) fn enqueue(
        &self,
        event: Event,
        timeout: Option<Duration>,
        result: Option<AckResultSender>,
    ) -> Result<u64, EmitError> {
        let bytes = data_len(&event);
        let number = self.lock().retry_queue.push(event, bytes, timeout, result, self.config.max_buffered)?;
        self.flush();
        Ok(number)
    }

    /// Removes an event from the retry queue. `true` if another event may be due.
    pub(crate) fn dequeue(&self, number: u64) -> bool {
        let (was_first, sender) = self.lock().retry_queue.remove(number);
        drop(sender);
        if was_first {
            self.flush();
        }
        was_first
    }

    /// Sends buffered and queued events, as far as the connection accepts them. `true` if its outbox is full.
    pub(crate) fn flush(&self) -> bool {
        let mut sent = Vec::new();
        let mut state = self.lock();
        let outbox_full = self.send_pending(&mut state, &mut sent);
        drop(state);
        self.notify_outgoing(&sent);
        outbox_full
    }

    fn send_pending(&self, state: &mut State, sent: &mut Vec<Event>) -> bool {
        let Some(connection) = state.live_connection().cloned() else { return false };
        while let Some(first) = state.buffer.front() {
            match connection.send(first.message.clone()) {
                Ok(()) => sent.extend(state.buffer.pop().and_then(|buffered| buffered.event)),
                Err(error) => return error == SendError::Full,
            }
        }
        let Some(event) = state.retry_queue.due() else { return false };
        let id = self.allocate_ack_id();
        let Ok(packet) = self.event_message(id, event) else {
            // Unreachable: the event was encoded when it was emitted.
            return false;
        };
        match connection.send(packet) {
            Ok(()) => {
                sent.push(event.clone());
                state.retry_queue.set_sent(id, Instant::now());
                false
            }
            Err(error) => error == SendError::Full,
        }
    }

    /// A queued event as the message that is sent.
    pub(crate) fn event_message(&self, ack_id: u64, event: &Event) -> Result<Prepared, EncodeError> {
        self.config
            .encode(|parser| message::event(parser, &self.name, Some(ack_id), event.name(), event.args()))
    }

    /// Deadline of the acknowledgement of the queued event in flight.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.lock().retry_queue.deadline()
    }

    /// Handles a passed deadline: the queued event is due again, or fails.
    pub(crate) fn expire(&self, now: Instant) {
        let completion = self.lock().retry_queue.expire(now);
        if let Some(completion) = completion {
            completion.send();
        }
    }
}
