//! Events that are sent until they are answered, one after the other.

use std::collections::VecDeque;
use std::time::Duration;

use socketio_parser::{Event, RawArgs};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::{AckError, EmitError};

/// Who waits for the answer to an event.
pub(crate) type Answer = oneshot::Sender<Result<RawArgs, AckError>>;

/// The events of one socket that have not been answered.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    event: Event,
    bytes: usize,
    timeout: Option<Duration>,
    tries: u32,
    flight: Option<Flight>,
    answer: Option<Answer>,
}

/// The first event is on its way.
#[derive(Debug)]
struct Flight {
    ack_id: u64,
    deadline: Option<Instant>,
}

impl Queue {
    /// Takes an event, of so many bytes.
    pub(crate) fn push(
        &mut self,
        event: Event,
        bytes: usize,
        timeout: Option<Duration>,
        answer: Option<Answer>,
        max: usize,
    ) -> Result<u64, EmitError> {
        if self.bytes + bytes > max {
            return Err(EmitError::Full);
        }
        let number = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.entries.push_back(Entry { number, event, bytes, timeout, tries: 0, flight: None, answer });
        Ok(number)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The event to send now, if there is one and it is not on its way.
    pub(crate) fn due(&self) -> Option<&Event> {
        self.entries.front().filter(|entry| entry.flight.is_none()).map(|entry| &entry.event)
    }

    /// The first event was sent, and asks for this answer.
    pub(crate) fn sent(&mut self, ack_id: u64, now: Instant) {
        if let Some(entry) = self.entries.front_mut() {
            entry.tries = entry.tries.saturating_add(1);
            let deadline = entry.timeout.and_then(|timeout| now.checked_add(timeout));
            entry.flight = Some(Flight { ack_id, deadline });
        }
    }

    /// An answer came. Gives it back if it is for none of these.
    pub(crate) fn answered(&mut self, ack_id: u64, args: RawArgs) -> Result<(), RawArgs> {
        let flight = self.entries.front().and_then(|entry| entry.flight.as_ref());
        if flight.is_none_or(|flight| flight.ack_id != ack_id) {
            return Err(args);
        }
        self.finish(Ok(args));
        Ok(())
    }

    /// The connection is gone: what was on its way is sent again on the next one. That is no try that failed.
    pub(crate) fn land(&mut self) {
        if let Some(entry) = self.entries.front_mut() {
            if entry.flight.take().is_some() {
                entry.tries = entry.tries.saturating_sub(1);
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.entries.front()?.flight.as_ref()?.deadline
    }

    /// An event whose answer is late is due again, or has been tried often enough and is given up.
    pub(crate) fn expire(&mut self, now: Instant, retries: u32) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        match self.entries.front_mut() {
            Some(entry) if entry.tries <= retries => entry.flight = None,
            _ => self.finish(Err(AckError::Timeout)),
        }
    }

    /// Nobody waits for this event any more. One that is on its way is not sent again.
    pub(crate) fn abandon(&mut self, number: u64) -> bool {
        // They are in the order of their numbers.
        let Ok(at) = self.entries.binary_search_by_key(&number, |entry| entry.number) else { return false };
        if let Some(entry) = self.entries.remove(at) {
            self.bytes -= entry.bytes;
        }
        at == 0
    }

    fn finish(&mut self, answer: Result<RawArgs, AckError>) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.bytes -= entry.bytes;
        if let Some(waiting) = entry.answer {
            // Whoever waited may have gone.
            let _ = waiting.send(answer);
        }
    }
}
