//! Streams: entries in the order in which they were appended.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use socketio_cluster::streams::EntryId;
use tokio::sync::Notify;

use super::Limits;
use crate::protocol::{Reply, StoredEntry};

/// Memory of an entry beside its fields, about.
const OVERHEAD: usize = 64;

/// An id before all others.
const FIRST: EntryId = EntryId { milliseconds: 0, sequence: 0 };

/// All streams.
#[derive(Debug, Default)]
pub(super) struct Streams(HashMap<String, Stream>);

#[derive(Debug)]
struct Stream {
    entries: VecDeque<StoredEntry>,
    bytes: usize,
    last: EntryId,
    /// The newest entry that was removed.
    removed: EntryId,
    appended: Arc<Notify>,
}

/// Result of a read.
#[derive(Debug)]
pub(super) enum Found {
    Reply(Reply),
    /// There is no entry yet. The next one is notified.
    NotYet(Arc<Notify>),
}

impl Streams {
    fn get(&mut self, name: String, limits: &Limits) -> Result<&mut Stream, Reply> {
        if !self.0.contains_key(&name) && self.0.len() >= limits.max_streams {
            return Err(Reply::Refused(format!("the broker has {} streams", limits.max_streams)));
        }
        Ok(self.0.entry(name).or_insert_with(Stream::new))
    }

    pub(super) fn append(&mut self, name: String, max_len: u64, fields: &[u8], limits: &Limits) -> Reply {
        let stream = match self.get(name, limits) {
            Ok(stream) => stream,
            Err(reply) => return reply,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = EntryId { milliseconds: u64::try_from(now).unwrap_or(u64::MAX), sequence: 0 };
        // The clock may stand still, or go back.
        let id = now.max(stream.last.next());
        stream.last = id;
        stream.bytes += fields.len() + OVERHEAD;
        // A slice of what was received would keep all of it.
        stream.entries.push_back(StoredEntry { id, fields: Bytes::copy_from_slice(fields) });
        let max_len = usize::try_from(max_len).unwrap_or(usize::MAX).max(1);
        while stream.entries.len() > max_len
            || (stream.bytes > limits.max_stream_bytes && stream.entries.len() > 1)
        {
            let Some(removed) = stream.entries.pop_front() else { break };
            stream.bytes -= removed.fields.len() + OVERHEAD;
            stream.removed = removed.id;
        }
        stream.appended.notify_waiters();
        Reply::Id(id)
    }

    pub(super) fn bounds(&mut self, name: String, limits: &Limits) -> Reply {
        match self.get(name, limits) {
            Ok(stream) => {
                let ends = stream.entries.front().zip(stream.entries.back());
                Reply::Bounds(ends.map(|(first, last)| (first.id, last.id)))
            }
            Err(reply) => reply,
        }
    }

    pub(super) fn range(&mut self, name: String, from: EntryId, count: u64, limits: &Limits) -> Reply {
        match self.get(name, limits) {
            Ok(stream) => Reply::Entries(stream.range(from, count)),
            Err(reply) => reply,
        }
    }

    /// Reads entries behind this one.
    pub(super) fn read(&mut self, name: &str, after: EntryId, count: u64, limits: &Limits) -> Found {
        let stream = match self.get(name.to_owned(), limits) {
            Ok(stream) => stream,
            Err(reply) => return Found::Reply(reply),
        };
        // The reader asks for the bounds again, and knows what it has missed.
        let has_begun = after != FIRST;
        if has_begun && after < stream.removed {
            return Found::Reply(Reply::Refused("entries were removed before they were read".to_owned()));
        }
        let entries = stream.range(after.next(), count);
        if entries.is_empty() {
            return Found::NotYet(Arc::clone(&stream.appended));
        }
        Found::Reply(Reply::Entries(entries))
    }
}

impl Stream {
    fn new() -> Self {
        let (entries, appended) = (VecDeque::new(), Arc::default());
        Self { entries, bytes: 0, last: FIRST, removed: FIRST, appended }
    }

    fn range(&self, from: EntryId, count: u64) -> Vec<StoredEntry> {
        let start = self.entries.partition_point(|entry| entry.id < from);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.entries.iter().skip(start).take(count).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(streams: &mut Streams, max_len: u64, bytes: usize, limits: &Limits) -> EntryId {
        match streams.append("s".to_owned(), max_len, &vec![0; bytes], limits) {
            Reply::Id(id) => id,
            reply => panic!("{reply:?}"),
        }
    }

    fn ids(reply: Reply) -> Vec<EntryId> {
        match reply {
            Reply::Entries(entries) => entries.into_iter().map(|entry| entry.id).collect(),
            reply => panic!("{reply:?}"),
        }
    }

    #[test]
    fn ids_grow_and_entries_are_limited() {
        let limits = Limits { max_stream_bytes: 10 * (100 + OVERHEAD), max_streams: 1, ..Limits::default() };
        let mut streams = Streams::default();
        let many = Limits { max_streams: 1, ..Limits::default() };
        let appended: Vec<EntryId> = (0..100).map(|_| append(&mut streams, 50, 0, &many)).collect();
        assert!(appended.is_sorted_by(|a, b| a < b));
        let zero = EntryId { milliseconds: 0, sequence: 0 };
        assert_eq!(ids(streams.range("s".to_owned(), zero, 1000, &limits)), appended[50..]);
        assert_eq!(ids(streams.range("s".to_owned(), appended[60], 2, &limits)), appended[60..62]);
        // By bytes.
        let large: Vec<EntryId> = (0..20).map(|_| append(&mut streams, 50, 100, &limits)).collect();
        assert_eq!(ids(streams.range("s".to_owned(), zero, 1000, &limits)), large[10..]);
        assert_eq!(streams.bounds("s".to_owned(), &limits), Reply::Bounds(Some((large[10], large[19]))));
        // One fits always.
        let whole = append(&mut streams, 50, 10_000, &limits);
        assert_eq!(ids(streams.range("s".to_owned(), zero, 1000, &limits)), [whole]);
        assert!(matches!(streams.bounds("t".to_owned(), &limits), Reply::Refused(_)));
    }

    #[test]
    fn a_reader_that_was_too_slow_is_told() {
        let limits = Limits::default();
        let mut streams = Streams::default();
        let first = append(&mut streams, 2, 0, &limits);
        assert!(matches!(streams.read("s", first, 10, &limits), Found::NotYet(_)));
        let second = append(&mut streams, 2, 0, &limits);
        append(&mut streams, 2, 0, &limits);
        assert!(
            matches!(streams.read("s", first, 10, &limits), Found::Reply(Reply::Entries(found)) if found.len() == 2)
        );
        append(&mut streams, 2, 0, &limits);
        assert!(matches!(streams.read("s", first, 10, &limits), Found::Reply(Reply::Refused(_))));
        assert!(
            matches!(streams.read("s", second, 10, &limits), Found::Reply(Reply::Entries(found)) if found.len() == 2)
        );
    }
}
