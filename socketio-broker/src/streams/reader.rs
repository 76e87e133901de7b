//! The tasks that read the streams: one connection each, from the last entry that was read, whatever happens
//! in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use socketio_cluster::Offset;
use socketio_cluster::streams::EntryId;
use socketio_server::cluster::ClusterInbox;

use super::Options;
use crate::driver::{Entries, Entry};
use crate::medium::{Gap, Mailbox, Medium, Shared};
use crate::trace;

/// Pause of the reading while too many messages wait.
const PAUSE: Duration = Duration::from_millis(10);

/// The streams that this node reads, and the namespaces that get their entries.
#[derive(Default)]
pub(super) struct Reading(Mutex<State>);

#[derive(Default)]
struct State {
    namespaces: HashMap<Arc<str>, Reader>,
    /// The position of the last entry of each stream that was passed on; `None` before the first connection.
    positions: HashMap<String, Option<Offset>>,
}

/// A namespace that reads a stream.
struct Reader {
    stream: String,
    mailbox: Arc<Mailbox>,
    inbox: ClusterInbox,
}

impl Reading {
    /// Starts a task for each stream.
    pub(super) fn start(medium: &Medium, options: &Arc<Options>) -> Arc<Self> {
        let names: Vec<String> = match options.stream_count {
            1 => vec![options.stream_name.clone()],
            count => (0..count).map(|number| format!("{}-{number}", options.stream_name)).collect(),
        };
        let positions = names.iter().map(|name| (name.clone(), None)).collect();
        let streams = Arc::new(Self(Mutex::new(State { namespaces: HashMap::new(), positions })));
        for name in names {
            medium.shared().expect_stream(&name);
            let (shared, streams) = (Arc::clone(medium.shared()), Arc::clone(&streams));
            tokio::spawn(run(shared, streams, Arc::clone(options), name));
        }
        streams
    }

    /// Adds a namespace, which gets the entries from now on. `false` if this node does not read its stream.
    pub(super) fn add(&self, stream: &str, mailbox: &Arc<Mailbox>, inbox: &ClusterInbox) -> bool {
        let mut state = self.0.lock();
        let Some(position) = state.positions.get(stream).cloned() else { return false };
        if let Some(position) = position {
            inbox.advance(&position);
        }
        let reading =
            Reader { stream: stream.to_owned(), mailbox: Arc::clone(mailbox), inbox: inbox.clone() };
        state.namespaces.insert(inbox.namespace().into(), reading);
        true
    }

    /// Removes the mailbox, unless the namespace has a new one.
    pub(super) fn remove(&self, namespace: &Arc<str>, mailbox: &Arc<Mailbox>) {
        let mut state = self.0.lock();
        if state.namespaces.get(namespace).is_some_and(|current| Arc::ptr_eq(&current.mailbox, mailbox)) {
            state.namespaces.remove(namespace);
        }
    }

    /// The entries behind this id will be read.
    fn starts(&self, stream: &str, from: &str) {
        let mut state = self.0.lock();
        let Some(position) = offset(from.as_bytes()) else { return };
        for reading in state.namespaces.values().filter(|reading| reading.stream == stream) {
            reading.inbox.advance(&position);
        }
        state.positions.insert(stream.to_owned(), Some(position));
    }

    /// Passes an entry to its namespace. One without a namespace, or for one that is not here, has no effect.
    fn arrived(&self, shared: &Shared, stream: &str, entry: Entry) {
        let name = entry.fields.iter().find(|(name, _)| &name[..] == b"nsp").map(|(_, value)| value);
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        // Under the lock: a namespace that is added meanwhile gets the entry, or starts behind it.
        let mut state = self.0.lock();
        if let Some((position, id)) = state.positions.get_mut(stream).zip(offset(entry.id.as_bytes())) {
            *position = Some(id);
        }
        let mailbox = name.and_then(|name| state.namespaces.get(name)).map(|reading| &*reading.mailbox);
        shared.router().entry_arrived(mailbox, entry.id, entry.fields);
    }
}

/// The position of an entry. `None` if this is not the id of one.
pub(super) fn offset(id: &[u8]) -> Option<Offset> {
    let text = std::str::from_utf8(id).ok()?;
    let id: EntryId = text.parse().ok()?;
    Some(Offset::new(u128::from(id.milliseconds) << 64 | u128::from(id.sequence), text))
}

/// Reads a stream until the medium is stopped.
async fn run(shared: Arc<Shared>, streams: Arc<Reading>, options: Arc<Options>, stream: String) {
    let mut backoff = shared.backoff();
    // The last entry that was read; from the first connection on.
    let mut last: Option<String> = None;
    loop {
        let reading = read(&shared, &streams, &options, &stream, &mut last, || backoff.connected());
        let reason = tokio::select! {
            reason = reading => reason,
            () = shared.stopped() => return,
        };
        if let Some(reason) = reason {
            trace::disconnected(shared.driver().broker(), "stream", &reason);
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_delay()) => {}
            () = shared.stopped() => return,
        }
    }
}

