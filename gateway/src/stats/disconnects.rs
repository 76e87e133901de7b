//! Statistics of disconnected clients: a counter per reason, and the most recent ones.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::MutexGuard;
use std::time::SystemTime;

use engineio::sync::Mutex;
use engineio::{CloseReason, Fault};
use serde::{Deserialize, Serialize};
use socketio_server::{DisconnectReason, Socket};

use crate::native;

/// Number of disconnected clients that are listed individually.
pub(crate) const MAX_RECENT: usize = 20;
/// Reason of a client that reads too slowly. The official protocol has no word of its own for it.
pub(crate) const SLOW_CONSUMER: &str = "slow consumer";

/// Statistics of disconnected clients since the start.
#[derive(Debug, Default)]
pub(crate) struct Disconnects(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counts: BTreeMap<&'static str, u64>,
    recent: VecDeque<Disconnect>,
}

/// Disconnected client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnect {
    /// Time of the disconnect, as RFC 3339 with milliseconds.
    pub at: String,
    /// Id of the socket.
    pub id: String,
    /// Namespace of the socket.
    pub namespace: String,
    /// `native`, or the transport of Socket.IO.
    pub transport: Cow<'static, str>,
    /// Reason: that of the official server, or `slow consumer`.
    pub reason: Cow<'static, str>,
}

impl Disconnects {
    /// Counts a disconnected client.
    pub(crate) fn add(&self, socket: &Socket, reason: DisconnectReason) {
        let close = Disconnect {
            at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            id: socket.id().to_owned(),
            namespace: socket.namespace().to_owned(),
            transport: native::transport(socket.session()).into(),
            reason: reason_name(reason).into(),
        };
        let mut inner = self.lock();
        *inner.counts.entry(reason_name(reason)).or_default() += 1;
        inner.recent.truncate(MAX_RECENT - 1);
        inner.recent.push_front(close);
    }

    /// Number of disconnected clients by reason.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }

    /// The most recently disconnected clients, newest first.
    pub(crate) fn recent(&self) -> Vec<Disconnect> {
        self.lock().recent.iter().cloned().collect()
    }

    /// Locks the state. No change can be interrupted, so a poisoned lock is still consistent.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock()
    }
}

/// Name of a reason. The official reason is the same for a slow consumer and a broken connection; operators
/// need the difference.
fn reason_name(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::Connection(CloseReason::TransportError(Fault::SlowConsumer)) => SLOW_CONSUMER,
        _ => reason.as_str(),
    }
}
