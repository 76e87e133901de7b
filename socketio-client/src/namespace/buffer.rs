//! Buffer of events that were emitted while the socket is not connected.

use std::collections::BTreeMap;

use engineio::Prepared;
use socketio_parser::Event;

use crate::config::Overflow;
use crate::error::EmitError;

/// Buffered event.
#[derive(Debug)]
pub(crate) struct Buffered {
    pub(crate) message: Prepared,
    pub(crate) ack_id: Option<u64>,
    /// Decoded event for the listeners of outgoing events. `None` if there are none.
    pub(crate) event: Option<Event>,
}

/// Events in the order of their emits. Each operation on one event takes logarithmic time.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// By sequence number.
    events: BTreeMap<u64, Buffered>,
    next: u64,
    /// Sequence numbers of the events that wait for an acknowledgement, by its id.
    by_ack_id: BTreeMap<u64, u64>,
    bytes: usize,
}

impl Buffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn front(&self) -> Option<&Buffered> {
        self.events.first_key_value().map(|(_, first)| first)
    }

    pub(crate) fn pop(&mut self) -> Option<Buffered> {
        let (_, first) = self.events.pop_first()?;
        self.bytes -= first.message.wire_len();
        if let Some(id) = first.ack_id {
            self.by_ack_id.remove(&id);
        }
        Some(first)
    }

    /// Appends an event, if the limit permits. Returns the events that were dropped in favour of it.
    pub(crate) fn push(
        &mut self,
        event: Buffered,
        max: usize,
        overflow: Overflow,
    ) -> Result<Vec<Buffered>, EmitError> {
        let len = event.message.wire_len();
        let mut dropped = Vec::new();
        if len > max || (overflow == Overflow::Refuse && self.bytes + len > max) {
            return Err(EmitError::Full);
        }
        while self.bytes + len > max {
            dropped.extend(self.pop());
        }
        self.bytes += len;
        if let Some(id) = event.ack_id {
            self.by_ack_id.insert(id, self.next);
        }
        self.events.insert(self.next, event);
        self.next += 1;
        Ok(dropped)
    }

    pub(crate) fn has(&self, ack_id: u64) -> bool {
        self.by_ack_id.contains_key(&ack_id)
    }

    /// Removes the event with this acknowledgement id, if it is still here.
    pub(crate) fn remove(&mut self, ack_id: u64) {
        let number = self.by_ack_id.remove(&ack_id);
        if let Some(event) = number.and_then(|number| self.events.remove(&number)) {
            self.bytes -= event.message.wire_len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(ack_id: u64) -> Buffered {
        Buffered { message: Prepared::text("12345678"), ack_id: Some(ack_id), event: None }
    }

    #[test]
    fn the_buffer_is_limited_in_bytes() {
        let len = event(0).message.wire_len();
        let mut buffer = Buffer::default();
        for id in 0..3 {
            assert!(buffer.push(event(id), 3 * len, Overflow::Refuse).unwrap().is_empty());
        }
        assert!(matches!(buffer.push(event(3), 3 * len, Overflow::Refuse), Err(EmitError::Full)));
        let dropped = buffer.push(event(3), 3 * len, Overflow::DropOldest).unwrap();
        assert_eq!(dropped.iter().map(|event| event.ack_id).collect::<Vec<_>>(), [Some(0)]);
        assert!(matches!(buffer.push(event(4), len - 1, Overflow::DropOldest), Err(EmitError::Full)));
        assert_eq!(buffer.bytes, 3 * len);
        buffer.remove(2);
        assert!(buffer.has(1) && !buffer.has(2));
        assert_eq!(buffer.pop().unwrap().ack_id, Some(1));
        assert_eq!(buffer.pop().unwrap().ack_id, Some(3));
        assert!(buffer.is_empty() && buffer.bytes == 0);
    }

    #[test]
    fn removals_at_any_position_keep_the_order_of_the_others() {
        let mut buffer = Buffer::default();
        for id in 0..100 {
            buffer.push(event(id), usize::MAX, Overflow::Refuse).unwrap();
        }
        for id in (0..100).filter(|id| id % 3 != 1).rev() {
            buffer.remove(id);
            buffer.remove(id);
            assert!(!buffer.has(id) && buffer.front().is_some());
        }
        let remaining: Vec<_> = std::iter::from_fn(|| buffer.pop()?.ack_id).collect();
        assert_eq!(remaining, Vec::from_iter((0..100).filter(|id| id % 3 == 1)));
        assert!(buffer.is_empty() && buffer.bytes == 0 && buffer.by_ack_id.is_empty());
        buffer.push(event(7), usize::MAX, Overflow::Refuse).unwrap();
        buffer.remove(7);
        assert!(buffer.is_empty() && buffer.pop().is_none());
    }
}
