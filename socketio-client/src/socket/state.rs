//! Where a socket stands: one enum, and what depends on it. No I/O.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use engineio::client::Sender;
use serde_json::{Map, Value};
use socketio_parser::{Event, RawArgs};

use super::context::SocketEvent;
use crate::buffer::Buffer;
use crate::disconnect_reason::DisconnectReason;
use crate::inbox::Inbox;
use crate::retry::{Answer, Queue};

pub(crate) type AuthFuture = Pin<Box<dyn Future<Output = Result<Value, serde_json::Error>> + Send>>;

/// What the server gets to see.
#[derive(Clone, Default)]
pub(crate) enum Auth {
    #[default]
    None,
    Value(Value),
    Function(Arc<dyn Fn() -> AuthFuture + Send + Sync>),
}

/// Something that has to be told by the connection's task.
#[derive(Debug)]
pub(crate) enum Notice {
    Disconnect(DisconnectReason),
    /// Nothing more happens unless the application connects again.
    End,
}

/// An event that came, and the id of the answer that the server wants to it.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) event: Event,
    pub(crate) ack_id: Option<u64>,
}

#[derive(Debug, Default)]
enum Phase {
    /// It does not want to be connected.
    #[default]
    Idle,
    /// It wants to be connected, as soon as the connection is open.
    Wanted,
    /// It has asked the server, or is about to, for the n-th time.
    Joining(u64),
    /// It is connected, with this id, over this connection.
    Connected { id: String, link: Sender },
}

/// The state of one socket.
#[derive(Default)]
pub(crate) struct State {
    phase: Phase,
    joins: u64,
    /// The server was asked on this connection, and has not answered yet.
    asked: bool,
    /// What the server knows the old socket by, if it keeps what a client misses.
    pid: Option<String>,
    /// The last event that has come.
    offset: Option<String>,
    recovered: bool,
    auth: Auth,
    pub(super) acks: HashMap<u64, Answer>,
    pub(super) buffer: Buffer,
    pub(super) queue: Queue,
    /// Events that came before the server's confirmation.
    pub(super) early: Vec<Arrived>,
    pub(super) notices: Vec<Notice>,
    pub(super) inbox: Weak<Inbox<SocketEvent>>,
}

impl State {
    pub(crate) fn id(&self) -> Option<&str> {
        match &self.phase {
            Phase::Connected { id, .. } => Some(id),
            _ => None,
        }
    }

    /// How often it has asked to join.
    pub(super) fn joins(&self) -> u64 {
        self.joins
    }

    pub(super) fn link(&self) -> Option<&Sender> {
        match &self.phase {
            Phase::Connected { link, .. } => Some(link),
            _ => None,
        }
    }

    /// The connection, unless it is about to be found dead.
    pub(super) fn live_link(&self) -> Option<&Sender> {
        self.link().filter(|link| !link.is_overdue())
    }

    pub(crate) fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    /// Whether it does not want to be connected, and that has been told to everybody.
    pub(super) fn is_over(&self) -> bool {
        !self.is_active() && !self.asked && self.notices.is_empty()
    }

    pub(super) fn is_joining(&self) -> bool {
        matches!(self.phase, Phase::Joining(_))
    }

    pub(crate) fn is_recovered(&self) -> bool {
        self.recovered
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Gives back what was there, to be dropped outside of the lock: a function may own a handle.
    #[must_use]
    pub(crate) fn set_auth(&mut self, auth: Auth) -> Auth {
        std::mem::replace(&mut self.auth, auth)
    }

    /// `true` if it did not want to be connected before.
    pub(super) fn want(&mut self) -> bool {
        let was_idle = !self.is_active();
        if was_idle {
            self.phase = Phase::Wanted;
        }
        was_idle
    }

    /// The connection is open: the server can be asked now, unless it owes an answer to who has left before it came. A
    /// server that is asked twice closes the connection.
    pub(super) fn begin_join(&mut self) -> Option<(u64, Auth)> {
        if self.asked || !matches!(self.phase, Phase::Wanted) {
            return None;
        }
        self.joins += 1;
        self.phase = Phase::Joining(self.joins);
        Some((self.joins, self.auth.clone()))
    }

    /// The server was asked.
    pub(super) fn asked(&mut self) {
        self.asked = true;
    }

    /// The server has answered, or never will. Whether it was for who asked: the socket has not left in the meantime.
    pub(super) fn settle(&mut self) -> bool {
        !std::mem::take(&mut self.asked) || self.is_joining()
    }

    /// Whether this attempt to join is the one that counts.
    pub(crate) fn is_join(&self, number: u64) -> bool {
        matches!(self.phase, Phase::Joining(joins) if joins == number)
    }

    /// What the CONNECT packet says: the credentials, and which socket this was.
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

    /// The server has confirmed. Whether it has found the old socket.
    pub(super) fn joined(&mut self, id: String, pid: Option<String>, link: Sender) -> bool {
        self.recovered = pid.is_some() && pid == self.pid;
        if !self.recovered {
            self.offset = None;
        }
        self.pid = pid;
        self.phase = Phase::Connected { id, link };
        self.recovered
    }

    /// Remembers the last event, which its last argument names.
    pub(super) fn note_offset(&mut self, args: &RawArgs) {
        if self.pid.is_none() || args.is_empty() {
            return;
        }
        if let Ok(offset) = args.parse(args.len() - 1) {
            self.offset = Some(offset);
        }
    }

    /// The connection is gone, or the namespace left. `true` if the socket was connected. Whoever waits for an answer
    /// learns that none will come, but for events that have not left.
    pub(super) fn part(&mut self, stay_active: bool) -> bool {
        let was_connected = self.link().is_some();
        if self.is_active() {
            self.phase = if stay_active { Phase::Wanted } else { Phase::Idle };
        }
        self.early.clear();
        let buffer = &self.buffer;
        self.acks.retain(|id, _| buffer.has(*id));
        self.queue.land();
        was_connected
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("phase", &self.phase).finish_non_exhaustive()
    }
}
