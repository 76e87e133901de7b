//! Commands that read several messages.

use bytes::Bytes;
use serde_json::json;
use socketio_broker::driver::{Entry, Reply};
use socketio_cluster::streams::EntryId;
use tokio::time::Instant;

use super::refused;
use crate::driver::error::DriverError;
use crate::driver::jetstream::answer::{Failure, NO_MESSAGE, NO_STREAM};
use crate::driver::jetstream::store::{Found, Store};
use crate::driver::jetstream::stored::{Delivered, Stored, is_removal};
use crate::driver::jetstream::{API, entry, keys};
use crate::driver::requests::{Ask, Outgoing, Requests};

/// Number of messages that are asked for at once.
const TOGETHER: u64 = 256;

/// Kind of a read.
pub(super) enum Read {
    /// Entries of a stream, from this sequence number up to the last one.
    Range { store: Store, created: u64, from: u64, last: u64, count: usize },
    /// Values of a bucket.
    List { bucket: String, store: Store, after: u64, count: usize },
}

impl Read {
    /// Entries from the one with this id on.
    pub(super) fn range(stream: &str, from: &str, count: usize, found: Found) -> Self {
        let from = from.parse().unwrap_or(EntryId { milliseconds: 0, sequence: 0 });
        let Found { created, first, last } = found;
        let from = match from.milliseconds.cmp(&created) {
            // The stream was made anew, so that all of its entries are behind this id.
            std::cmp::Ordering::Less => first,
            std::cmp::Ordering::Equal => first.max(from.sequence),
            std::cmp::Ordering::Greater => u64::MAX,
        };
        Self::Range { store: Store::entries(stream, 1), created, from: from.max(1), last, count }
    }
}

/// Reads. `None`: the stream is missing.
pub(super) async fn carry_out(
    requests: &mut Requests,
    read: Read,
    deadline: Instant,
) -> Result<Option<Reply>, DriverError> {
    let read = match read {
        Read::Range { store, created, from, last, count } => {
            range(requests, &store, created, (from, last), count, deadline).await?
        }
        Read::List { bucket, store, after, count } => {
            list(requests, &bucket, &store, after, count, deadline).await?
        }
    };
    Ok(match read {
        Ok(entries) => Some(Reply::Entries(entries)),
        Err(Some(Failure { code: NO_STREAM, .. })) => None,
        Err(failure) => Some(refused(failure)),
    })
}

type Entries = Result<Vec<Entry>, Option<Failure>>;

/// Asks for the messages one by one, but for many at once. A consumer takes as many round trips, and need not be at the leader.
async fn range(
    requests: &mut Requests,
    store: &Store,
    created: u64,
    (mut from, last): (u64, u64),
    count: usize,
    deadline: Instant,
) -> Result<Entries, DriverError> {
    let (mut entries, mut bytes) = (Vec::new(), 0_usize);
    while from <= last && entries.len() < count {
        let wanted = TOGETHER.min((count - entries.len()) as u64);
        let end = last.min(from.saturating_add(wanted - 1));
        let asks: Vec<_> = (from..=end)
            .map(|number| Outgoing::Ask(Ask::api(store.api("STREAM.MSG.GET"), &json!({ "seq": number }))))
            .collect();
        for outcome in requests.exchange(&asks, deadline).await? {
            let stored = match outcome.json().and_then(|answer| Ok(Stored::decode(&answer)?)) {
                Ok(stored) => stored,
                // One that was removed.
                Err(Some(Failure { code: NO_MESSAGE, .. })) => continue,
                Err(failure) => return Ok(Err(failure)),
            };
            bytes = bytes.saturating_add(stored.data.len());
            if bytes > requests.max_bytes() {
                return Ok(Err(Some(Failure::new("the entries of a range are too large together"))));
            }
            let id = EntryId { milliseconds: created, sequence: stored.sequence };
            entries.push(Entry { id: id.to_string(), fields: entry::decode(&stored.data) });
        }
        from = end.saturating_add(1);
    }
    Ok(Ok(entries))
}

/// A consumer for this list alone: the sequence numbers of values are not known.
async fn list(
    requests: &mut Requests,
    bucket: &str,
    store: &Store,
    after: u64,
    count: usize,
    deadline: Instant,
) -> Result<Entries, DriverError> {
    let (name, pending) = match requests.consumer(store, after, deadline).await? {
        Ok(consumer) => consumer,
        Err(failure) => return Ok(Err(failure)),
    };
    let listed = if pending == 0 || count == 0 {
        Ok(Vec::new())
    } else {
        let subscription = match requests.subscribe().await? {
            Ok(subscription) => subscription,
            Err(failure) => return Ok(Err(Some(failure))),
        };
        let listed = pull(requests, bucket, store, &name, &subscription, count, deadline).await?;
        requests.unsubscribe(subscription.0).await?;
        listed
    };
    let subject = format!("{API}.CONSUMER.DELETE.{}.{name}", store.name);
    requests.exchange(&[Outgoing::Publish { subject: &subject, payload: &[] }], deadline).await?;
    Ok(listed)
}

async fn pull(
    requests: &mut Requests,
    bucket: &str,
    store: &Store,
    name: &str,
    subscription: &(u64, String),
    count: usize,
    deadline: Instant,
) -> Result<Entries, DriverError> {
    let next = format!("{API}.CONSUMER.MSG.NEXT.{}.{name}", store.name);
    let (mut entries, mut bytes) = (Vec::new(), 0_usize);
    while entries.len() < count {
        let mut left = (count - entries.len()).min(TOGETHER as usize);
        let json = json!({ "batch": left, "no_wait": true });
        if let Err(failure) = requests.pull(&next, subscription, left, &json).await? {
            return Ok(Err(Some(failure)));
        }
        while left > 0 {
            let messages = requests.delivered(subscription.0, deadline).await?;
            if messages.is_empty() {
                return Ok(Err(None));
            }
            for message in messages {
                let revision = match Delivered::decode(&message) {
                    Delivered::Message(revision) => revision,
                    Delivered::End => return Ok(Ok(entries)),
                    Delivered::Heartbeat => continue,
                    Delivered::Failed(reason) => return Ok(Err(Some(Failure::new(reason)))),
                };
                left = left.saturating_sub(1);
                if is_removal(&message.headers) {
                    continue;
                }
                // Keys of other programs are none of ours.
                let Some(key) = keys::key(bucket, &message.subject) else { continue };
                bytes = bytes.saturating_add(message.payload.len());
                if bytes > requests.max_bytes() {
                    return Ok(Err(Some(Failure::new("the values of a list are too large together"))));
                }
                entries.push(Entry {
                    id: revision.to_string(),
                    fields: vec![(Bytes::from(key), message.payload)],
                });
            }
        }
    }
    Ok(Ok(entries))
}
