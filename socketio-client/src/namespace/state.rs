//! State of a namespace: one enum, [`Membership`], and one function that changes it, [`State::transition`].
//! No I/O.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use engineio::client::Sender;
use serde_json::{Map, Value};
use socketio_parser::RawArgs;

use super::buffer::Buffer;
use super::early::{EarlyEvents, IncomingEvent};
use super::retry::{AckResultSender, RetryQueue};
use crate::disconnect_reason::DisconnectReason;
use crate::error::ConnectError;

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

/// Membership of a socket in its namespace. The socket is active in all states but `Idle`.
///
/// ```text
///            Activate          Join            Confirm
///      Idle ──────────> Waiting ────> Joining ─────────> Connected
///       ^                  ^             │                   │
///       │                  └─────────────┴───────────────────┤ Lose, Fail, with retry
///       └────── from each of them, Leave; Lose, Fail, without retry
/// ```
///
/// `reply_pending` says that a CONNECT was sent on this connection, and that the server has not replied yet.
/// A reply may be pending after the socket has left: the next CONNECT waits for it.
#[derive(Debug)]
pub(super) enum Membership {
    /// Inactive. The error is the reason, if the last attempt failed.
    Idle { error: Option<ConnectError>, reply_pending: bool },
    /// Waits for an open connection.
    Waiting { reply_pending: bool },
    /// CONNECT is being prepared or has been sent, by the attempt of this number. Socket.IO v2 servers do not
    /// reply to each CONNECT, so no reply is pending with them.
    Joining { attempt: u64, reply_pending: bool },
    /// Connected with this socket id over this connection.
    Connected { id: String, connection: Sender },
}

/// Input of the state machine.
pub(super) enum Input {
    /// The application connects the socket.
    Activate,
    /// The connection is open.
    Join,
    /// CONNECT was sent by the attempt of this number.
    ConnectSent(u64),
    /// The server replied to a CONNECT, or its connection does not exist any more.
    Reply,
    /// The server confirmed a CONNECT.
    Confirm { id: String, pid: Option<String>, connection: Sender },
    /// An attempt failed.
    Fail { error: ConnectError, retry: bool },
    /// The connection was lost, or the server disconnected the socket.
    Lose { retry: bool },
    /// The application disconnects the socket.
    Leave,
}

/// Result of a transition. The caller drops it without the lock of the namespace: the drop of a sender wakes
/// a task.
#[derive(Debug)]
#[must_use]
pub(super) struct Transition {
    pub(super) previous: Membership,
    /// Events that arrived before the confirmation: to be dispatched after a confirmation, otherwise to be
    /// discarded.
    pub(super) early: Vec<IncomingEvent>,
    /// Emits whose acknowledgement cannot arrive any more. They fail when their sender is dropped.
    _cancelled: Vec<AckResultSender>,
}

/// State of one socket in its namespace.
#[derive(Default)]
pub(crate) struct State {
    membership: Membership,
    /// Number of attempts to join. The current one has this number.
    attempts: u64,
    /// Error of the last attempt, until one succeeds.
    last_error: Option<ConnectError>,
    /// Private id of the session, if the server supports recovery.
    pid: Option<String>,
    /// Offset of the last event, for the recovery.
    offset: Option<String>,
    /// Whether the last confirmation recovered the session.
    recovered: bool,
    auth: Auth,
    pub(super) acks: HashMap<u64, AckResultSender>,
    pub(super) buffer: Buffer,
    pub(super) retry_queue: RetryQueue,
    /// Events that arrived before the confirmation. Empty unless joining.
    pub(super) early: EarlyEvents,
    pub(super) notices: Vec<Notice>,
}

impl Transition {
    pub(super) fn was_connected(&self) -> bool {
        matches!(self.previous, Membership::Connected { .. })
    }
}

impl Membership {
    fn is_reply_pending(&self) -> bool {
        match self {
            Self::Idle { reply_pending, .. }
            | Self::Waiting { reply_pending }
            | Self::Joining { reply_pending, .. } => *reply_pending,
            Self::Connected { .. } => false,
        }
    }
}

impl Default for Membership {
    fn default() -> Self {
        Self::Idle { error: None, reply_pending: false }
    }
}

impl State {
    pub(super) fn new(retry_queue: RetryQueue) -> Self {
        Self { retry_queue, ..Self::default() }
    }

