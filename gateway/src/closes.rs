//! Why clients went: how many for each reason, and the last of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use engineio::{CloseReason, Fault};
use serde::Serialize;
use socketio_server::{DisconnectReason, Socket};

use crate::native;

/// So many are remembered one by one.
const REMEMBERED: usize = 20;
/// What we call it when a client reads too slowly.
pub(crate) const SLOW_CONSUMER: &str = "slow consumer";

/// All that went since the start.
#[derive(Debug, Default)]
pub(crate) struct Closes(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counts: BTreeMap<&'static str, u64>,
    last: VecDeque<Close>,
}

/// A client that went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Close {
    /// When.
    pub at: String,
    /// The id of its socket.
    pub id: String,
    /// From which namespace.
    pub namespace: String,
    /// `native`, or the transport of Socket.IO.
    pub over: &'static str,
    /// Why: the official server's word, or `slow consumer`.
    pub reason: &'static str,
}

impl Closes {
    /// Remembers one.
    pub(crate) fn add(&self, socket: &Socket, reason: DisconnectReason) {
        let close = Close {
            at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            id: socket.id().to_owned(),
            namespace: socket.namespace().to_owned(),
            over: native::carrier(socket.session()),
            reason: word(reason),
        };
        let mut inner = self.lock();
        *inner.counts.entry(close.reason).or_default() += 1;
        inner.last.truncate(REMEMBERED - 1);
        inner.last.push_front(close);
    }

    /// How many went for each reason.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }

    /// The last that went, the very last first.
    pub(crate) fn last(&self) -> Vec<Close> {
        self.lock().last.iter().cloned().collect()
    }

    /// Counting leaves nothing half done, so a panic elsewhere is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The official word says the same of a client that reads too slowly as of a broken cable; operators want to know.
fn word(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::Connection(CloseReason::TransportError(Fault::SlowConsumer)) => SLOW_CONSUMER,
        _ => reason.as_str(),
    }
}
