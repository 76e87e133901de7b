//! A subscription: its queue, its connections, and the progress of its delivery.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::sync::Mutex;
use serde::Serialize;
use socketio_parser::ValueRef;
use socketio_server::Socket;
use tokio::sync::{Notify, watch};

use super::KeepOptions;
use crate::event::Event;

/// Estimated cost of an event besides its fields, in bytes.
const OVERHEAD: usize = 200;

pub(crate) struct Subscription {
    pub(super) service: String,
    pub(super) name: String,
    limits: Limits,
    state: Mutex<State>,
    /// Wakes the task that delivers.
    pub(super) work: Notify,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Copy)]
struct Limits {
    events: usize,
    bytes: usize,
    time: Duration,
}

#[derive(Default)]
struct State {
    /// The types; empty: all.
    types: Vec<String>,
    queue: VecDeque<KeptEvent>,
    bytes: usize,
    /// Number of the last event.
    last: u64,
    /// Number of dropped events that the service has not been told.
    dropped: u64,
    /// The connections; the first gets the events.
    sockets: VecDeque<Socket>,
    away_since: Option<Instant>,
    is_ended: bool,
}

/// An event in a queue.
#[derive(Clone)]
pub(super) struct KeptEvent {
    pub(super) number: u64,
    pub(super) event: Arc<Event>,
    size: usize,
    at: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Number of the last event that was acknowledged.
    acknowledged: u64,
    is_attended: bool,
    is_ended: bool,
}

/// Work of the task that delivers.
pub(super) enum Work {
    /// Nothing until the next wake-up.
    Wait,
    /// The subscription has ended.
    End,
    /// Tell the number of dropped events, and deliver the next ones.
    Deliver { socket: Socket, dropped: u64, events: Vec<KeptEvent> },
}

/// A subscription, as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    name: String,
    types: Vec<String>,
    connected: usize,
    kept: usize,
    bytes: usize,
    dropped: u64,
}

impl Subscription {
    pub(super) fn new(service: &str, name: &str, options: &KeepOptions) -> Self {
        Self {
            service: service.to_owned(),
            name: name.to_owned(),
            limits: Limits { events: options.events, bytes: options.bytes, time: options.time },
            state: Mutex::new(State { away_since: Some(Instant::now()), ..State::default() }),
            work: Notify::new(),
            progress: watch::Sender::default(),
        }
    }

    pub(super) fn has_type(&self, kind: &str) -> bool {
        let state = self.state.lock();
        state.types.is_empty() || state.types.iter().any(|known| known == kind)
    }

    pub(super) fn types(&self) -> Vec<String> {
        self.state.lock().types.clone()
    }

    pub(super) fn is_attended_by(&self, socket: &Socket) -> bool {
        self.state.lock().sockets.iter().any(|known| known.id() == socket.id())
    }

    /// Whether the connection has the subscription with other types: it would still be in their rooms.
    pub(super) fn has_other_types(&self, socket: &Socket, types: &[String]) -> bool {
        self.is_attended_by(socket) && self.state.lock().types != types
    }

    /// Adds a connection. Returns the number of events that are kept.
    pub(super) fn attend(&self, socket: &Socket, types: Vec<String>, now: Instant) -> usize {
        let mut state = self.state.lock();
        state.types = types;
        state.away_since = None;
        state.sockets.retain(|known| known.id() != socket.id());
        state.sockets.push_back(socket.clone());
        self.evict(&mut state, now);
        self.changed(&state);
        state.queue.len()
    }

