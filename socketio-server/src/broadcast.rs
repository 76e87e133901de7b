//! An emit to many: to whom, how, and their answers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use engineio::Text;
use serde::de::DeserializeOwned;
use socketio_parser::ToArgs;

use crate::adapter::{AdapterError, Answer, Flags, Gathered, Hub};
use crate::emit;
use crate::error::{EmitError, GatherError, Partial};
use crate::into_rooms::IntoRooms;
use crate::remote_socket::RemoteSocket;
use crate::room::Target;

/// An operation on many sockets in the making. Each method returns a new one, so it can be kept and used again.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Broadcast {
    scope: Scope,
    target: Target,
    flags: Flags,
    note: Option<Text>,
    /// Only on this server.
    here: bool,
    timeout: Duration,
}

/// Where the sockets are looked for.
#[derive(Clone, Debug)]
enum Scope {
    Namespace(Arc<Hub>),
    /// All namespaces that one pattern or function has made.
    Family(Arc<Family>),
}

/// The namespaces of one parent, by name.
#[derive(Debug, Default)]
pub(crate) struct Family(RwLock<BTreeMap<Arc<str>, Arc<Hub>>>);

impl Family {
    pub(crate) fn add(&self, hub: &Arc<Hub>) {
        let mut hubs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        hubs.insert(Arc::clone(hub.name()), Arc::clone(hub));
    }

    pub(crate) fn remove(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn all(&self) -> Vec<Arc<Hub>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Broadcast {
    pub(crate) fn new(hub: Arc<Hub>, timeout: Duration) -> Self {
        Self::of(Scope::Namespace(hub), timeout)
    }

    pub(crate) fn to_family(family: Arc<Family>, timeout: Duration) -> Self {
        Self::of(Scope::Family(family), timeout)
    }

    fn of(scope: Scope, timeout: Duration) -> Self {
        Self { scope, target: Target::default(), flags: Flags::default(), note: None, here: false, timeout }
    }

    /// Adds rooms. A socket that is in several of them gets the event once.
    pub fn to(mut self, rooms: impl IntoRooms) -> Self {
        self.target.rooms.extend(rooms.into_rooms());
        self
    }

    /// The same as [`to`](Self::to).
    pub fn r#in(self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// Leaves the members of rooms out. The id of a socket is a room too.
    pub fn except(mut self, rooms: impl IntoRooms) -> Self {
        self.target.except.extend(rooms.into_rooms());
        self
    }

    /// Only sockets of this server are meant.
    pub fn local(mut self) -> Self {
        self.here = true;
        self
    }

    /// Sockets that cannot take the event at once do not get it.
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Whether the event may be compressed, where compression is on.
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = compress;
        self
    }

    /// Adds a note to the event that [translators](engineio::Translator) on this server read with it: who sent it, say.
    /// Clients of Socket.IO and other servers do not see it, and events that ask for answers do not carry it.
    pub fn note(mut self, note: impl Into<Text>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// How long to wait for answers.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends the event to everybody meant. It is encoded once, and not at all if there is nobody.
    pub async fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        for hub in &*self.hubs() {
            if self.is_told(hub) || hub.has_outgoing() {
                let event = emit::to_event(hub.parser(), event, args)?;
                hub.broadcast(&self.target, self.flags, event, self.note.as_ref(), self.here).await?;
            } else {
                hub.deliver(&self.target, self.flags, |offset| {
                    let message = emit::event(hub.parser(), hub.name(), None, event, args, offset)?;
                    Ok(emit::noted(message, self.note.as_ref()))
                })?;
            }
        }
        Ok(())
    }

    /// Sends the event `message`.
    pub async fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.emit("message", args).await
    }

    /// Sends the event and collects the answers, the first argument of each read as `T`. Those that came in time are
    /// in the error too.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<Vec<T>, GatherError<T>> {
        let mut all = Gathered::default();
        for hub in &*self.hubs() {
            let told = self.is_told(hub);
            let outgoing = hub.has_outgoing();
            let unread =
                if told || outgoing { Some(emit::to_event(hub.parser(), event, args)?) } else { None };
            if let Some(unread) = unread.as_ref().filter(|_| outgoing) {
                hub.tell_outgoing(&self.target, unread);
            }
            let unread = unread.filter(|_| told);
            let asked = hub.broadcast_with_ack(&self.target, self.flags, self.timeout, unread, |id| {
                Ok(emit::event(hub.parser(), hub.name(), Some(id), event, args, None)?)
            });
            all.add(asked.await?);
        }
        let answers = all.answers.iter().map(Answer::parse).collect::<Result<Vec<T>, _>>()?;
        whole(Gathered { answers, missing: all.missing, silent: all.silent })
    }

    /// Finds everybody meant, also on other servers. Those that were found in time are in the error too.
    pub async fn fetch_sockets(&self) -> Result<Vec<RemoteSocket>, GatherError<RemoteSocket>> {
        let mut all = Gathered::default();
        for hub in &*self.hubs() {
            let Gathered { answers, missing, silent } = hub.fetch(&self.target, self.here).await?;
            let answers =
                answers.into_iter().map(|details| RemoteSocket::new(hub, details, self.timeout)).collect();
            all.add(Gathered { answers, missing, silent });
        }
        whole(all)
    }

    /// Puts everybody meant into rooms. An error says that other servers were not told.
    pub async fn sockets_join(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        let rooms = rooms.into_rooms();
        for hub in &*self.hubs() {
            hub.join(&self.target, &rooms, self.here).await?;
        }
        Ok(())
    }

    /// Takes everybody meant out of rooms. An error says that other servers were not told.
    pub async fn sockets_leave(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        let rooms = rooms.into_rooms();
        for hub in &*self.hubs() {
            hub.leave(&self.target, &rooms, self.here).await?;
        }
        Ok(())
    }

    /// Puts everybody meant out of the namespace, and with `close` off the server. An error says that other servers
    /// were not told.
    pub async fn disconnect_sockets(&self, close: bool) -> Result<(), AdapterError> {
        for hub in &*self.hubs() {
            hub.disconnect(&self.target, close, self.here).await?;
        }
        Ok(())
    }

    fn hubs(&self) -> Cow<'_, [Arc<Hub>]> {
        match &self.scope {
            Scope::Namespace(hub) => Cow::Borrowed(std::slice::from_ref(hub)),
            Scope::Family(family) => Cow::Owned(family.all()),
        }
    }

    /// Whether other servers have to hear of it.
    fn is_told(&self, hub: &Hub) -> bool {
        !self.here && hub.is_clustered()
    }
}

/// What was gathered, if nothing is missing.
pub(crate) fn whole<T>(gathered: Gathered<T>) -> Result<Vec<T>, GatherError<T>> {
    let Gathered { answers, missing, silent } = gathered;
    if missing == 0 { Ok(answers) } else { Err(GatherError::Partial(Partial { answers, missing, silent })) }
}
