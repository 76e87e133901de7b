//! The tasks that read the streams: one connection each, from the last entry that was read, whatever happens
//! in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use socketio_cluster::streams::EntryId;

use super::Options;
use crate::driver::{Entries, Entry};
use crate::medium::mailbox::Mailbox;
use crate::medium::{Gap, Medium, Shared};

/// Pause of the reading while too many messages wait.
const PAUSE: Duration = Duration::from_millis(10);

/// The mailboxes of the namespaces.
#[derive(Default)]
pub(super) struct Streams {
    mailboxes: Mutex<HashMap<Arc<str>, Arc<Mailbox>>>,
}

impl Streams {
    /// Starts a task for each stream.
    pub(super) fn start(medium: &Medium, options: &Arc<Options>) -> Arc<Self> {
        let streams = Arc::new(Self::default());
        for number in 0..options.stream_count {
            let name = if options.stream_count == 1 {
                options.stream_name.clone()
            } else {
                format!("{}-{number}", options.stream_name)
            };
            medium.shared().expect_stream();
            let (shared, streams) = (Arc::clone(medium.shared()), Arc::clone(&streams));
            tokio::spawn(run(shared, streams, Arc::clone(options), name));
        }
        streams
    }

    pub(super) fn add(&self, namespace: &Arc<str>, mailbox: &Arc<Mailbox>) {
        self.mailboxes.lock().insert(Arc::clone(namespace), Arc::clone(mailbox));
    }

    /// Removes the mailbox, unless the namespace has a new one.
    pub(super) fn remove(&self, namespace: &Arc<str>, mailbox: &Arc<Mailbox>) {
        let mut mailboxes = self.mailboxes.lock();
        if mailboxes.get(namespace).is_some_and(|current| Arc::ptr_eq(current, mailbox)) {
            mailboxes.remove(namespace);
        }
    }

    /// Passes an entry to its namespace. One without a namespace, or for one that is not here, has no effect.
    fn arrived(&self, shared: &Shared, entry: Entry) {
        let name = entry.fields.iter().find(|(name, _)| &name[..] == b"nsp").map(|(_, value)| value);
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let mailbox = name.and_then(|name| self.mailboxes.lock().get(name).cloned());
        shared.router.entry_arrived(mailbox.as_deref(), entry.id, entry.fields);
    }
}

/// Reads a stream until the medium is stopped.
async fn run(shared: Arc<Shared>, streams: Arc<Streams>, options: Arc<Options>, stream: String) {
    let mut backoff = shared.backoff();
    // The last entry that was read; from the first connection on.
    let mut last: Option<String> = None;
    loop {
        let reading = read(&shared, &streams, &options, &stream, &mut last, || backoff.connected());
        let reason = tokio::select! {
            reason = reading => reason,
            () = shared.stopped() => return,
        };
        crate::trace::disconnected("stream", &reason);
        tokio::select! {
            () = tokio::time::sleep(backoff.next()) => {}
            () = shared.stopped() => return,
        }
    }
}

/// Opens a connection, and reads until it is lost. Returns why it ended.
async fn read(
    shared: &Shared,
    streams: &Streams,
    options: &Options,
    stream: &str,
    last: &mut Option<String>,
    connected: impl FnOnce(),
) -> String {
    let opening = tokio::time::timeout(shared.timeout(), shared.driver().entries(options.block_time));
    let mut connection = match opening.await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return "no answer in time".to_owned(),
    };
    connected();
    let bounds = tokio::time::timeout(shared.timeout(), connection.bounds(stream)).await;
    let (first, newest) = match bounds {
        Ok(Ok(bounds)) => bounds,
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return "no answer in time".to_owned(),
    };
    let from = match last.as_ref() {
        None => newest.unwrap_or_else(|| "0-0".to_owned()),
        Some(last) => {
            // A stream that is shorter than before was made anew.
            let number = |id: &str| id.parse::<EntryId>().ok();
            let missed = first.as_deref().and_then(number) > number(last) && last != "0-0";
            let restarted = newest.as_deref().and_then(number) < number(last);
            if missed || restarted {
                shared.gap(Gap { lasted: Duration::ZERO, lost: None });
            }
            if restarted { "0-0".to_owned() } else { last.clone() }
        }
    };
    *last = Some(from);
    shared.stream(true);
    let reason = follow(shared, streams, options, stream, last, &mut *connection).await;
    shared.stream(false);
    reason
}

/// Reads until the connection is lost. Returns why.
async fn follow(
    shared: &Shared,
    streams: &Streams,
    options: &Options,
    stream: &str,
    last: &mut Option<String>,
    connection: &mut dyn Entries,
) -> String {
    loop {
        // The stream keeps what is not read yet.
        while !shared.router.has_space() {
            tokio::time::sleep(PAUSE).await;
        }
        let after = last.as_deref().unwrap_or("0-0");
        let reading = connection.read(stream, after, options.read_count);
        match tokio::time::timeout(options.block_time + shared.timeout(), reading).await {
            Ok(Ok(entries)) => {
                for entry in entries {
                    // Whatever is in it: an entry that cannot be read is not read again.
                    *last = Some(entry.id.clone());
                    streams.arrived(shared, entry);
                }
            }
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "no answer in time".to_owned(),
        }
    }
}
