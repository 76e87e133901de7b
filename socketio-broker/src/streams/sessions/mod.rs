//! Recovery on any node: sessions in a store, and missed events from the stream.

mod stored;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socketio_cluster::streams::{EntryId, Session, decode_entry_if};
use socketio_cluster::{Envelope, Message, Room};
use socketio_server::NotRecovered;
use socketio_server::cluster::{
    AdapterError, BoxFuture, Lease, MissedEvent, Restored, SessionStore, StoredSession,
};

pub use self::stored::StoredKeys;
use super::node::StreamsNode;
use super::reader::offset;
use crate::driver::{Entry, Reply, Request};
use crate::error::PublishError;
use crate::link::adapter_error;

/// Maximum length of a secret, which clients send. Those of all servers are shorter.
const MAX_PID: usize = 256;

/// Maximum size in bytes of the events that a client has missed.
const MAX_MISSED_BYTES: usize = 16 << 20;

/// Store of sessions, under the secrets of their clients (`pid`).
///
/// A session has an owner: a node and the number of a socket there. An operation of another one than the current owner has
/// no effect, so that a node whose client was recovered elsewhere changes nothing any more. Writes are queued, and carried out
/// in the order of the calls for each client.
pub trait SessionKeys: Send + Sync + 'static {
    /// Keeps the session of a client that has disconnected.
    fn persist(
        &self,
        pid: &str,
        owner: Bytes,
        session: Bytes,
        keep_for: Duration,
    ) -> Result<(), PublishError>;

    /// Keeps the session of a connected client.
    fn write_ahead(
        &self,
        pid: &str,
        owner: Bytes,
        session: Bytes,
        keep_for: Duration,
    ) -> Result<(), PublishError>;

    /// Removes the session of a client that will not be recovered.
    fn forget(&self, pid: &str, owner: Bytes);

    /// Takes a session, so that it is recovered once, for a new owner.
    fn take<'a>(&'a self, pid: &'a str, owner: Bytes) -> BoxFuture<'a, Result<Option<Taken>, PublishError>>;
}

/// A session that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The session.
    pub session: Bytes,
    /// Whether it is that of a client that counts as connected.
    pub is_live: bool,
}

/// The store of a namespace.
pub(super) struct Sessions(pub(super) Arc<StreamsNode>);

/// Events of a range of the stream that a client has missed.
#[derive(Default)]
struct Missed {
    events: Vec<MissedEvent>,
    bytes: usize,
    read_to: Option<socketio_cluster::Offset>,
}

impl SessionStore for Sessions {
    fn persist(
        &self,
        session: StoredSession,
        lease: Lease,
        keep_for: Duration,
    ) -> BoxFuture<'_, Result<(), AdapterError>> {
        Box::pin(async move {
            let pid = session.pid.clone();
            let session = self.encode(session).map_err(adapter_error)?;
            self.0.keys.persist(&pid, self.owner(lease), session, keep_for).map_err(adapter_error)
        })
    }

    fn writes_ahead(&self) -> bool {
        self.0.options.write_sessions_ahead
    }

    fn write_ahead(
        &self,
        session: StoredSession,
        lease: Lease,
        keep_for: Duration,
    ) -> Result<(), AdapterError> {
        let pid = session.pid.clone();
        let session = self.encode(session).map_err(adapter_error)?;
        self.0.keys.write_ahead(&pid, self.owner(lease), session, keep_for).map_err(adapter_error)
    }

    fn forget(&self, pid: &str, lease: Lease) {
        self.0.keys.forget(pid, self.owner(lease));
    }

    fn restore<'a>(
        &'a self,
        pid: &'a str,
        seen: &'a str,
        lease: Lease,
    ) -> BoxFuture<'a, Result<Restored, NotRecovered>> {
        Box::pin(async move {
            let seen: EntryId = seen.parse().map_err(|_| NotRecovered::UnknownOffset)?;
            if pid.is_empty() || pid.len() > MAX_PID {
                return Err(NotRecovered::UnknownSession);
            }
            let session = self.take(pid, lease).await?;
            let mut rooms = session.rooms.clone();
            rooms.push(session.sid.as_str().into());
            let missed = self.missed(seen, &rooms).await?;
            let read_to = missed.read_to.ok_or(NotRecovered::UnknownOffset)?;
            let Session { sid, pid, rooms, data, .. } = session;
            Ok(Restored { session: StoredSession { sid, pid, rooms, data }, missed: missed.events, read_to })
        })
    }
}

