//! The subscriptions of a service, as its connector restores them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use socketio_client::{Ack, Data, Socket};
use tracing::warn;

use super::error::BusError;
use super::refusal;
use crate::event::Event;

type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler<T> = Arc<dyn Fn(T) -> Handling + Send + Sync>;

/// Events of a subscription that the bus has dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The name of the subscription.
    pub subscription: String,
    /// The number of events; `None` if it is unknown, as the bus has lost the subscription.
    pub count: Option<u64>,
}

#[derive(Clone)]
struct Subscription {
    types: Vec<String>,
    handler: Handler<Event>,
    /// Held while an event is handled, so that events are handled in order.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Whether the bus knows the subscription.
    is_known: bool,
}

#[derive(Default)]
struct State {
    by_name: BTreeMap<String, Subscription>,
    dropped: Option<Handler<Dropped>>,
}

#[derive(Clone, Default)]
pub(super) struct Subscriptions(Arc<Mutex<State>>);

#[derive(Deserialize)]
struct Message {
    subscription: String,
    event: Event,
}

#[derive(Deserialize)]
struct DroppedMessage {
    subscription: String,
    count: u64,
}

impl Subscriptions {
    /// Registers the handlers of the bus's messages.
    pub(super) fn register(&self, socket: &Socket) {
        let own = self.clone();
        socket.on("bus:event", move |Data(message): Data<Message>| {
            let subscription = own.0.lock().by_name.get(&message.subscription).cloned();
            async move {
                let Some(Subscription { handler, turn, .. }) = subscription else {
                    return Err("there is no such subscription");
                };
                let _turn = turn.lock().await;
                handler(message.event).await;
                Ok(Ack(json!({ "success": true })))
            }
        });
        let own = self.clone();
        socket.on("bus:dropped", move |Data(message): Data<DroppedMessage>| {
            let own = own.clone();
            async move {
                own.tell(message.subscription, Some(message.count)).await;
                Ack(json!({ "success": true }))
            }
        });
    }

    pub(super) fn add<F, Fut>(&self, name: &str, types: Vec<String>, handler: F)
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler: Handler<Event> = Arc::new(move |event| Box::pin(handler(event)));
        let subscription = Subscription { types, handler, turn: Arc::default(), is_known: false };
        self.0.lock().by_name.insert(name.to_owned(), subscription);
    }

    pub(super) fn remove(&self, name: &str) {
        self.0.lock().by_name.remove(name);
    }

    pub(super) fn on_dropped<F, Fut>(&self, handler: F)
    where
        F: Fn(Dropped) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.lock().dropped = Some(Arc::new(move |dropped| Box::pin(handler(dropped))));
    }

    /// Makes all subscriptions again, after a reconnection.
    pub(super) async fn restore(&self, socket: &Socket, limit: Duration) {
        let names: Vec<String> = self.0.lock().by_name.keys().cloned().collect();
        for name in names {
            if let Err(error) = self.subscribe(socket, &name, limit).await {
                warn!(%error, name, "a subscription was not made again");
            }
        }
    }

    pub(super) async fn subscribe(
        &self,
        socket: &Socket,
        name: &str,
        limit: Duration,
    ) -> Result<(), BusError> {
        let Some((types, was_known)) =
            self.0.lock().by_name.get(name).map(|known| (known.types.clone(), known.is_known))
        else {
            return Ok(());
        };
        let asked = json!({ "subscription": name, "types": types });
        let answer = socket.timeout(limit).emit_with_ack::<Value>("subscribe", &asked).await;
        let answer = answer.map_err(BusError::Unanswered)?;
        refusal(&answer)?;
        if let Some(subscription) = self.0.lock().by_name.get_mut(name) {
            subscription.is_known = true;
        }
        if was_known && answer["is_new"] == true {
            self.tell(name.to_owned(), None).await;
        }
        Ok(())
    }

    async fn tell(&self, subscription: String, count: Option<u64>) {
        let handler = self.0.lock().dropped.clone();
        match handler {
            Some(handler) => handler(Dropped { subscription, count }).await,
            None => warn!(subscription, count, "the bus has dropped events"),
        }
    }
}
