//! State of a namespace. No I/O.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use engineio::client::Sender;
use serde_json::{Map, Value};
use socketio_parser::{Event, RawArgs};

use super::buffer::Buffer;
use super::retry::{AckResultSender, RetryQueue};
use crate::disconnect_reason::DisconnectReason;

pub(crate) type AuthFuture = Pin<Box<dyn Future<Output = Result<Value, serde_json::Error>> + Send>>;

/// Credentials for CONNECT.
#[derive(Clone, Default)]
pub(crate) enum Auth {
    #[default]
    None,
    Value(Value),
    Function(Arc<dyn Fn() -> AuthFuture + Send + Sync>),
}

/// Notification that the connection's task has to pass to the application.
#[derive(Debug)]
pub(crate) enum Notice {
    Disconnect(DisconnectReason),
    /// The socket is inactive. No event follows unless the application connects it again.
    End,
}

/// Event from the server, with the id of the requested acknowledgement.
#[derive(Debug)]
pub(crate) struct IncomingEvent {
    pub(crate) event: Event,
    pub(crate) ack_id: Option<u64>,
}

#[derive(Debug, Default)]
enum Phase {
    /// Inactive: not connected, and not to be connected.
    #[default]
    Idle,
    /// Active, and waits for an open connection.
    Waiting,
    /// CONNECT is being prepared or sent, by the attempt of this number.
    Joining(u64),
    /// Connected with this id over this connection.
    Connected { id: String, connection: Sender },
}

/// State of one socket in its namespace.
#[derive(Default)]
pub(crate) struct State {
    phase: Phase,
    /// Number of attempts to join.
    attempts: u64,
    /// CONNECT was sent on this connection, and the server has not replied yet.
    reply_pending: bool,
    /// Private id of the session, if the server supports recovery.
    pid: Option<String>,
    /// Offset of the last event, for the recovery.
    offset: Option<String>,
    recovered: bool,
    auth: Auth,
    pub(super) acks: HashMap<u64, AckResultSender>,
    pub(super) buffer: Buffer,
    pub(super) retry_queue: RetryQueue,
    /// Events that arrived before the server's confirmation.
    pub(super) early: Vec<IncomingEvent>,
    pub(super) notices: Vec<Notice>,
}

impl State {
    pub(crate) fn id(&self) -> Option<&str> {
        match &self.phase {
            Phase::Connected { id, .. } => Some(id),
            _ => None,
        }
    }

    /// Number of attempts to join.
    pub(super) fn attempts(&self) -> u64 {
        self.attempts
    }

    pub(super) fn connection(&self) -> Option<&Sender> {
        match &self.phase {
            Phase::Connected { connection, .. } => Some(connection),
            _ => None,
        }
    }

    /// The connection, unless its heartbeat is overdue, so that it will be closed.
    pub(super) fn live_connection(&self) -> Option<&Sender> {
        self.connection().filter(|connection| !connection.is_overdue())
    }

    pub(crate) fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    /// Whether the socket is inactive, and nothing of it is left for the application or the server.
    pub(super) fn is_finished(&self) -> bool {
        !self.is_active() && !self.reply_pending && self.notices.is_empty()
    }

    pub(super) fn is_joining(&self) -> bool {
        matches!(self.phase, Phase::Joining(_))
    }

    pub(crate) fn is_recovered(&self) -> bool {
        self.recovered
    }

    pub(crate) fn queued(&self) -> usize {
        self.retry_queue.len()
    }

    /// Returns the previous credentials. The caller drops them without the lock, because a function may own a socket.
    #[must_use]
    pub(crate) fn set_auth(&mut self, auth: Auth) -> Auth {
        std::mem::replace(&mut self.auth, auth)
    }

    /// `true` if the socket was inactive.
    pub(super) fn activate(&mut self) -> bool {
        let was_idle = !self.is_active();
        if was_idle {
            self.phase = Phase::Waiting;
        }
        was_idle
    }

    /// Starts an attempt to join, over an open connection. Not while a reply to an earlier CONNECT is pending: a server
    /// that receives a second CONNECT closes the connection.
    pub(super) fn begin_join(&mut self) -> Option<(u64, Auth)> {
        if self.reply_pending || !matches!(self.phase, Phase::Waiting) {
            return None;
        }
        self.attempts += 1;
        self.phase = Phase::Joining(self.attempts);
        Some((self.attempts, self.auth.clone()))
    }

    pub(super) fn connect_sent(&mut self) {
        self.reply_pending = true;
    }

    /// Clears the pending reply. `false` if the socket has been disconnected since its CONNECT.
    pub(super) fn take_reply(&mut self) -> bool {
        !std::mem::take(&mut self.reply_pending) || self.is_joining()
    }

    /// Whether this attempt is the current one.
    pub(crate) fn is_joining_with(&self, attempt: u64) -> bool {
        matches!(self.phase, Phase::Joining(current) if current == attempt)
    }

    /// Data of the CONNECT packet: the credentials, and the session to recover.
    pub(super) fn connect_data(&self, auth: Option<Value>) -> Option<Value> {
        let Some(pid) = &self.pid else { return auth };
        let mut data = Map::new();
        data.insert("pid".to_owned(), pid.as_str().into());
        if let Some(offset) = &self.offset {
            data.insert("offset".to_owned(), offset.as_str().into());
        }
        if let Some(Value::Object(auth)) = auth {
            data.extend(auth);
        }
        Some(Value::Object(data))
    }

    /// Handles the server's confirmation. `true` if the session was recovered.
    pub(super) fn confirm(&mut self, id: String, pid: Option<String>, connection: Sender) -> bool {
        self.recovered = pid.is_some() && pid == self.pid;
        if !self.recovered {
            self.offset = None;
        }
        self.pid = pid;
        self.phase = Phase::Connected { id, connection };
        self.recovered
    }

    /// Notes the offset of an event, which is its last argument if the server supports recovery.
    pub(super) fn note_offset(&mut self, args: &RawArgs) {
        if self.pid.is_none() || args.is_empty() {
            return;
        }
        if let Ok(offset) = args.parse(args.len() - 1) {
            self.offset = Some(offset);
        }
    }

    /// Leaves the connection. Pending acknowledgements fail, except those of events that are still buffered. `true` if the
    /// socket was connected.
    pub(super) fn leave(&mut self, stay_active: bool) -> bool {
        let was_connected = self.connection().is_some();
        if self.is_active() {
            self.phase = if stay_active { Phase::Waiting } else { Phase::Idle };
        }
        self.early.clear();
        let buffer = &self.buffer;
        self.acks.retain(|id, _| buffer.has(*id));
        self.retry_queue.reset_in_flight();
        was_connected
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("phase", &self.phase).finish_non_exhaustive()
    }
}
