//! Values in the key-value store of a broker, changed only from the revision that was read. On
//! other brokers scripts do the same: sessions for recovery, and state that applications share.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::driver::{Bucket, Reply, Request};
use crate::error::PublishError;
use crate::medium::Medium;

/// Number of attempts to change a value that others change too.
const ATTEMPTS: usize = 32;

/// Maximum wait of a queued change for the broker.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The values of one bucket.
///
/// A value has an end, by the clock of the node that has written it: the clocks of the nodes must not differ by more than a
/// fraction of the shortest lifetime.
#[derive(Clone)]
pub struct Values {
    medium: Medium,
    bucket: Arc<Bucket>,
}

/// Change of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is.
    Keep(T),
    /// It is replaced, for this time.
    Put {
        /// The new value.
        value: Bytes,
        /// Its lifetime, at most that of the bucket.
        keep_for: Duration,
        /// The result of the change.
        result: T,
    },
    /// It is removed.
    Remove(T),
}

/// A value in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Bytes,
}

impl Values {
    /// The values of a bucket.
    pub fn new(medium: &Medium, bucket: Bucket) -> Self {
        Self { medium: medium.clone(), bucket: Arc::new(bucket) }
    }

    /// Reads a value.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, PublishError> {
        Ok(self.read(key).await?.0)
    }

    /// Changes a value. If another one has changed it meanwhile, `decide` is called again with that value.
    pub async fn update<T>(
        &self,
        key: &str,
        mut decide: impl FnMut(Option<&Bytes>) -> Change<T>,
    ) -> Result<T, PublishError> {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(50));
        for attempt in 0..ATTEMPTS {
            // Those that change the same value would meet again and again.
            if attempt > 0 {
                tokio::time::sleep(backoff.next_delay()).await;
            }
            let (value, revision) = self.read(key).await?;
            let bucket = Arc::clone(&self.bucket);
            let key = key.to_owned();
            let (request, result) = match decide(value.as_ref()) {
                Change::Keep(result) => return Ok(result),
                Change::Put { value, keep_for, result } => {
                    let keep_for = keep_for.min(self.bucket.max_age);
                    let value = with_end(&value, keep_for);
                    (Request::Put { bucket, key, value, revision, keep_for }, result)
                }
                Change::Remove(result) if revision == 0 => return Ok(result),
                Change::Remove(result) => (Request::Delete { bucket, key, revision }, result),
            };
            match self.medium.request(request).await? {
                Reply::Number(_) => return Ok(result),
                Reply::Conflict => {}
                reply => return Err(unexpected(reply)),
            }
        }
        Err(PublishError::Refused("the value changes too often".to_owned()))
    }

    /// Queues a change, also for a time at which the broker is reached again. The changes of a key are carried out in the
    /// order of these calls. `bytes` is the memory that `decide` occupies, which counts for
    /// [`max_queued_bytes`](crate::publisher::Tuning::max_queued_bytes).
    pub fn queue(
        &self,
        key: String,
        bytes: usize,
        decide: impl FnMut(Option<&Bytes>) -> Change<()> + Send + 'static,
    ) -> Result<(), PublishError> {
        let values = self.clone();
        let lanes = self.medium.shared().lanes();
        lanes.push(&key.clone(), bytes + key.len(), async move { values.carry_out(&key, decide).await })
    }

    async fn carry_out(&self, key: &str, mut decide: impl FnMut(Option<&Bytes>) -> Change<()> + Send) {
        let deadline = Instant::now() + MAX_WAIT;
        loop {
            match self.update(key, &mut decide).await {
                Ok(()) => return,
                Err(PublishError::Down | PublishError::Full) if Instant::now() < deadline => {
                    let connected = self.medium.publisher().connected();
                    let _ = tokio::time::timeout_at(deadline, connected).await;
                    // The connection may be lost without a sign of it yet.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => {
                    crate::trace::not_changed(self.medium.broker(), &self.bucket.name, &error);
                    return;
                }
            }
        }
    }

    /// Reads all values, the one that was written last at the end. `most` bounds their number: later ones are left out.
    pub async fn list(&self, most: usize) -> Result<Vec<Listed>, PublishError> {
        const PAGE: usize = 500;
        let (mut listed, mut after) = (Vec::new(), 0);
        while listed.len() < most {
            let list = Request::List { bucket: Arc::clone(&self.bucket), after, count: PAGE };
            let entries = match self.medium.request(list).await? {
                Reply::Entries(entries) => entries,
                Reply::Nothing => Vec::new(),
                reply => return Err(unexpected(reply)),
            };
            let is_last = entries.len() < PAGE;
            for entry in entries {
                let revision: u64 = entry.id.parse().map_err(|_| invalid())?;
                // Also if a driver repeats itself.
                if revision <= after {
                    return Err(invalid());
                }
                after = revision;
                let Some((key, value)) = entry.fields.into_iter().next() else { continue };
                let key = String::from_utf8(key.into()).map_err(|_| invalid())?;
                listed.extend(current(&value).map(|value| Listed { key, value }));
            }
            if is_last {
                break;
            }
        }
        listed.truncate(most);
        Ok(listed)
    }

    /// The value if it has not ended, and its revision, which is zero if there is none.
    async fn read(&self, key: &str) -> Result<(Option<Bytes>, u64), PublishError> {
        let get = Request::Get { bucket: Arc::clone(&self.bucket), key: key.to_owned() };
        match self.medium.request(get).await? {
            Reply::Nothing => Ok((None, 0)),
            Reply::Value { value, revision } => Ok((current(&value), revision)),
            reply => Err(unexpected(reply)),
        }
    }
}

/// A value with its end in front: milliseconds since 1970.
fn with_end(value: &[u8], keep_for: Duration) -> Bytes {
    let end = now() + keep_for.as_millis();
    let mut out = BytesMut::with_capacity(value.len() + 16);
    out.put_slice(format!("{end} ").as_bytes());
    out.put_slice(value);
    out.freeze()
}

/// The value, if it has not ended.
fn current(value: &Bytes) -> Option<Bytes> {
    let space = value.iter().take(40).position(|byte| *byte == b' ')?;
    let end: u128 = std::str::from_utf8(&value[..space]).ok()?.parse().ok()?;
    (end > now()).then(|| value.slice(space + 1..))
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

fn unexpected(reply: Reply) -> PublishError {
    match reply {
        Reply::Refused(reason) => PublishError::Refused(reason),
        _ => invalid(),
    }
}

fn invalid() -> PublishError {
    PublishError::Refused("the reply of the broker is not expected".to_owned())
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}