    pub(super) fn leave(&self, id: &str, now: Instant) {
        let mut state = self.state.lock();
        state.sockets.retain(|socket| socket.id() != id);
        if state.sockets.is_empty() && state.away_since.is_none() {
            state.away_since = Some(now);
        }
        self.changed(&state);
    }

    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        *state = State { is_ended: true, ..State::default() };
        self.changed(&state);
    }

    pub(super) fn is_over(&self, now: Instant, time: Duration) -> bool {
        self.state.lock().away_since.is_some_and(|since| now.saturating_duration_since(since) > time)
    }

    pub(super) fn sockets(&self) -> usize {
        self.state.lock().sockets.len()
    }

    /// Adds an event, and returns its number.
    pub(super) fn push(&self, event: Arc<Event>, now: Instant) -> u64 {
        let size = size(&event);
        let mut state = self.state.lock();
        state.last += 1;
        let number = state.last;
        state.bytes += size;
        state.queue.push_back(KeptEvent { number, event, size, at: now });
        self.evict(&mut state, now);
        self.work.notify_one();
        number
    }

    /// Drops the oldest events beyond the limits.
    fn evict(&self, state: &mut State, now: Instant) {
        while let Some(oldest) = state.queue.front() {
            let is_old = now.saturating_duration_since(oldest.at) > self.limits.time;
            if !is_old && state.queue.len() <= self.limits.events && state.bytes <= self.limits.bytes {
                return;
            }
            state.bytes -= oldest.size;
            state.dropped += 1;
            state.queue.pop_front();
        }
    }

    /// Tells all that wait for this subscription.
    fn changed(&self, state: &State) {
        self.progress.send_modify(|progress| {
            progress.is_attended = !state.sockets.is_empty();
            progress.is_ended = state.is_ended;
        });
        self.work.notify_one();
    }

    pub(super) fn next(&self, most: usize) -> Work {
        let mut state = self.state.lock();
        if state.is_ended {
            return Work::End;
        }
        self.evict(&mut state, Instant::now());
        match state.sockets.front() {
            Some(socket) if state.dropped > 0 || !state.queue.is_empty() => Work::Deliver {
                socket: socket.clone(),
                dropped: state.dropped,
                events: state.queue.iter().take(most).cloned().collect(),
            },
            _ => Work::Wait,
        }
    }

    /// The service knows that this number of events was dropped.
    pub(super) fn told(&self, dropped: u64) {
        let mut state = self.state.lock();
        state.dropped = state.dropped.saturating_sub(dropped);
    }

    /// The service has acknowledged all events up to this one.
    pub(super) fn acknowledged(&self, number: u64) {
        let mut state = self.state.lock();
        while let Some(first) = state.queue.front().filter(|first| first.number <= number) {
            state.bytes -= first.size;
            state.queue.pop_front();
        }
        self.progress.send_modify(|progress| progress.acknowledged = progress.acknowledged.max(number));
    }

    /// The connection did not take the events: another one has the next attempt.
    pub(super) fn failed(&self, id: &str) {
        let mut state = self.state.lock();
        if state.sockets.front().is_some_and(|socket| socket.id() == id) {
            state.sockets.rotate_left(1);
        }
    }

    /// Waits until an event is acknowledged (`true`), or there is no connection (`false`).
    pub(super) async fn settled(&self, number: u64) -> bool {
        let mut progress = self.progress.subscribe();
        let settled =
            progress.wait_for(|now| now.acknowledged >= number || !now.is_attended || now.is_ended).await;
        settled.is_ok_and(|now| now.acknowledged >= number)
    }

    pub(super) fn summary(&self, now: Instant) -> Summary {
        let mut state = self.state.lock();
        self.evict(&mut state, now);
        Summary {
            name: self.name.clone(),
            types: state.types.clone(),
            connected: state.sockets.len(),
            kept: state.queue.len(),
            bytes: state.bytes,
            dropped: state.dropped,
        }
    }

    /// The types, the number of dropped events, and the events.
    pub(super) fn content(&self) -> (Vec<String>, u64, Vec<Arc<Event>>) {
        let state = self.state.lock();
        (state.types.clone(), state.dropped, state.queue.iter().map(|kept| Arc::clone(&kept.event)).collect())
    }

    /// The content that another process had.
    pub(super) fn restore(&self, types: Vec<String>, dropped: u64, events: Vec<Event>, now: Instant) {
        for event in events {
            self.push(Arc::new(event), now);
        }
        let mut state = self.state.lock();
        state.types = types;
        state.dropped += dropped;
    }
}

/// Size of an event in memory, about.
fn size(event: &Event) -> usize {
    let fields = event.fields.iter().map(|(name, value)| name.len() + of_value(value.view()));
    OVERHEAD + event.kind.name().len() + event.source.len() + fields.sum::<usize>()
}

fn of_value(value: ValueRef<'_>) -> usize {
    /// Cost of each part, with its place in the index of its value.
    const PART: usize = 16;
    let text = value.as_str().or_else(|| value.as_number()).map_or(0, str::len);
    let binary = value.as_binary().map_or(0, |binary| binary.0.len());
    let elements: usize = value.elements().map(of_value).sum();
    let entries: usize = value.entries().map(|(name, value)| name.len() + of_value(value)).sum();
    PART + text + binary + elements + entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(events: usize, bytes: usize) -> Subscription {
        let options = KeepOptions { events, bytes, time: Duration::from_secs(60), ..KeepOptions::default() };
        Subscription::new("chat", "main", &options)
    }

    fn event(content: &str) -> Arc<Event> {
        Arc::new(Event::new("x").with("content", content))
    }

    fn content(subscription: &Subscription) -> (u64, Vec<String>) {
        let (_, dropped, events) = subscription.content();
        (dropped, events.iter().map(|event| event.field("content").unwrap()).collect())
    }

    #[test]
    fn the_oldest_events_beyond_the_limits_are_dropped_and_counted() {
        let now = Instant::now();
        let few = subscription(2, usize::MAX);
        for content in ["a", "b", "c"] {
            few.push(event(content), now);
        }
        assert_eq!(content(&few), (1, vec!["b".to_owned(), "c".to_owned()]));
        let small = subscription(9, 2 * size(&event("a")));
        for content in ["a", "b", "c"] {
            small.push(event(content), now);
        }
        assert_eq!(content(&small), (1, vec!["b".to_owned(), "c".to_owned()]));
        small.push(event(&"x".repeat(1000)), now);
        assert_eq!((content(&small), small.state.lock().bytes), ((4, vec![]), 0), "larger than all");
        let old = subscription(9, usize::MAX);
        old.push(event("a"), now);
        old.push(event("b"), now + Duration::from_secs(61));
        assert_eq!(content(&old), (1, vec!["b".to_owned()]));
        old.told(1);
        assert_eq!(content(&old).0, 0);
    }

    #[tokio::test]
    async fn an_event_is_delivered_or_kept() {
        let kept = subscription(9, usize::MAX);
        let now = Instant::now();
        let numbers = ["a", "b", "c"].map(|content| kept.push(event(content), now));
        assert!(!kept.settled(numbers[0]).await, "there is no connection");
        kept.acknowledged(numbers[1]);
        assert!(kept.settled(numbers[0]).await && kept.settled(numbers[1]).await);
        assert!(!kept.settled(numbers[2]).await);
        assert_eq!(content(&kept), (0, vec!["c".to_owned()]));
        kept.end();
        assert!(!kept.settled(numbers[2]).await);
        assert!(matches!(kept.next(9), Work::End));
    }
}
