//! One namespace on this server: its sockets, what they may have missed, and the other nodes.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use engineio::{Prepared, Text};
use socketio_events::handler::Call;
use socketio_events::table::{HandlerId, Table};
use socketio_parser::{Event, Parser, RawValue};
use tokio::sync::{Notify, mpsc, oneshot};

use super::cluster::Cluster;
use super::details::SocketDetails;
use super::local::Local;
use super::message::{Flags, Message};
use super::requests::{Answer, Gathered, Reply, deadline, gather_clients};
use super::{AdapterError, Link};
use crate::ack::Waiting;
use crate::config::Config;
use crate::emit;
use crate::error::EmitError;
use crate::extensions::Extensions;
use crate::recovery::Log;
use crate::room::{Room, Target};
use crate::server_events::{ServerEventContext, ServerReply};
use crate::trace;

/// One namespace on this server.
pub(crate) struct Hub {
    name: Arc<str>,
    parser: Parser,
    pub(crate) local: Local,
    log: Option<Log>,
    /// The other nodes; not known before the adapter has opened the way to them, and none without an adapter.
    cluster: OnceLock<Option<Cluster>>,
    opened: Notify,
    next_ack: AtomicU64,
    /// How many listeners of outgoing events there are: while there are none, nothing is done for them.
    outgoing: AtomicUsize,
    server_events: RwLock<Table<ServerEventContext>>,
    state: Arc<Extensions>,
}

impl Hub {
    pub(crate) fn new(name: Arc<str>, config: &Config, state: Arc<Extensions>, clustered: bool) -> Arc<Self> {
        let cluster = if clustered { OnceLock::new() } else { OnceLock::from(None) };
        Arc::new(Self {
            name,
            parser: config.parser,
            local: Local::default(),
            log: config.connection_state_recovery.clone().map(Log::new),
            cluster,
            opened: Notify::new(),
            next_ack: AtomicU64::new(0),
            outgoing: AtomicUsize::new(0),
            server_events: RwLock::default(),
            state,
        })
    }

    /// There are other nodes, and this is the way to them.
    pub(super) fn connect(&self, link: Arc<dyn Link>) {
        self.local.tell(&link);
        let _ = self.cluster.set(Some(Cluster::new(link)));
        self.opened.notify_waiters();
    }

    /// There will be no way to other nodes.
    pub(crate) fn stay_alone(&self) {
        let _ = self.cluster.set(None);
        self.opened.notify_waiters();
    }

