//! Requests of consumers, and the messages that these deliver.

use tokio::time::Instant;

use super::{Ask, NO_INBOX, Requests};
use crate::driver::error::DriverError;
use crate::driver::jetstream::answer::{Failure, number};
use crate::driver::jetstream::consumer;
use crate::driver::jetstream::store::Store;
use crate::protocol::{Frame, Message, Permission};

/// Number of attempts to make a consumer.
const ATTEMPTS: u32 = 3;

impl Requests {
    /// Makes a consumer of the messages behind a sequence number. Returns its name, and how many there are. JetStream may choose a
    /// NATS server that is gone, and does not answer then; the next attempt chooses again.
    pub(in crate::driver) async fn consumer(
        &mut self,
        store: &Store,
        after: u64,
        deadline: Instant,
    ) -> Result<Result<(String, u64), Option<Failure>>, DriverError> {
        let part = deadline.saturating_duration_since(Instant::now()) / ATTEMPTS;
        let mut made = Err(None);
        for _ in 0..ATTEMPTS {
            let create = Ask::api(store.api("CONSUMER.CREATE"), &consumer::configuration(store, after));
            made = self.ask(create, Instant::now() + part).await?;
            if !matches!(made, Err(None)) {
                break;
            }
        }
        Ok(made.and_then(|made| {
            let name = consumer::name(&made);
            let name = name.ok_or_else(|| Failure::new("a consumer of JetStream has no name"))?;
            Ok((name.to_owned(), number(&made, "num_pending").unwrap_or_default()))
        }))
    }

    /// Maximum size of what is read for one command.
    pub(in crate::driver) fn max_bytes(&self) -> usize {
        self.inbox.max_bytes()
    }

    /// Subscribes to the messages of a consumer. Returns the number of the subscription and its subject.
    pub(in crate::driver) async fn subscribe(
        &mut self,
    ) -> Result<Result<(u64, String), Failure>, DriverError> {
        self.last_subscription += 1;
        let (number, subject) =
            (self.last_subscription, format!("{}.delivered.{}", self.name, self.last_subscription));
        self.inbox.deliver(number, 0);
        let missing = self.connection.confirmed(&[Frame::subscribe(&subject, number)]).await?;
        if missing.iter().any(|(permission, _)| *permission == Permission::Subscribe) {
            self.inbox.close(number);
            return Ok(Err(Failure::new(NO_INBOX)));
        }
        Ok(Ok((number, subject)))
    }

    /// Ends a subscription.
    pub(in crate::driver) async fn unsubscribe(&mut self, number: u64) -> Result<(), DriverError> {
        self.inbox.close(number);
        self.connection.confirmed(&[Frame::unsubscribe(number)]).await?;
        Ok(())
    }

    /// Asks a consumer for so many messages, which go to a subscription.
    pub(in crate::driver) async fn pull(
        &mut self,
        consumer: &str,
        subscription: &(u64, String),
        count: usize,
        json: &serde_json::Value,
    ) -> Result<Result<(), Failure>, DriverError> {
        // A status is a message too.
        self.inbox.deliver(subscription.0, count.saturating_add(1));
        let json = json.to_string();
        let frame = Frame::ask(consumer, &subscription.1, "", &json, &[]);
        if let Some((_, subject)) = self.connection.confirmed(&[frame]).await?.first() {
            return Ok(Err(Failure::new(format!("the user may not publish on {subject}"))));
        }
        Ok(Ok(()))
    }

    /// Waits until a subscription has messages, and takes them. There are none at the deadline.
    pub(in crate::driver) async fn delivered(
        &self,
        subscription: u64,
        deadline: Instant,
    ) -> Result<Vec<Message>, DriverError> {
        let mut arrived = self.inbox.watch();
        loop {
            let delivery = self.inbox.delivered(subscription);
            if delivery.is_exceeded {
                return Err(DriverError::Lost("a consumer sends more than it was asked for".to_owned()));
            }
            if !delivery.messages.is_empty() {
                return Ok(delivery.messages.into());
            }
            tokio::select! {
                _ = arrived.changed() => {}
                () = self.connection.lost() => return Err(self.lost()),
                () = tokio::time::sleep_until(deadline) => return Ok(Vec::new()),
            }
        }
    }
}
