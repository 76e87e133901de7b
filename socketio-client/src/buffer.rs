//! Events that wait for their namespace to be joined.

use std::collections::BTreeMap;

use engineio::Prepared;
use socketio_parser::Event;

use crate::config::Overflow;
use crate::error::EmitError;

/// One of them.
#[derive(Debug)]
pub(crate) struct Buffered {
    pub(crate) message: Prepared,
    pub(crate) ack_id: Option<u64>,
    /// For those who look at outgoing events, if there are any.
    pub(crate) event: Option<Event>,
}

/// Events in the order in which they were emitted. What is done for one of them does not depend on how many there are.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// By the number of the emit.
    waiting: BTreeMap<u64, Buffered>,
    next: u64,
    /// The numbers of those that wait for an answer, by its id.
    asking: BTreeMap<u64, u64>,
    bytes: usize,
}

impl Buffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn front(&self) -> Option<&Buffered> {
        self.waiting.first_key_value().map(|(_, first)| first)
    }

    pub(crate) fn pop(&mut self) -> Option<Buffered> {
        let (_, first) = self.waiting.pop_first()?;
        self.bytes -= first.message.wire_len();
        if let Some(id) = first.ack_id {
            self.asking.remove(&id);
        }
        Some(first)
    }

    /// Keeps an event, within the limit. Gives back those that had to make room.
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
            self.asking.insert(id, self.next);
        }
        self.waiting.insert(self.next, event);
        self.next += 1;
        Ok(dropped)
    }

    pub(crate) fn has(&self, ack_id: u64) -> bool {
        self.asking.contains_key(&ack_id)
    }

    /// Takes an event out that nobody waits for any more.
    pub(crate) fn forget(&mut self, ack_id: u64) {
        let number = self.asking.remove(&ack_id);
        if let Some(event) = number.and_then(|number| self.waiting.remove(&number)) {
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
    fn it_is_bounded_in_bytes() {
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
        buffer.forget(2);
        assert!(buffer.has(1) && !buffer.has(2));
        assert_eq!(buffer.pop().unwrap().ack_id, Some(1));
        assert_eq!(buffer.pop().unwrap().ack_id, Some(3));
        assert!(buffer.is_empty() && buffer.bytes == 0);
    }

    #[test]
    fn what_is_taken_out_anywhere_leaves_the_order_and_nothing_else() {
        let mut buffer = Buffer::default();
        for id in 0..100 {
            buffer.push(event(id), usize::MAX, Overflow::Refuse).unwrap();
        }
        for id in (0..100).filter(|id| id % 3 != 1).rev() {
            buffer.forget(id);
            buffer.forget(id);
            assert!(!buffer.has(id) && buffer.front().is_some());
        }
        let left: Vec<_> = std::iter::from_fn(|| buffer.pop()?.ack_id).collect();
        assert_eq!(left, Vec::from_iter((0..100).filter(|id| id % 3 == 1)));
        assert!(buffer.is_empty() && buffer.bytes == 0 && buffer.asking.is_empty());
        buffer.push(event(7), usize::MAX, Overflow::Refuse).unwrap();
        buffer.forget(7);
        assert!(buffer.is_empty() && buffer.pop().is_none());
    }
}