    /// What was registered with a parent counts for its child too.
    pub(crate) fn inherit(&self, parent: &Self) {
        let events = parent.server_events.read().unwrap_or_else(PoisonError::into_inner).clone();
        *self.server_events.write().unwrap_or_else(PoisonError::into_inner) = events;
        if let Some(hook) = parent.local.room_hook() {
            self.local.on_room_event(hook);
        }
        if let Some(hook) = parent.local.broadcast_hook() {
            self.local.on_broadcast(hook);
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn parser(&self) -> Parser {
        self.parser
    }

    pub(crate) fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// The other nodes, if the way to them is open.
    pub(super) fn cluster(&self) -> Option<&Cluster> {
        self.cluster.get()?.as_ref()
    }

    /// The other nodes. Waits for an adapter that is still opening the way to them, so that nothing is lost on them.
    pub(super) async fn cluster_opened(&self) -> Option<&Cluster> {
        loop {
            // Asked for before the look, so that it is not missed.
            let opened = self.opened.notified();
            if let Some(cluster) = self.cluster.get() {
                return cluster.as_ref();
            }
            opened.await;
        }
    }

    /// Whether other nodes have to hear of what is for everybody.
    pub(crate) fn is_clustered(&self) -> bool {
        !matches!(self.cluster.get(), Some(None))
    }

    /// An id that no other emit of the namespace on this server has.
    pub(crate) fn next_ack_id(&self) -> u64 {
        self.next_ack.fetch_add(1, Ordering::Relaxed)
    }

    /// A listener of outgoing events came, or went.
    pub(crate) fn count_outgoing(&self, more: usize, less: usize) {
        self.outgoing.fetch_add(more, Ordering::Relaxed);
        self.outgoing.fetch_sub(less, Ordering::Relaxed);
    }

    /// Whether somebody listens to outgoing events.
    pub(crate) fn has_outgoing(&self) -> bool {
        self.outgoing.load(Ordering::Relaxed) > 0
    }

    /// Tells the listeners of everybody meant of an event that goes to them.
    pub(crate) fn tell_outgoing(&self, target: &Target, event: &Event) {
        for member in self.local.members(target) {
            member.outgoing(event);
        }
    }

    /// Sends to everybody meant on this server. The message is made only if somebody may get it; while recovery is
    /// on, with the offset that it is given.
    pub(crate) fn deliver(
        &self,
        target: &Target,
        flags: Flags,
        make: impl FnOnce(Option<&str>) -> Result<Prepared, EmitError>,
    ) -> Result<(), EmitError> {
        match &self.log {
            Some(log) if !flags.volatile => log.emit(
                target,
                || self.local.has(target),
                |offset| Ok(make(Some(offset))?.compress(flags.compress)),
                |message| self.local.send(target, message, false),
            ),
            _ => {
                if self.local.has(target) {
                    let message = make(None)?.compress(flags.compress);
                    self.local.send(target, &message, flags.volatile);
                }
                Ok(())
            }
        }
    }

    /// Sends an event to everybody meant on all servers, or only `here`.
    pub(crate) async fn broadcast(
        &self,
        target: &Target,
        flags: Flags,
        event: Event,
        note: Option<&Text>,
        here: bool,
    ) -> Result<(), EmitError> {
        self.deliver_event(target, flags, &event, note)?;
        let message = || Message::Broadcast { target: target.clone(), flags, event, request: None };
        Ok(self.publish(here, message).await?)
    }

    /// Sends an event to everybody meant on this server.
    pub(super) fn deliver_event(
        &self,
        target: &Target,
        flags: Flags,
        event: &Event,
        note: Option<&Text>,
    ) -> Result<(), EmitError> {
        if self.has_outgoing() {
            self.tell_outgoing(target, event);
        }
        self.deliver(target, flags, |offset| {
            let message = emit::event(self.parser, &self.name, None, event.name(), event.args(), offset)?;
            Ok(emit::noted(message, note))
        })
    }

    /// Sends an event and gathers the answers. `make` makes the message with the ack id that it is given; `event` is
    /// for the other nodes, if they are to be asked too.
    pub(crate) async fn broadcast_with_ack(
        &self,
        target: &Target,
        flags: Flags,
        timeout: Duration,
        event: Option<Event>,
        make: impl FnOnce(u64) -> Result<Prepared, EmitError>,
    ) -> Result<Gathered<Answer>, EmitError> {
        let deadline = deadline(timeout);
        let id = self.next_ack_id();
        let (sender, answers) = mpsc::unbounded_channel();
        let mut asked = Asked { id, members: Vec::new() };
        let mut passed_over = 0;
        if self.local.has(target) {
            let message = make(id)?.compress(flags.compress);
            let waiting = || Waiting::Many(sender.clone());
            (asked.members, passed_over) = self.local.ask(target, id, &message, flags.volatile, waiting);
        }
        // What is left are the senders in the tables of those asked; when the last is gone no answer can come.
        drop(sender);
        let mut elsewhere = None;
        let told = match event {
            Some(event) => self.cluster_opened().await.zip(Some(event)),
            None => None,
        };
        if let Some((cluster, event)) = told {
            let open = cluster.open_request().await?;
            let request = Some(open.id().clone());
            let flags = Flags { timeout: Some(timeout), ..flags };
            cluster.publish(&Message::Broadcast { target: target.clone(), flags, event, request }).await?;
            elsewhere = Some(open);
        }
        let mut gathered = gather_clients(answers, asked.members.len(), elsewhere, deadline).await;
        gathered.missing = gathered.missing.saturating_add(passed_over);
        Ok(gathered)
    }

    /// Puts everybody meant into rooms.
    pub(crate) async fn join(&self, target: &Target, rooms: &[Room], here: bool) -> Result<(), AdapterError> {
        self.local.join_all(target, rooms);
        self.publish(here, || Message::SocketsJoin { target: target.clone(), rooms: rooms.to_vec() }).await
    }

    /// Takes everybody meant out of rooms.
    pub(crate) async fn leave(
        &self,
        target: &Target,
        rooms: &[Room],
        here: bool,
    ) -> Result<(), AdapterError> {
        self.local.leave_rooms(target, rooms);
        self.publish(here, || Message::SocketsLeave { target: target.clone(), rooms: rooms.to_vec() }).await
    }

    /// Puts everybody meant out of the namespace, and with `close` off the server.
    pub(crate) async fn disconnect(
        &self,
        target: &Target,
        close: bool,
        here: bool,
    ) -> Result<(), AdapterError> {
        self.disconnect_here(target, close);
        self.publish(here, || Message::DisconnectSockets { target: target.clone(), close }).await
    }

    pub(super) fn disconnect_here(&self, target: &Target, close: bool) {
        for member in self.local.members(target) {
            member.disconnect(close);
        }
    }

    /// Says something to the other nodes, unless only those `here` are meant.
    async fn publish(&self, here: bool, message: impl FnOnce() -> Message) -> Result<(), AdapterError> {
        if here {
            return Ok(());
        }
        match self.cluster_opened().await {
            Some(cluster) => cluster.publish(&message()).await,
            None => Ok(()),
        }
    }

    /// Everybody meant, on all servers or only `here`.
    pub(crate) async fn fetch(
        &self,
        target: &Target,
        here: bool,
    ) -> Result<Gathered<SocketDetails>, AdapterError> {
        let mut found = Gathered { answers: self.local.details(target), missing: 0, silent: Vec::new() };
        if here {
            return Ok(found);
        }
        let Some(cluster) = self.cluster_opened().await else { return Ok(found) };
        let open = cluster.open_request().await?;
        cluster
            .publish(&Message::FetchSockets { target: target.clone(), request: open.id().clone() })
            .await?;
        let others = open.gather(cluster.deadline(), |reply| match reply {
            Reply::Sockets(_, sockets) => Some(sockets),
            _ => None,
        });
        let others = others.await;
        found.answers.extend(others.answers.into_iter().flatten());
        Ok(Gathered { answers: found.answers, missing: others.missing, silent: others.silent })
    }

    /// Sends an event to the other servers themselves.
    pub(crate) async fn server_side_emit(&self, event: Event) -> Result<(), AdapterError> {
        self.publish(false, || Message::ServerSideEmit { event, request: None }).await
    }

    /// Sends an event to the other servers and gathers their answers.
    pub(crate) async fn server_side_emit_with_ack(
        &self,
        event: Event,
    ) -> Result<Gathered<Answer>, AdapterError> {
        let Some(cluster) = self.cluster_opened().await else { return Ok(Gathered::default()) };
        let deadline = cluster.deadline();
        let open = cluster.open_request().await?;
        cluster.publish(&Message::ServerSideEmit { event, request: Some(open.id().clone()) }).await?;
        let answers = open.gather(deadline, |reply| match reply {
            Reply::Server(_, answer) => Some(Answer::Elsewhere(answer)),
            _ => None,
        });
        Ok(answers.await)
    }

    /// Calls `call` for each event of this name that another server sends.
    pub(crate) fn on_server_event(&self, event: &str, call: Call<ServerEventContext>) -> HandlerId {
        self.server_events.write().unwrap_or_else(PoisonError::into_inner).on(event, call)
    }

    /// Takes such a handler out again.
    pub(crate) fn off_server_event(&self, id: HandlerId) -> bool {
        self.server_events.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// Another server sent an event. The answer, if it wants one, is ready when a handler gave it; without a handler
    /// there is none.
    pub(super) fn server_event(
        &self,
        event: &Event,
        wants_answer: bool,
    ) -> oneshot::Receiver<Option<RawValue>> {
        let (sender, answer) = oneshot::channel();
        let reply = wants_answer.then(|| ServerReply::new(sender));
        let calls: Vec<_> = {
            let table = self.server_events.read().unwrap_or_else(PoisonError::into_inner);
            table.event(event.name()).into_iter().flat_map(|list| list.calls()).cloned().collect()
        };
        for call in calls {
            let context = ServerEventContext {
                event: event.clone(),
                reply: reply.clone(),
                parser: self.parser,
                state: Arc::clone(&self.state),
            };
            if let Some(work) = call(context) {
                let namespace = Arc::clone(&self.name);
                tokio::spawn(async move {
                    if let Some(failure) = work.await {
                        trace::server_event_failed(&namespace, &failure.event, &failure.error);
                    }
                });
            }
        }
        answer
    }

    /// The namespace is closed.
    pub(crate) async fn close(&self) {
        if let Some(cluster) = self.cluster_opened().await {
            cluster.close().await;
        }
    }
}

/// However the wait ends, also by dropping the future, nothing stays in the tables of those who were asked.
struct Asked {
    id: u64,
    members: Vec<Arc<dyn super::Member>>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        for member in &self.members {
            member.forget_ack(self.id);
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("name", &self.name).finish_non_exhaustive()
    }
}