/// Opens a connection, and reads until it is lost. Returns why it ended, if it was opened.
async fn read(
    shared: &Shared,
    streams: &Reading,
    options: &Options,
    stream: &str,
    last: &mut Option<String>,
    connected: impl FnOnce(),
) -> Option<String> {
    let opening = tokio::time::timeout(shared.timeout(), shared.driver().entries(stream, options.block_time));
    let mut connection = match opening.await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            shared.not_connected("stream", &error);
            return None;
        }
        Err(_) => {
            shared.not_connected("stream", &"no answer in time");
            return None;
        }
    };
    connected();
    let bounds = tokio::time::timeout(shared.timeout(), connection.bounds(stream)).await;
    let (first, newest) = match bounds {
        Ok(Ok(bounds)) => bounds,
        Ok(Err(error)) => return Some(error.to_string()),
        Err(_) => return Some("no answer in time".to_owned()),
    };
    let resumed = resume(last.as_deref(), first.as_deref(), newest);
    if resumed.has_missed {
        shared.gap(Gap { lasted: Duration::ZERO, lost: None });
    }
    let from = resumed.from;
    if last.is_none() {
        streams.starts(stream, &from);
    }
    *last = Some(from);
    shared.stream(true);
    let reason = follow(shared, streams, options, stream, last, &mut *connection).await;
    shared.stream(false);
    Some(reason)
}

/// Position from which a stream is read on.
#[derive(Debug, PartialEq, Eq)]
struct Resumed {
    from: String,
    /// Whether entries may be gone.
    has_missed: bool,
}

/// Decides where to read on in a stream with this first and this newest entry.
fn resume(last: Option<&str>, first: Option<&str>, newest: Option<String>) -> Resumed {
    let Some(last) = last else {
        return Resumed { from: newest.unwrap_or_else(|| "0-0".to_owned()), has_missed: false };
    };
    let trimmed = is_trimmed(last, first);
    // The stream was made anew, or its end was lost in a failover. What is there was read before, and is not read again.
    let is_behind = newest.as_deref().and_then(number) < number(last);
    let from = match newest {
        Some(newest) if is_behind => newest,
        None if is_behind => "0-0".to_owned(),
        _ => last.to_owned(),
    };
    Resumed { from, has_missed: trimmed || is_behind }
}

/// Whether entries behind this one may be gone from a stream with this first one.
fn is_trimmed(last: &str, first: Option<&str>) -> bool {
    first.and_then(number) > number(last) && last != "0-0"
}

fn number(id: &str) -> Option<EntryId> {
    id.parse().ok()
}

/// Reads until the connection is lost. Returns why.
async fn follow(
    shared: &Shared,
    streams: &Reading,
    options: &Options,
    stream: &str,
    last: &mut Option<String>,
    connection: &mut dyn Entries,
) -> String {
    loop {
        // The stream keeps what is not read yet.
        while !shared.router().has_space() {
            tokio::time::sleep(PAUSE).await;
        }
        let after = last.clone().unwrap_or_else(|| "0-0".to_owned());
        let reading = connection.read(stream, &after, options.read_count);
        let entries = match tokio::time::timeout(options.block_time + shared.timeout(), reading).await {
            Ok(Ok(entries)) => entries,
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "no answer in time".to_owned(),
        };
        let is_behind = entries.len() >= options.read_count;
        for entry in entries {
            // Whatever is in it: an entry that cannot be read is not read again.
            *last = Some(entry.id.clone());
            streams.arrived(shared, stream, entry);
        }
        if let Some(id) = last.as_deref().and_then(number) {
            shared.has_read(stream, id);
        }
        // Others may append so fast that the stream is trimmed before it is read.
        if is_behind {
            match tokio::time::timeout(shared.timeout(), connection.bounds(stream)).await {
                Ok(Ok((first, _))) if is_trimmed(&after, first.as_deref()) => {
                    shared.gap(Gap { lasted: Duration::ZERO, lost: None });
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return "no answer in time".to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_on_without_repeating_entries() {
        let at = |last, first, newest: Option<&str>| {
            let resumed = resume(last, first, newest.map(ToOwned::to_owned));
            (resumed.from, resumed.has_missed)
        };
        let is = |from: &str, has_missed| (from.to_owned(), has_missed);
        assert_eq!(at(None, None, None), is("0-0", false));
        assert_eq!(at(None, Some("1-0"), Some("5-0")), is("5-0", false), "from now on");
        assert_eq!(at(Some("5-0"), Some("1-0"), Some("9-0")), is("5-0", false));
        assert_eq!(at(Some("5-0"), Some("6-0"), Some("9-0")), is("5-0", true), "trimmed");
        assert_eq!(at(Some("0-0"), Some("6-0"), Some("9-0")), is("0-0", false));
        assert_eq!(at(Some("5-0"), None, None), is("0-0", true), "made anew");
        assert_eq!(at(Some("5-0"), Some("1-0"), Some("4-0")), is("4-0", true), "the end is lost");
    }
}
