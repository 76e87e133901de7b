//! Ids of events that a service has handled.

use std::collections::{HashSet, VecDeque};

use crate::event::Event;

/// The ids of the last events, for a handler that must not handle an event twice.
///
/// ```
/// use service_bus::{Event, SeenIds};
///
/// let mut seen = SeenIds::new(10_000);
/// let mut event = Event::new("order:paid");
/// event.id = Some("7".to_owned());
/// assert!(seen.is_new(&event));
/// assert!(!seen.is_new(&event), "it was sent again");
/// ```
#[derive(Clone, Debug)]
pub struct SeenIds {
    ids: HashSet<String>,
    order: VecDeque<String>,
    most: usize,
}

impl SeenIds {
    /// Remembers this number of ids. Cost: about 150 bytes for each.
    pub fn new(most: usize) -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new(), most }
    }

    /// Remembers the id of an event, and returns whether it is new. Events without an id are always new.
    pub fn is_new(&mut self, event: &Event) -> bool {
        let Some(id) = &event.id else { return true };
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id.clone());
        while self.order.len() > self.most {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_ids_are_forgotten() {
        let event = |id: &str| Event { id: Some(id.to_owned()), ..Event::new("x") };
        let mut seen = SeenIds::new(2);
        assert!(["a", "b", "c"].iter().all(|id| seen.is_new(&event(id))));
        assert!(!seen.is_new(&event("b")) && !seen.is_new(&event("c")));
        assert!(seen.is_new(&event("a")));
        assert_eq!((seen.ids.len(), seen.order.len()), (2, 2));
        assert!(seen.is_new(&Event::new("x")) && seen.is_new(&Event::new("x")));
    }
}
