//! Broadcasts: an emit or an operation on many sockets.

pub(crate) mod remote_socket;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use engineio::Text;
use engineio::sync::RwLock;
use serde::de::DeserializeOwned;
use socketio_events::Rejection;
use socketio_parser::ToArgs;

use self::remote_socket::RemoteSocket;
use crate::cluster::{AdapterError, Answer, Flags, Gathered, NamespaceNode};
use crate::encode::{self, Marks};
use crate::error::{EmitError, GatherError, Partial};
use crate::rooms::IntoRooms;
use crate::rooms::Target;

/// Builder of a broadcast or of another operation on many sockets. Each method returns a new builder, so a
/// builder can be kept and reused.
///
/// ```
/// # use std::time::Duration;
/// # use socketio_server::{GatherError, Server};
/// # async fn example(io: Server) -> Result<(), Box<dyn std::error::Error>> {
/// let members = io.to(["lobby", "news"]).except("quiet");
/// members.clone().emit("said", "hello").await?;
/// members.clone().volatile().emit("position", &[1, 2]).await?; // Clients that cannot take it now miss it.
/// members.clone().sockets_join("archive").await?;
/// for socket in members.clone().fetch_sockets().await? {
///     println!("{} in {:?}", socket.id(), socket.rooms());
/// }
/// // All answers that came in time, whoever was silent.
/// let answers = match members.timeout(Duration::from_millis(500)).emit_with_ack::<u32>("vote", &1).await {
///     Err(GatherError::Partial(partial)) => partial.answers,
///     complete => complete?,
/// };
/// # drop(answers);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Broadcast {
    scope: Scope,
    target: Target,
    flags: Flags,
    marks: Marks,
    /// Whether only sockets of this server are selected.
    local_only: bool,
    /// Maximum wait for acknowledgements without a `timeout`.
    ack_timeout: Duration,
    timeout: Option<Duration>,
}

/// The namespaces of a broadcast.
#[derive(Clone, Debug)]
enum Scope {
    Namespace(Arc<NamespaceNode>),
    /// All namespaces that were created from one pattern or function.
    Family(Arc<Family>),
}

/// The namespaces of one parent, by name.
#[derive(Debug, Default)]
pub(crate) struct Family(RwLock<BTreeMap<Arc<str>, Arc<NamespaceNode>>>);

impl Family {
    pub(crate) fn add(&self, node: &Arc<NamespaceNode>) {
        let mut nodes = self.0.write();
        nodes.insert(Arc::clone(node.name()), Arc::clone(node));
    }

    pub(crate) fn remove(&self, name: &str) {
        self.0.write().remove(name);
    }

    pub(crate) fn all(&self) -> Vec<Arc<NamespaceNode>> {
        self.0.read().values().cloned().collect()
    }
}

impl Broadcast {
    pub(crate) fn new(node: Arc<NamespaceNode>, ack_timeout: Duration) -> Self {
        Self::of(Scope::Namespace(node), ack_timeout)
    }

    pub(crate) fn to_family(family: Arc<Family>, ack_timeout: Duration) -> Self {
        Self::of(Scope::Family(family), ack_timeout)
    }

    fn of(scope: Scope, ack_timeout: Duration) -> Self {
        Self {
            scope,
            target: Target::default(),
            flags: Flags::default(),
            marks: Marks::NONE,
            local_only: false,
            ack_timeout,
            timeout: None,
        }
    }

    /// Adds rooms. A socket in several of them receives the event once.
    pub fn to(mut self, rooms: impl IntoRooms) -> Self {
        self.target.rooms.extend(rooms.into_rooms());
        self
    }

    /// The same as [`to`](Self::to).
    pub fn r#in(self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// Excludes the members of rooms. The id of a socket is a room too.
    pub fn except(mut self, rooms: impl IntoRooms) -> Self {
        self.target.except.extend(rooms.into_rooms());
        self
    }

    /// Selects only sockets of this server.
    pub fn local(mut self) -> Self {
        self.local_only = true;
        self
    }

