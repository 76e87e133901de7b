//! The connection that reads a stream, by a consumer of its own that is asked for entries.
//!
//! Ids of entries are `<time at which the stream was made>-<sequence number>`, so that the entries of a stream that was made anew are
//! behind those of the former one, although their sequence numbers are the same.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::json;
use socketio_broker::driver::{Bounds, BoxError, BoxFuture, Entries, Entry};
use socketio_cluster::streams::EntryId;
use tokio::time::Instant;

use super::error::DriverError;
use super::jetstream::answer::Failure;
use super::jetstream::store::{Found, Store};
use super::jetstream::stored::Delivered;
use super::jetstream::{API, consumer, entry};
use super::requests::Requests;
use crate::protocol::Message;

/// Number of entries that a stream keeps if it is read before anything is appended to it. The first command that appends sets its own
/// number.
const MAX_LEN: u64 = 10_000;

/// A connection that reads a stream.
pub(super) struct Reading {
    requests: Requests,
    store: Store,
    /// Maximum wait for an entry.
    block: Duration,
    timeout: Duration,
    /// The stream as the caller was told.
    told: Option<Found>,
    consumer: Option<Consumer>,
}

/// A consumer of the stream.
struct Consumer {
    /// The subject of requests for messages.
    next: String,
    subscription: (u64, String),
    /// When the stream was made.
    created: u64,
    /// The entries behind this one and up to `position` were all passed on, or the caller was told that they are gone.
    from: u64,
    /// The last entry that was passed on.
    position: u64,
    /// Messages that have arrived.
    waiting: VecDeque<(u64, Message)>,
    /// The number of messages that JetStream still sends for the last request.
    asked: usize,
    /// The time of the last request.
    asked_at: Instant,
}

impl Reading {
    pub(super) fn new(requests: Requests, stream: &str, block: Duration, timeout: Duration) -> Self {
        let store = Store::entries(stream, MAX_LEN);
        Self { requests, store, block, timeout, told: None, consumer: None }
    }

    /// Finds the stream, which is made if it is missing: a consumer needs it.
    async fn find(&mut self) -> Result<Found, DriverError> {
        let deadline = Instant::now() + self.timeout;
        let found = self.requests.find(&self.store, deadline).await?;
        found.map_err(failed)
    }

    async fn bounds_of(&mut self) -> Result<Bounds, DriverError> {
        let found = self.find().await?;
        self.told = Some(found);
        // The id in front of the first entry: a reader that has read up to there has missed nothing. The id of the first entry
        // would be larger than the last one that was read although the one follows the other. The same in an empty stream,
        // whose first entry is the next one that is appended: nothing is missed if all that was removed has been read, and
        // otherwise it is.
        let mut before = found.first.saturating_sub(1);
        if let Some(consumer) = self.consumer.as_ref().filter(|consumer| consumer.created == found.created) {
            // Entries that were passed on before they were removed are not missed.
            if before <= consumer.position {
                before = before.min(consumer.from);
            }
        }
        let id = |sequence| Some(EntryId { milliseconds: found.created, sequence }.to_string());
        Ok((id(before), id(found.last)))
    }

    async fn next(&mut self, after: &str, count: usize) -> Result<Vec<Entry>, DriverError> {
        let after: EntryId = after.parse().map_err(|_| failed(Failure::new("this is no id of an entry")))?;
        let told = match self.told {
            Some(told) => told,
            None => self.find().await?,
        };
        // All entries of a stream that was made anew are behind those of the former one.
        let from = if after.milliseconds == told.created { after.sequence } else { 0 };
        let mut consumer = match self.consumer.take() {
            Some(consumer) if consumer.goes_on(told.created, from, self.block) => consumer,
            old => {
                if let Some(old) = old {
                    self.requests.unsubscribe(old.subscription.0).await?;
                }
                self.consumer(told.created, from).await?
            }
        };
        let entries = self.entries(&mut consumer, count.max(1)).await?;
        self.consumer = Some(consumer);
        Ok(entries)
    }

    /// Makes a consumer of the entries behind a sequence number.
    async fn consumer(&mut self, created: u64, from: u64) -> Result<Consumer, DriverError> {
        let deadline = Instant::now() + self.timeout;
        let (name, _) = self.requests.consumer(&self.store, from, deadline).await?.map_err(failed)?;
        // The stream may have been made anew since it was found.
        if self.find().await?.created != created {
            return Err(failed(Failure::new("the stream was made anew")));
        }
        let subscription = self.requests.subscribe().await?.map_err(failed)?;
        Ok(Consumer {
            next: format!("{API}.CONSUMER.MSG.NEXT.{}.{name}", self.store.name),
            subscription,
            created,
            from,
            position: from,
            waiting: VecDeque::new(),
            asked: 0,
            asked_at: Instant::now(),
        })
    }

