//! Events that are kept for services that are away.
//!
//! A service subscribes to event types under a name. From then on the events of these types that are for the service are
//! delivered in order, one by one, each with an acknowledgement, to one of its connections. Without a connection
//! they are kept within limits; the oldest are dropped, and the returning service gets their number.

mod deliver;
mod file;
mod subscription;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::sync::Mutex;
use serde::Serialize;
use socketio_server::Socket;

pub(crate) use self::subscription::{Subscription, Summary};
use crate::command::CommandError;
use crate::event::Event;
use crate::names::MAX_NAME;

/// Prefix of the rooms of sockets that get the events of a type by a subscription, and not at once. A room without a
/// type is for all types.
pub(crate) const ROOM: &str = "bus:kept";
/// Maximum number of event types of a subscription.
const MAX_TYPES: usize = 100;

/// Limits of the events that are kept.
#[derive(Clone, Debug)]
pub struct KeepOptions {
    /// Maximum number of events per subscription. Default 10,000. Cost: the memory of the events.
    pub events: usize,
    /// Maximum size of the events per subscription, in bytes. Default 8,388,608 (8 MiB). Cost: as much memory for each
    /// subscription at most.
    pub bytes: usize,
    /// Time for which an event is kept, and a subscription without a connection. Default 1 hour.
    pub time: Duration,
    /// Maximum number of subscriptions of all services. Default 128.
    pub subscriptions: usize,
    /// File in which a bus that stops saves the events, for its next start. Default none: they are lost with the process.
    pub file: Option<PathBuf>,
}

impl Default for KeepOptions {
    fn default() -> Self {
        Self {
            events: 10_000,
            bytes: 8 << 20,
            time: Duration::from_secs(3600),
            subscriptions: 128,
            file: None,
        }
    }
}

/// Answer to a service that subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Subscribed {
    /// Whether the bus did not know the subscription: it has kept nothing.
    is_new: bool,
    /// The number of events that are kept.
    kept: usize,
}

/// Number of subscriptions that an event was delivered to, and for which it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) delivered: usize,
    pub(crate) kept: usize,
}

/// An event in the queues of its subscriptions.
#[derive(Default)]
pub(crate) struct Queued(Vec<(Arc<Subscription>, u64)>);

type Key = (String, String);

/// All subscriptions. Clones share them.
#[derive(Clone)]
pub(crate) struct Kept {
    by_name: Arc<Mutex<BTreeMap<Key, Arc<Subscription>>>>,
    options: Arc<KeepOptions>,
}

impl Kept {
    pub(crate) fn new(options: KeepOptions) -> Self {
        Self { by_name: Arc::default(), options: Arc::new(options) }
    }

    /// Subscribes a socket of a service. The subscription has these types from now on; none: all types.
    pub(crate) fn subscribe(
        &self,
        socket: &Socket,
        service: &str,
        name: &str,
        types: Vec<String>,
    ) -> Result<Subscribed, CommandError> {
        let fits = |name: &str| (1..=MAX_NAME).contains(&name.len());
        if !fits(name) || types.len() > MAX_TYPES || !types.iter().all(|kind| fits(kind)) {
            let message =
                format!("a name has 1 to {MAX_NAME} bytes, and a subscription at most {MAX_TYPES} types");
            return Err(CommandError::Invalid(message));
        }
        let key = (service.to_owned(), name.to_owned());
        let mut by_name = self.by_name.lock();
        let now = Instant::now();
        by_name.retain(|known, subscription| {
            let stays = *known == key || !subscription.is_over(now, self.options.time);
            if !stays {
                subscription.end();
            }
            stays
        });
        let known = by_name.get(&key).map(Arc::clone);
        let is_new = known.is_none();
        let subscription = match known {
            Some(known) => known,
            None if by_name.len() >= self.options.subscriptions => {
                return Err(CommandError::TooMany("subscriptions"));
            }
            None => {
                let made = Arc::new(Subscription::new(service, name, &self.options));
                by_name.insert(key, Arc::clone(&made));
                deliver::start(Arc::clone(&made));
                made
            }
        };
        drop(by_name);
        if subscription.has_other_types(socket, &types) {
            let message = "the subscription has other types: unsubscribe first".to_owned();
            return Err(CommandError::Invalid(message));
        }
        socket.join(rooms(&types));
        let kept = subscription.attend(socket, types, now);
        if !socket.is_connected() {
            // Its disconnect may have been handled before.
            subscription.leave(socket.id(), now);
        }
        Ok(Subscribed { is_new, kept })
    }

