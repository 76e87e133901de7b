//! Entries that this node has appended to its streams and has not read yet. Their number is limited: a stream is trimmed
//! to a length, and what waited through an outage would be gone before the other nodes have read it.

use std::collections::VecDeque;
use std::time::Duration;

use socketio_cluster::streams::EntryId;
use tokio::time::Instant;

/// A node may be ahead of its own reader by this part of the length of a stream, so that several can be at once.
const PART: u64 = 10;
/// The limit for short streams.
const LEAST: u64 = 16;

/// The streams that this node reads. Entries of others have no limit.
#[derive(Debug, Default)]
pub(crate) struct Window(Vec<Stream>);

#[derive(Debug)]
struct Stream {
    name: String,
    appended: VecDeque<EntryId>,
    /// Entries of the batch that is being sent.
    underway: usize,
    /// The last entry that was read.
    read: Option<EntryId>,
    /// Since when nothing may be appended.
    full: Option<Instant>,
    /// Nothing was read in the time that is allowed for it. There is no limit until something is.
    is_unread: bool,
}

impl Window {
    /// The entries of this stream are read.
    #[cfg(feature = "adapter")]
    pub(crate) fn open(&mut self, stream: &str) {
        self.0.push(Stream {
            name: stream.to_owned(),
            appended: VecDeque::new(),
            underway: 0,
            read: None,
            full: None,
            is_unread: false,
        });
    }

    /// A stream was read up to this entry. Returns whether something waits for that.
    #[cfg(feature = "adapter")]
    pub(crate) fn read(&mut self, stream: &str, id: EntryId) -> bool {
        self.stream(stream).is_some_and(|stream| {
            stream.read = Some(id);
            stream.is_unread = false;
            stream.full.take().is_some()
        })
    }

    /// A batch begins. Entries that were read count no more. A stream of which nothing is read in this time has no limit: its
    /// reader has no connection, which says nothing of the other nodes. After an outage, while these may not read yet, all
    /// entries count (`held`).
    pub(super) fn begin(&mut self, timeout: Duration, held: bool) {
        for stream in &mut self.0 {
            stream.underway = 0;
            if held {
                (stream.full, stream.is_unread) = (None, false);
                continue;
            }
            if stream.full.is_some_and(|since| since.elapsed() >= timeout) {
                stream.appended.clear();
                (stream.full, stream.is_unread) = (None, true);
            }
            while stream.appended.front().is_some_and(|id| Some(*id) <= stream.read) {
                stream.appended.pop_front();
            }
        }
    }

    /// Whether the batch may have one more entry for a stream of this length.
    pub(super) fn admits(&mut self, stream: &str, max_len: u64) -> bool {
        let Some(stream) = self.stream(stream) else { return true };
        let ahead = (stream.appended.len() + stream.underway) as u64;
        let admits = stream.is_unread || ahead < (max_len / PART).max(LEAST);
        if admits {
            stream.underway += 1;
        } else {
            stream.full.get_or_insert_with(Instant::now);
        }
        admits
    }

    /// An entry was appended.
    pub(super) fn appended(&mut self, stream: &str, id: &str) {
        if let Some((stream, id)) =
            self.stream(stream).filter(|stream| !stream.is_unread).zip(id.parse().ok())
        {
            stream.appended.push_back(id);
        }
    }

    /// When [`begin`](Self::begin) gives up a stream that is full.
    pub(super) fn full_until(&self, timeout: Duration) -> Option<Instant> {
        self.0.iter().filter_map(|stream| stream.full).min().map(|since| since + timeout)
    }

    fn stream(&mut self, name: &str) -> Option<&mut Stream> {
        self.0.iter_mut().find(|stream| stream.name == name)
    }
}

#[cfg(all(test, feature = "adapter"))]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn id(number: u64) -> EntryId {
        EntryId { milliseconds: number, sequence: 0 }
    }

    /// Appends up to a number of entries in one batch, with ids from this number on. Returns how many.
    fn append(window: &mut Window, stream: &str, first: u64, count: u64, held: bool) -> u64 {
        window.begin(TIMEOUT, held);
        let admitted = (0..count).take_while(|_| window.admits(stream, 1000)).count() as u64;
        for number in first..first + admitted {
            window.appended(stream, &format!("{number}-0"));
        }
        admitted
    }

    #[tokio::test(start_paused = true)]
    async fn entries_that_are_not_read_are_limited() {
        let mut window = Window::default();
        window.open("a");
        window.open("b");
        assert_eq!(append(&mut window, "a", 1, 60, false), 60);
        assert!(!window.read("a", id(0)), "nothing waits");
        assert_eq!(append(&mut window, "a", 61, 60, false), 40);
        assert_eq!(append(&mut window, "b", 1, 60, false), 60, "each stream has its own limit");
        assert_eq!(append(&mut window, "c", 1, 1000, false), 1000, "nor is one limited that is not read");
        assert!(window.read("a", id(30)));
        assert_eq!(append(&mut window, "a", 101, 60, false), 30);
        assert_eq!(window.full_until(TIMEOUT), Some(Instant::now() + TIMEOUT));
        // Without a reader there is no limit, until it reads again.
        tokio::time::advance(TIMEOUT).await;
        assert_eq!(append(&mut window, "a", 131, 5000, false), 5000);
        assert_eq!(window.full_until(TIMEOUT), None);
        assert_eq!(append(&mut window, "a", 5131, 5000, false), 5000);
        assert!(!window.read("a", id(5000)), "nothing waits");
        assert_eq!(append(&mut window, "a", 10131, 200, false), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn what_this_node_has_read_counts_until_others_may_read() {
        let mut window = Window::default();
        window.open("a");
        assert_eq!(append(&mut window, "a", 1, 200, true), 100);
        window.read("a", id(100));
        tokio::time::advance(TIMEOUT).await;
        assert_eq!(append(&mut window, "a", 101, 200, true), 0);
        assert_eq!(append(&mut window, "a", 101, 200, false), 100);
    }

    #[test]
    fn short_streams_have_a_window_too() {
        let mut window = Window::default();
        window.open("a");
        assert_eq!((0..100).take_while(|_| window.admits("a", 1)).count(), 16);
    }
}
