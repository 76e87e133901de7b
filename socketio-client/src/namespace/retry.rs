//! Retry queue: events that are sent one by one until they are acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use socketio_parser::{Event, RawArgs};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::{AckError, EmitError};

/// Sender of the result to the emit that waits for the acknowledgement.
pub(crate) type AckResultSender = oneshot::Sender<Result<RawArgs, AckError>>;

/// Result for the emit of a queued event. It is sent without the lock of the namespace, because that wakes a
/// task.
#[derive(Debug)]
#[must_use]
pub(crate) struct Completion {
    sender: AckResultSender,
    result: Result<RawArgs, AckError>,
}

impl Completion {
    pub(crate) fn send(self) {
        // The emit may have been dropped.
        let _ = self.sender.send(self.result);
    }
}

/// Events of one socket that are not acknowledged.
#[derive(Debug, Default)]
pub(crate) struct RetryQueue {
    entries: VecDeque<Entry>,
    bytes: usize,
    next: u64,
    retries: u32,
    /// Whether a lost connection is a failed try.
    counts_lost_connections: bool,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    event: Event,
    bytes: usize,
    timeout: Option<Duration>,
    tries: u32,
    /// Set while the event is sent and not acknowledged. Only the first entry may be in flight.
    in_flight: Option<InFlight>,
    result: Option<AckResultSender>,
}

/// Event that is sent and not acknowledged.
#[derive(Debug)]
struct InFlight {
    ack_id: u64,
    deadline: Option<Instant>,
}

impl RetryQueue {
    pub(crate) fn new(retries: u32, counts_lost_connections: bool) -> Self {
        Self { retries, counts_lost_connections, ..Self::default() }
    }

    /// Sets the number of retries, also of events in the queue.
    pub(crate) fn set_retries(&mut self, retries: u32) {
        self.retries = retries;
    }

    /// Appends an event that counts `bytes`. Returns its sequence number.
    pub(crate) fn push(
        &mut self,
        event: Event,
        bytes: usize,
        timeout: Option<Duration>,
        result: Option<AckResultSender>,
        max: usize,
    ) -> Result<u64, EmitError> {
        if self.bytes + bytes > max {
            return Err(EmitError::Full);
        }
        let number = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.entries.push_back(Entry { number, event, bytes, timeout, tries: 0, in_flight: None, result });
        Ok(number)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Event to send now: the first one, unless it is in flight.
    pub(crate) fn due(&self) -> Option<&Event> {
        self.entries.front().filter(|entry| entry.in_flight.is_none()).map(|entry| &entry.event)
    }

    /// Notes that the first event was sent with this acknowledgement id.
    pub(crate) fn set_sent(&mut self, ack_id: u64, now: Instant) {
        if let Some(entry) = self.entries.front_mut() {
            entry.tries = entry.tries.saturating_add(1);
            let deadline = entry.timeout.and_then(|timeout| now.checked_add(timeout));
            entry.in_flight = Some(InFlight { ack_id, deadline });
        }
    }

    /// Handles an acknowledgement. Returns it if it belongs to no event of the queue.
    pub(crate) fn acknowledge(&mut self, ack_id: u64, args: RawArgs) -> Result<Option<Completion>, RawArgs> {
        let in_flight = self.entries.front().and_then(|entry| entry.in_flight.as_ref());
        if in_flight.is_none_or(|in_flight| in_flight.ack_id != ack_id) {
            return Err(args);
        }
        Ok(self.finish(Ok(args)))
    }

    /// Handles the loss of the connection. The event in flight is sent again on the next connection, unless
    /// this was its last try. Returns the sender of an event that is dropped, which fails with the drop of
    /// it.
    pub(crate) fn reset_in_flight(&mut self) -> Option<AckResultSender> {
        let entry = self.entries.front_mut()?;
        entry.in_flight.take()?;
        if !self.counts_lost_connections {
            entry.tries = entry.tries.saturating_sub(1);
        } else if entry.tries > self.retries {
            let entry = self.entries.pop_front()?;
            self.bytes -= entry.bytes;
            return entry.result;
        }
        None
    }

    /// Deadline of the acknowledgement of the event in flight.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.entries.front()?.in_flight.as_ref()?.deadline
    }

    /// Handles a passed deadline: the event is due again, or fails after its last retry.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Completion> {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return None;
        }
        match self.entries.front_mut() {
            Some(entry) if entry.tries <= self.retries => {
                entry.in_flight = None;
                None
            }
            _ => self.finish(Err(AckError::Timeout)),
        }
    }

    /// Removes an event whose emit was dropped. An event in flight is not sent again. Returns whether it was
    /// the first, and its sender, to be dropped without the lock of the namespace.
    pub(crate) fn remove(&mut self, number: u64) -> (bool, Option<AckResultSender>) {
        // The entries are sorted by number.
        let Ok(at) = self.entries.binary_search_by_key(&number, |entry| entry.number) else {
            return (false, None);
        };
        let Some(entry) = self.entries.remove(at) else { return (false, None) };
        self.bytes -= entry.bytes;
        (at == 0, entry.result)
    }

    /// Removes the first event.
    fn finish(&mut self, result: Result<RawArgs, AckError>) -> Option<Completion> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.bytes;
        Some(Completion { sender: entry.result?, result })
    }
}