    /// The next entries of a consumer. Waits for the first one.
    async fn entries(&mut self, consumer: &mut Consumer, count: usize) -> Result<Vec<Entry>, DriverError> {
        while consumer.waiting.is_empty() {
            if consumer.asked == 0 {
                // The request stays when this call returns, so that later entries arrive without a further one. No more are
                // sent than this, so that entries that are not read stay in the stream.
                let expires = u64::try_from(self.block.as_nanos()).unwrap_or(u64::MAX).max(1_000_000);
                let json = json!({ "batch": count, "expires": expires });
                (consumer.asked, consumer.asked_at) = (count, Instant::now());
                self.requests
                    .pull(&consumer.next, &consumer.subscription, count, &json)
                    .await?
                    .map_err(failed)?;
            }
            // JetStream says when the time of a request is over, and nothing if the consumer is gone.
            let is_over = consumer.asked_at + self.block + self.timeout / 2;
            let messages = self.requests.delivered(consumer.subscription.0, is_over).await?;
            if messages.is_empty() {
                return Err(failed(Failure::new("a consumer of JetStream does not answer")));
            }
            consumer.take(messages)?;
            // A further request in this call could last longer than the caller waits.
            if consumer.waiting.is_empty() && consumer.asked == 0 {
                return Ok(Vec::new());
            }
        }
        // What has arrived meanwhile.
        let messages = self.requests.delivered(consumer.subscription.0, Instant::now()).await?;
        consumer.take(messages)?;
        self.passed(consumer, count).await
    }

    /// Takes entries that follow each other.
    async fn passed(&mut self, consumer: &mut Consumer, count: usize) -> Result<Vec<Entry>, DriverError> {
        let mut entries = Vec::new();
        while entries.len() < count {
            let Some((sequence, _)) = consumer.waiting.front() else { break };
            let (sequence, expected) = (*sequence, consumer.position + 1);
            if sequence < expected {
                return Err(failed(Failure::new("a consumer of JetStream repeats entries")));
            }
            if sequence > expected {
                // The caller gets what is in front of the gap first.
                if !entries.is_empty() {
                    break;
                }
                self.explain(consumer).await?;
            }
            let Some((_, message)) = consumer.waiting.pop_front() else { break };
            consumer.position = sequence;
            let id = EntryId { milliseconds: consumer.created, sequence };
            entries.push(Entry { id: id.to_string(), fields: entry::decode(&message.payload) });
        }
        Ok(entries)
    }

    /// The next entry of the consumer does not follow the last one. Entries that were removed from the middle of the stream are no
    /// loss of this reader alone. Those that were trimmed before they were read are an error, unless the caller knows that already:
    /// it asks for the bounds again then.
    async fn explain(&mut self, consumer: &Consumer) -> Result<(), DriverError> {
        let next = consumer.position + 1;
        if self.told.is_some_and(|told| told.created == consumer.created && told.first > next) {
            return Ok(());
        }
        let found = self.find().await?;
        if found.created != consumer.created || found.first > next {
            return Err(failed(Failure::new("entries were removed before they were read")));
        }
        Ok(())
    }
}

impl Consumer {
    /// Whether the entries behind this one are the next ones of the consumer, and JetStream still has the consumer: it keeps one
    /// that has a request, which lasts for `block`, or had one not long ago.
    fn goes_on(&self, created: u64, position: u64, block: Duration) -> bool {
        let kept = block + Duration::from_secs(consumer::UNUSED / 2);
        let is_kept = !self.waiting.is_empty() || self.asked_at.elapsed() < kept;
        self.created == created && self.position == position && is_kept
    }

    fn take(&mut self, messages: Vec<Message>) -> Result<(), DriverError> {
        for message in messages {
            match Delivered::decode(&message) {
                Delivered::Message(sequence) => {
                    self.asked = self.asked.saturating_sub(1);
                    self.waiting.push_back((sequence, message));
                }
                Delivered::End => self.asked = 0,
                Delivered::Heartbeat => {}
                Delivered::Failed(reason) => return Err(failed(Failure::new(reason))),
            }
        }
        Ok(())
    }
}

impl Entries for Reading {
    fn bounds<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, Result<Bounds, BoxError>> {
        Box::pin(async move { Ok(self.bounds_of().await?) })
    }

    fn read<'a>(
        &'a mut self,
        _: &'a str,
        after: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, BoxError>> {
        Box::pin(async move { Ok(self.next(after, count).await?) })
    }
}

fn failed(failure: impl Into<Option<Failure>>) -> DriverError {
    let failure = failure.into();
    DriverError::Lost(failure.map_or_else(|| "JetStream does not answer".to_owned(), |failure| failure.text))
}