impl Sessions {
    /// The holder of a session.
    fn owner(&self, lease: Lease) -> Bytes {
        format!("{}:{}", self.0.member.id, lease.number()).into()
    }

    fn encode(&self, session: StoredSession) -> Result<Bytes, PublishError> {
        let StoredSession { sid, pid, rooms, data } = session;
        let namespace = Some(self.0.member.namespace.to_string());
        Ok(Session { sid, pid, rooms, data, namespace }.encode(&self.0.member.limits)?.into())
    }

    /// Takes a session out of the store. The socket of a session that was written ahead is disconnected.
    async fn take(&self, pid: &str, lease: Lease) -> Result<Session, NotRecovered> {
        let taken = match self.0.keys.take(pid, self.owner(lease)).await {
            Ok(Some(taken)) => taken,
            Ok(None) => return Err(NotRecovered::UnknownSession),
            Err(_) => return Err(NotRecovered::Unavailable),
        };
        let session = Session::decode(&taken.session, &self.0.member.limits);
        // A session of another namespace may have passed other middlewares.
        let is_ours = |session: &Session| {
            let namespace = session.namespace.as_deref();
            session.pid == pid && namespace.is_none_or(|namespace| *namespace == *self.0.member.namespace)
        };
        let session = session.ok().filter(is_ours).ok_or(NotRecovered::UnknownSession)?;
        if taken.is_live {
            self.0.disconnect(&session.sid).map_err(|_| NotRecovered::Unavailable)?;
        }
        Ok(session)
    }

    /// Reads the stream from the entry that the client has seen to its end.
    async fn missed(&self, seen: EntryId, rooms: &[Room]) -> Result<Missed, NotRecovered> {
        let mut missed = Missed::default();
        let (mut from, mut read) = (seen, 0);
        let count = self.0.options.read_count;
        // Entries are trimmed in blocks, so that a stream is longer than its limit.
        let most = self.0.options.max_len.saturating_mul(2).saturating_add(1000);
        loop {
            let range = Request::Range { stream: self.0.stream.clone(), from: from.to_string(), count };
            let entries = match self.0.member.medium.request(range).await {
                Ok(Reply::Entries(entries)) => entries,
                // An empty reply has no form of its own.
                Ok(Reply::Nothing) => Vec::new(),
                Ok(_) | Err(_) => return Err(NotRecovered::Unavailable),
            };
            let is_last = entries.len() < count;
            read += entries.len() as u64;
            for entry in entries {
                let id: EntryId = entry.id.parse().map_err(|_| NotRecovered::UnknownOffset)?;
                from = id.next();
                if id == seen || missed.read_to.is_some() {
                    self.examine(entry, id == seen, rooms, &mut missed);
                }
                // The entry that the client has seen is gone, and later ones with it, or is of another namespace.
                if missed.read_to.is_none() || missed.bytes > MAX_MISSED_BYTES {
                    return Err(NotRecovered::UnknownOffset);
                }
            }
            if is_last {
                return Ok(missed);
            }
            if read > most {
                return Err(NotRecovered::UnknownOffset);
            }
        }
    }

    /// Adds an entry, if it is of this namespace and an event for the client that the client has not seen.
    fn examine(&self, entry: Entry, is_seen: bool, rooms: &[Room], missed: &mut Missed) {
        let namespace = entry.fields.iter().find(|(name, _)| &name[..] == b"nsp").map(|(_, value)| value);
        if namespace.is_none_or(|namespace| *namespace != self.0.member.namespace.as_bytes()) {
            return;
        }
        let Some(offset) = offset(entry.id.as_bytes()) else { return };
        missed.read_to = Some(offset.clone());
        if is_seen {
            return;
        }
        let bytes: usize = entry.fields.iter().map(|(_, value)| value.len()).sum();
        let event = decode_entry_if(entry.fields, &self.0.member.limits, |head| {
            let is_for_client = head.target.is_some_and(|target| target.matches(rooms));
            head.kind == 3 && !head.is_request && is_for_client
        });
        // One that cannot be read was delivered to no client.
        let Ok(Some(Envelope { message: Message::Broadcast { target, flags, event, .. }, .. })) = event
        else {
            return;
        };
        if !flags.volatile {
            missed.bytes += bytes;
            missed.events.push(MissedEvent { offset, target, event });
        }
    }
}