    /// Skips sockets that cannot take the event at once.
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Whether the event may be compressed, if compression is enabled.
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = compress;
        self
    }

    /// Adds a note that the [translators](engineio::Translator) of this server receive with the event, such
    /// as its sender, and those of other servers if it has at most 23 bytes. Socket.IO clients do not see it, and
    /// events with acknowledgements do not carry it.
    pub fn note(mut self, note: impl Into<Text>) -> Self {
        self.marks.note = Some(note.into());
        self
    }

    /// Marks the event as the latest value of `key`, such as the price of one share. In the outbox of a slow
    /// client it replaces the event with the same key that still waits, if the server drops messages of slow
    /// clients by [`SlowConsumer::Conflate`](engineio::SlowConsumer::Conflate). Sockets of other servers receive
    /// an event without a key, and events with acknowledgements have none.
    pub fn conflate_by(mut self, key: NonZeroU32) -> Self {
        self.marks.conflation_key = Some(key);
        self
    }

    /// Maximum wait for acknowledgements, and of [`fetch_sockets`](Self::fetch_sockets) for other servers.
    /// Default [`Config::ack_timeout`](crate::Config::ack_timeout), and for other servers
    /// [`ClusterLink::request_timeout`](crate::cluster::ClusterLink::request_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    fn ack_timeout(&self) -> Duration {
        self.timeout.unwrap_or(self.ack_timeout)
    }

    /// Sends the event to all selected sockets. It is encoded once, or not at all if no socket is selected.
    /// The method is async because other servers of a cluster may be involved.
    ///
    /// # Errors
    ///
    /// The event cannot be encoded, or other servers were not reached.
    pub async fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        for node in &*self.nodes() {
            if self.reaches_cluster(node) || node.has_outgoing() || node.is_recoverable(self.flags) {
                let event = encode::to_event(node.parser(), event, args)?;
                node.broadcast(&self.target, self.flags, event, &self.marks, self.local_only).await?;
            } else {
                node.deliver(&self.target, self.flags, None, |offset| {
                    let message = encode::event(node.parser(), node.name(), None, event, args, offset)?;
                    Ok(self.marks.put_on(message))
                })?;
            }
        }
        Ok(())
    }

    /// Sends the event `message`.
    ///
    /// # Errors
    ///
    /// See [`emit`](Self::emit).
    pub async fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.emit("message", args).await
    }

    /// Sends the event and collects the acknowledgements, each one's first argument deserialized as `T`. An
    /// error contains those that arrived in time. Acknowledgements beyond
    /// [`max_gathered_bytes`](crate::Config::max_gathered_bytes) are dropped and count as missing.
    ///
    /// # Errors
    ///
    /// Some answers are missing ([`GatherError::Partial`], with those that arrived), the event was not sent,
    /// a handler of a client failed, or an answer is not a `T`.
    #[doc(alias = "emitWithAck")]
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<Vec<T>, GatherError<T>> {
        let mut all = Gathered::default();
        for node in &*self.nodes() {
            let for_cluster = self.reaches_cluster(node);
            let outgoing = node.has_outgoing();
            let decoded = if for_cluster || outgoing {
                Some(encode::to_event(node.parser(), event, args)?)
            } else {
                None
            };
            if let Some(decoded) = decoded.as_ref().filter(|_| outgoing) {
                node.notify_outgoing(&self.target, decoded);
            }
            let decoded = decoded.filter(|_| for_cluster);
            let (timeout, all_of_them) = (self.ack_timeout(), usize::MAX);
            let make = |id| Ok(encode::event(node.parser(), node.name(), Some(id), event, args, None)?);
            let gathering =
                node.broadcast_with_ack(&self.target, self.flags, timeout, all_of_them, decoded, make);
            all.add(gathering.await?);
        }
        whole(parsed(all)?)
    }

    /// Finds all selected sockets, including those of other servers. An error contains those that were found
    /// in time.
    ///
    /// # Errors
    ///
    /// Other servers did not answer in time, or were not reached.
    #[doc(alias = "fetchSockets")]
    pub async fn fetch_sockets(&self) -> Result<Vec<RemoteSocket>, GatherError<RemoteSocket>> {
        let mut all = Gathered::default();
        for node in &*self.nodes() {
            let found = node.fetch(&self.target, self.timeout, self.local_only).await?;
            let socket = |details| RemoteSocket::new(node, details, self.ack_timeout());
            all.add(found.with(|servers| {
                let mut sockets = Vec::with_capacity(servers.iter().map(Vec::len).sum());
                sockets.extend(servers.into_iter().flatten().map(socket));
                sockets
            }));
        }
        whole(all)
    }

    /// Adds all selected sockets to rooms.
    ///
    /// # Errors
    ///
    /// Other servers were not reached.
    #[doc(alias = "socketsJoin")]
    pub async fn sockets_join(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        let rooms = rooms.into_rooms();
        for node in &*self.nodes() {
            node.join(&self.target, &rooms, self.local_only).await?;
        }
        Ok(())
    }

    /// Removes all selected sockets from rooms.
    ///
    /// # Errors
    ///
    /// Other servers were not reached.
    #[doc(alias = "socketsLeave")]
    pub async fn sockets_leave(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        let rooms = rooms.into_rooms();
        for node in &*self.nodes() {
            node.leave(&self.target, &rooms, self.local_only).await?;
        }
        Ok(())
    }

    /// Disconnects all selected sockets from the namespace; with `close`, closes their connections.
    ///
    /// # Errors
    ///
    /// Other servers were not reached.
    #[doc(alias = "disconnectSockets")]
    pub async fn disconnect_sockets(&self, close: bool) -> Result<(), AdapterError> {
        for node in &*self.nodes() {
            node.disconnect(&self.target, close, self.local_only).await?;
        }
        Ok(())
    }

    fn nodes(&self) -> Cow<'_, [Arc<NamespaceNode>]> {
        match &self.scope {
            Scope::Namespace(node) => Cow::Borrowed(std::slice::from_ref(node)),
            Scope::Family(family) => Cow::Owned(family.all()),
        }
    }

    /// Whether the operation includes other servers.
    fn reaches_cluster(&self, node: &NamespaceNode) -> bool {
        !self.local_only && node.is_clustered()
    }
}

/// The first argument of an answer, or the error that the handler returned.
pub(crate) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, GatherError<T>> {
    answer.parse().map_err(|error| match Rejection::text(|| answer.parse()) {
        Some(text) => GatherError::Remote(text),
        None => GatherError::Decode(error),
    })
}

/// The same result with deserialized answers.
pub(crate) fn parsed<T: DeserializeOwned>(gathered: Gathered<Answer>) -> Result<Gathered<T>, GatherError<T>> {
    let answers = gathered.answers.iter().map(read).collect::<Result<Vec<T>, _>>()?;
    Ok(gathered.with(|_| answers))
}

/// The gathered answers, or an error if some are missing.
pub(crate) fn whole<T>(gathered: Gathered<T>) -> Result<Vec<T>, GatherError<T>> {
    if gathered.is_complete() {
        return Ok(gathered.answers);
    }
    let Gathered { answers, missing, silent, health } = gathered;
    Err(GatherError::Partial(Partial { answers, missing, silent, health }))
}
