//! The key-value store: values with revisions and lifetimes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Limits;
use crate::protocol::{Listed, Reply};

/// Memory of a value beside its bytes, about.
const OVERHEAD: usize = 256;

/// The longest lifetime that is distinguished.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86400);

/// All buckets.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    buckets: HashMap<String, Bucket>,
    revision: u64,
    /// Memory of all values.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Bucket {
    values: HashMap<Bytes, Value>,
    /// The keys by revision.
    order: BTreeMap<u64, Bytes>,
    /// The ends of values, with their revisions.
    ends: BTreeSet<(Instant, u64)>,
}

#[derive(Debug)]
struct Value {
    value: Bytes,
    revision: u64,
    end: Instant,
}

impl Buckets {
    /// The bucket, without values that have ended.
    fn get(&mut self, name: String, limits: &Limits) -> Result<&mut Bucket, Reply> {
        if !self.buckets.contains_key(&name) && self.buckets.len() >= limits.max_buckets {
            return Err(Reply::Refused(format!("the broker has {} buckets", limits.max_buckets)));
        }
        let bucket = self.buckets.entry(name).or_default();
        self.bytes -= bucket.expire(Instant::now());
        Ok(bucket)
    }

    pub(super) fn read(&mut self, name: String, key: &Bytes, limits: &Limits) -> Reply {
        match self.get(name, limits).map(|bucket| bucket.values.get(key)) {
            Ok(Some(Value { value, revision, .. })) => {
                Reply::Value { value: value.clone(), revision: *revision }
            }
            Ok(None) => Reply::Nothing,
            Err(reply) => reply,
        }
    }

    /// Writes a value, whose key has this revision now.
    pub(super) fn write(&mut self, name: String, put: Put, limits: &Limits) -> Reply {
        let Put { max_values, key, value, revision, keep_for } = put;
        let next = self.revision + 1;
        let used = self.bytes;
        let bucket = match self.get(name, limits) {
            Ok(bucket) => bucket,
            Err(reply) => return reply,
        };
        let current = bucket.values.get(&key);
        if current.map_or(0, |current| current.revision) != revision {
            return Reply::Conflict;
        }
        if current.is_none() && bucket.values.len() as u64 >= max_values {
            return Reply::Refused(format!("the bucket has {max_values} values"));
        }
        let freed = current.map_or(0, |current| bytes(&key, &current.value));
        let needed = bytes(&key, &value);
        // What has ended since is not counted here, which errs on the safe side.
        if used.saturating_sub(freed) + needed > limits.max_value_bytes {
            return Reply::Refused(format!("the values have {} bytes", limits.max_value_bytes));
        }
        bucket.remove(&key);
        let end = Instant::now() + keep_for.min(FOREVER);
        // Slices of what was received would keep all of it.
        let (key, value) = (Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value));
        bucket.order.insert(next, key.clone());
        bucket.ends.insert((end, next));
        bucket.values.insert(key, Value { value, revision: next, end });
        self.bytes = self.bytes - freed + needed;
        self.revision = next;
        Reply::Number(next)
    }

    /// Removes the value with this revision.
    pub(super) fn delete(&mut self, name: String, key: &Bytes, revision: u64, limits: &Limits) -> Reply {
        let bucket = match self.get(name, limits) {
            Ok(bucket) => bucket,
            Err(reply) => return reply,
        };
        if bucket.values.get(key).is_none_or(|current| current.revision != revision) {
            return Reply::Conflict;
        }
        let freed = bucket.remove(key);
        self.bytes -= freed;
        Reply::Number(1)
    }

    /// Values with larger revisions.
    pub(super) fn list(&mut self, name: String, after: u64, count: u64, limits: &Limits) -> Reply {
        let bucket = match self.get(name, limits) {
            Ok(bucket) => bucket,
            Err(reply) => return reply,
        };
        let listed = |(revision, key): (&u64, &Bytes)| {
            let value = bucket.values.get(key)?.value.clone();
            Some(Listed { revision: *revision, key: key.clone(), value })
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Reply::Listed(bucket.order.range(after.saturating_add(1)..).take(count).filter_map(listed).collect())
    }
}