    /// Ends a subscription, and forgets its events.
    pub(crate) fn unsubscribe(&self, socket: &Socket, service: &str, name: &str) {
        let ended = self.by_name.lock().remove(&(service.to_owned(), name.to_owned()));
        if let Some(ended) = ended {
            rooms(&ended.types()).iter().for_each(|room| socket.leave(room));
            ended.end();
            // Another subscription of the socket may have some of the types.
            for other in self.of(|of| of == service) {
                if other.is_attended_by(socket) {
                    socket.join(rooms(&other.types()));
                }
            }
        }
    }

    /// Records the disconnect of a socket of a service.
    pub(crate) fn leave(&self, service: &str, id: &str) {
        let now = Instant::now();
        for subscription in self.of(|of| of == service) {
            subscription.leave(id, now);
        }
    }

    /// Adds an event to the subscriptions of some services.
    pub(crate) fn keep(&self, event: &Event, is_for: impl Fn(&str) -> bool) -> Queued {
        let subscribed: Vec<_> =
            self.of(is_for).into_iter().filter(|it| it.has_type(event.kind.name())).collect();
        if subscribed.is_empty() {
            return Queued::default();
        }
        let (event, now) = (Arc::new(event.clone()), Instant::now());
        let queued = subscribed.into_iter().map(|subscription| {
            let number = subscription.push(Arc::clone(&event), now);
            (subscription, number)
        });
        Queued(queued.collect())
    }

    /// The subscriptions, for operators and services.
    pub(crate) fn summaries(&self, service: &str) -> Vec<Summary> {
        let now = Instant::now();
        self.of(|of| of == service).iter().map(|subscription| subscription.summary(now)).collect()
    }

    /// The services with subscriptions.
    pub(crate) fn services(&self) -> Vec<String> {
        let mut services: Vec<String> =
            self.by_name.lock().keys().map(|(service, _)| service.clone()).collect();
        services.dedup();
        services
    }

    /// Ends all tasks.
    pub(crate) fn close(&self) {
        for subscription in std::mem::take(&mut *self.by_name.lock()).into_values() {
            subscription.end();
        }
    }

    fn of(&self, is_for: impl Fn(&str) -> bool) -> Vec<Arc<Subscription>> {
        let by_name = self.by_name.lock();
        by_name.iter().filter(|((service, _), _)| is_for(service)).map(|(_, it)| Arc::clone(it)).collect()
    }
}

/// The rooms of a socket with a subscription to these types.
fn rooms(types: &[String]) -> Vec<String> {
    if types.is_empty() {
        return vec![ROOM.to_owned()];
    }
    types.iter().map(|kind| format!("{ROOM}/{kind}")).collect()
}

impl Queued {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of sockets that get the event by these subscriptions.
    pub(crate) fn sockets(&self) -> usize {
        self.0.iter().map(|(subscription, _)| subscription.sockets()).sum()
    }

    /// Waits until the event is delivered to each subscription, or the subscription has no connection, but not longer than
    /// some time.
    pub(crate) async fn settled(self, longest: Duration) -> Delivery {
        let end = tokio::time::Instant::now() + longest;
        let mut delivery = Delivery::default();
        for (subscription, number) in self.0 {
            match tokio::time::timeout_at(end, subscription.settled(number)).await {
                Ok(true) => delivery.delivered += 1,
                Ok(false) | Err(_) => delivery.kept += 1,
            }
        }
        delivery
    }
}
