//! Events that arrive before the confirmation of CONNECT, limited in number and bytes.

use socketio_parser::Event;

use crate::config::Config;
use crate::error::ProtocolError;

/// Bytes that an event, or an attachment of it, counts beside its data.
const PER_EVENT: usize = 256;

const _: () = assert!(size_of::<IncomingEvent>() <= PER_EVENT);

/// Event from the server, with the id of the requested acknowledgement.
#[derive(Debug)]
pub(crate) struct IncomingEvent {
    pub(crate) event: Event,
    pub(crate) ack_id: Option<u64>,
}

/// Events in the order of their arrival. Empty unless the namespace is joining.
#[derive(Debug, Default)]
pub(super) struct EarlyEvents {
    events: Vec<IncomingEvent>,
    bytes: usize,
}

impl EarlyEvents {
    /// Appends an event, if the limits permit.
    pub(super) fn push(&mut self, event: IncomingEvent, config: &Config) -> Result<(), ProtocolError> {
        let bytes = self.bytes.saturating_add(memory(&event.event));
        if self.events.len() >= config.max_early_events || bytes > config.max_early_bytes {
            return Err(ProtocolError::EarlyEvents);
        }
        self.bytes = bytes;
        self.events.push(event);
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Takes all events.
    pub(super) fn take(&mut self) -> Vec<IncomingEvent> {
        std::mem::take(self).events
    }
}

/// Bytes of the name, the arguments and the attachments of an event.
pub(super) fn data_len(event: &Event) -> usize {
    let attached: usize = event.args().attachments().iter().map(|data| data.len()).sum();
    event.name().len() + event.args().as_bytes().len() + attached
}

/// Estimate of the memory of an event.
fn memory(event: &Event) -> usize {
    data_len(event) + PER_EVENT * (1 + event.args().attachments().len())
}

#[cfg(test)]
mod tests {
    use socketio_events::message;
    use socketio_parser::{Binary, Parser, ToArgs};

    use super::*;

    fn event(args: &impl ToArgs) -> IncomingEvent {
        IncomingEvent { event: message::to_event(Parser::Json, "early", args).unwrap(), ack_id: None }
    }

    fn is_refused(early: &mut EarlyEvents, event: IncomingEvent, config: &Config) -> bool {
        matches!(early.push(event, config), Err(ProtocolError::EarlyEvents))
    }

    #[test]
    fn early_events_are_limited_in_bytes() {
        let text = "x".repeat(1000);
        let counted = memory(&event(&text).event);
        assert!((1000 + PER_EVENT..1100 + PER_EVENT).contains(&counted), "{counted}");
        let config = Config { max_early_bytes: 3 * counted, ..Config::default() };
        let mut early = EarlyEvents::default();
        for _ in 0..3 {
            assert!(!is_refused(&mut early, event(&text), &config));
        }
        assert!(is_refused(&mut early, event(&0), &config), "the limit is reached");
        assert_eq!((early.bytes, early.events.len()), (3 * counted, 3), "a refused event is not held");
        assert_eq!(early.take().len(), 3);
        assert_eq!((early.bytes, early.events.capacity()), (0, 0));
        assert!(is_refused(&mut early, event(&"x".repeat(3 * counted)), &config));
    }

    #[test]
    fn attachments_of_early_events_count() {
        let config = Config { max_early_bytes: 4000 + 3 * PER_EVENT, ..Config::default() };
        let mut early = EarlyEvents::default();
        assert!(is_refused(&mut early, event(&Binary::from(vec![0; 4000 + PER_EVENT])), &config));
        assert!(!is_refused(&mut early, event(&Binary::from(vec![0; 4000])), &config));
        assert!((4000 + 2 * PER_EVENT..4100 + 2 * PER_EVENT).contains(&early.bytes), "{}", early.bytes);
    }

    #[test]
    fn early_events_are_limited_in_number() {
        let config = Config { max_early_events: 2, ..Config::default() };
        let mut early = EarlyEvents::default();
        assert!(!is_refused(&mut early, event(&1), &config) && !is_refused(&mut early, event(&2), &config));
        assert!(is_refused(&mut early, event(&3), &config));
    }
}