    /// Applies an input. `None` if it has no effect in the current state.
    pub(super) fn transition(&mut self, input: Input) -> Option<Transition> {
        use Membership::{Connected, Idle, Joining, Waiting};
        let reply_pending = self.membership.is_reply_pending();
        match &input {
            Input::Fail { error, .. } => self.last_error = Some(error.clone()),
            Input::Activate | Input::Confirm { .. } => self.last_error = None,
            _ => {}
        }
        let detaches = matches!(input, Input::Fail { .. } | Input::Lose { .. } | Input::Leave);
        let next = match (&self.membership, input) {
            (Idle { .. }, Input::Activate) => Waiting { reply_pending },
            // Not while a reply is pending: a server that receives a second CONNECT closes the connection.
            (Waiting { reply_pending: false }, Input::Join) => {
                self.attempts += 1;
                Joining { attempt: self.attempts, reply_pending }
            }
            (Joining { attempt, .. }, Input::ConnectSent(sent)) if *attempt == sent => {
                Joining { attempt: sent, reply_pending: true }
            }
            (Joining { .. }, Input::Confirm { id, pid, connection }) => {
                self.recovered = pid.is_some() && pid == self.pid;
                if !self.recovered {
                    self.offset = None;
                }
                self.pid = pid;
                Connected { id, connection }
            }
            (Idle { error, reply_pending: true }, Input::Reply) => {
                Idle { error: error.clone(), reply_pending: false }
            }
            (Waiting { reply_pending: true }, Input::Reply) => Waiting { reply_pending: false },
            (Joining { attempt, reply_pending: true }, Input::Reply) => {
                Joining { attempt: *attempt, reply_pending: false }
            }
            (
                Waiting { .. } | Joining { .. } | Connected { .. },
                Input::Lose { retry: true } | Input::Fail { retry: true, .. },
            ) => Waiting { reply_pending },
            (Waiting { .. } | Joining { .. } | Connected { .. }, Input::Fail { error, retry: false }) => {
                Idle { error: Some(error), reply_pending }
            }
            (
                Waiting { .. } | Joining { .. } | Connected { .. },
                Input::Leave | Input::Lose { retry: false },
            ) => Idle { error: None, reply_pending },
            _ => return None,
        };
        let previous = std::mem::replace(&mut self.membership, next);
        let is_joining = matches!(self.membership, Joining { .. });
        let early = if is_joining { Vec::new() } else { self.early.take() };
        let mut cancelled = Vec::new();
        if detaches {
            cancelled = self.take_unbuffered_acks();
            cancelled.extend(self.retry_queue.reset_in_flight());
        }
        Some(Transition { previous, early, _cancelled: cancelled })
    }

    /// Takes the senders of all pending acknowledgements, except those of events that are still buffered.
    fn take_unbuffered_acks(&mut self) -> Vec<AckResultSender> {
        let sent: Vec<_> = self.acks.keys().copied().filter(|id| !self.buffer.has(*id)).collect();
        sent.iter().filter_map(|id| self.acks.remove(id)).collect()
    }

    /// Result for tasks that wait until the socket is connected or inactive. `None` while it is connecting.
    pub(super) fn outcome(&self) -> Option<Result<(), ConnectError>> {
        match &self.membership {
            Membership::Idle { error, .. } => Some(Err(error.clone().unwrap_or(ConnectError::Inactive))),
            Membership::Waiting { .. } | Membership::Joining { .. } => None,
            Membership::Connected { .. } => Some(Ok(())),
        }
    }

    /// Error of the last attempt, if none has succeeded since.
    pub(crate) fn last_error(&self) -> Option<ConnectError> {
        self.last_error.clone()
    }

    #[cfg(test)]
    pub(super) fn membership(&self) -> &Membership {
        &self.membership
    }

    pub(crate) fn id(&self) -> Option<&str> {
        match &self.membership {
            Membership::Connected { id, .. } => Some(id),
            _ => None,
        }
    }

    pub(super) fn connection(&self) -> Option<&Sender> {
        match &self.membership {
            Membership::Connected { connection, .. } => Some(connection),
            _ => None,
        }
    }

    /// The connection, unless its heartbeat is overdue, so that it will be closed.
    pub(super) fn live_connection(&self) -> Option<&Sender> {
        self.connection().filter(|connection| !connection.is_overdue())
    }

    pub(crate) fn is_active(&self) -> bool {
        !matches!(self.membership, Membership::Idle { .. })
    }

    /// Whether the socket is inactive, and nothing of it is left for the application or the server.
    pub(super) fn is_finished(&self) -> bool {
        let is_idle = matches!(self.membership, Membership::Idle { reply_pending: false, .. });
        is_idle && self.notices.is_empty()
    }

    pub(super) fn is_joining(&self) -> bool {
        matches!(self.membership, Membership::Joining { .. })
    }

    /// Whether this attempt is the current one.
    pub(crate) fn is_joining_with(&self, attempt: u64) -> bool {
        matches!(self.membership, Membership::Joining { attempt: current, .. } if current == attempt)
    }

    /// Number of attempts to join.
    pub(super) fn attempts(&self) -> u64 {
        self.attempts
    }

    pub(crate) fn is_recovered(&self) -> bool {
        self.recovered
    }

    pub(crate) fn queued(&self) -> usize {
        self.retry_queue.len()
    }

    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    pub(crate) fn early(&self) -> usize {
        self.early.len()
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Returns the previous credentials. The caller drops them without the lock, because a function may own a
    /// socket.
    #[must_use]
    pub(crate) fn set_auth(&mut self, auth: Auth) -> Auth {
        std::mem::replace(&mut self.auth, auth)
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

    /// Notes the offset of an event, which is its last argument if the server supports recovery.
    pub(super) fn note_offset(&mut self, args: &RawArgs) {
        if self.pid.is_none() || args.is_empty() {
            return;
        }
        if let Ok(offset) = args.parse(args.len() - 1) {
            self.offset = Some(offset);
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("membership", &self.membership).finish_non_exhaustive()
    }
}