/// A value to be written.
#[derive(Clone, Debug)]
pub(super) struct Put {
    pub(super) max_values: u64,
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    pub(super) revision: u64,
    pub(super) keep_for: Duration,
}

impl Bucket {
    /// Removes a value, and returns its memory.
    fn remove(&mut self, key: &Bytes) -> usize {
        let Some(Value { value, revision, end }) = self.values.remove(key) else { return 0 };
        self.order.remove(&revision);
        self.ends.remove(&(end, revision));
        bytes(key, &value)
    }

    /// Removes the values that have ended, and returns their memory.
    fn expire(&mut self, now: Instant) -> usize {
        let mut freed = 0;
        while let Some((_, revision)) = self.ends.first().filter(|(end, _)| *end <= now).copied() {
            let Some(key) = self.order.get(&revision).cloned() else { break };
            freed += self.remove(&key);
        }
        freed
    }
}

fn bytes(key: &Bytes, value: &Bytes) -> usize {
    key.len() + value.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn put(buckets: &mut Buckets, key: &'static str, bytes: usize, revision: u64, limits: &Limits) -> Reply {
        let key = Bytes::from_static(key.as_bytes());
        let put = Put { max_values: 2, key, value: vec![0; bytes].into(), revision, keep_for: MINUTE };
        buckets.write("b".to_owned(), put, limits)
    }

    #[tokio::test(start_paused = true)]
    async fn values_are_written_from_the_expected_revision_only() {
        let (mut buckets, limits) = (Buckets::default(), Limits::default());
        assert_eq!(put(&mut buckets, "a", 1, 1, &limits), Reply::Conflict);
        assert_eq!(put(&mut buckets, "a", 1, 0, &limits), Reply::Number(1));
        assert_eq!(put(&mut buckets, "a", 1, 0, &limits), Reply::Conflict);
        assert_eq!(put(&mut buckets, "b", 1, 0, &limits), Reply::Number(2));
        assert!(matches!(put(&mut buckets, "c", 1, 0, &limits), Reply::Refused(_)));
        assert_eq!(put(&mut buckets, "a", 2, 1, &limits), Reply::Number(3));
        let a = Bytes::from_static(b"a");
        assert_eq!(buckets.delete("b".to_owned(), &a, 1, &limits), Reply::Conflict);
        let Reply::Listed(listed) = buckets.list("b".to_owned(), 0, 10, &limits) else { panic!() };
        assert_eq!(
            listed.iter().map(|listed| (listed.revision, &listed.key[..])).collect::<Vec<_>>(),
            [(2, &b"b"[..]), (3, b"a")]
        );
        let Reply::Listed(listed) = buckets.list("b".to_owned(), 2, 1, &limits) else { panic!() };
        assert_eq!(listed.len(), 1);
        assert_eq!(buckets.delete("b".to_owned(), &a, 3, &limits), Reply::Number(1));
        assert_eq!(buckets.read("b".to_owned(), &a, &limits), Reply::Nothing);
        assert_eq!(put(&mut buckets, "a", 1, 0, &limits), Reply::Number(4));
    }

    #[tokio::test(start_paused = true)]
    async fn values_end_and_their_memory_is_free() {
        let (mut buckets, limits) = (
            Buckets::default(),
            Limits { max_value_bytes: 3 * OVERHEAD, max_buckets: 1, ..Limits::default() },
        );
        assert_eq!(put(&mut buckets, "a", OVERHEAD - 1, 0, &limits), Reply::Number(1));
        assert!(matches!(put(&mut buckets, "b", 0, 0, &limits), Reply::Refused(_)), "{}", buckets.bytes);
        assert_eq!(put(&mut buckets, "a", 2 * OVERHEAD - 1, 1, &limits), Reply::Number(2));
        assert!(matches!(put(&mut buckets, "a", 2 * OVERHEAD, 2, &limits), Reply::Refused(_)));
        tokio::time::advance(MINUTE).await;
        assert_eq!(buckets.read("b".to_owned(), &Bytes::from_static(b"a"), &limits), Reply::Nothing);
        assert_eq!(buckets.bytes, 0);
        assert!(matches!(buckets.read("c".to_owned(), &Bytes::new(), &limits), Reply::Refused(_)));
    }
}
