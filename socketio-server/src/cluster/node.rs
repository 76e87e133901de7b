//! One namespace on this node: its sockets, its recovery log and its link to the other nodes.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use engineio::Prepared;
use engineio::sync::{Mutex, RwLock};
use socketio_cluster::{Flags, Message, Offset};
use socketio_events::message::TooManyAttachments;
use socketio_events::table::{HandlerId, Table};
use socketio_parser::{Event, Parser};
use tokio::sync::{Notify, watch};

use super::local_rooms::LocalRooms;
use super::peers::ClusterPeers;
use super::{AdapterError, AdapterHealth, ClusterGap, ClusterLink, ClusterStats};
use crate::acks::AckBudget;
use crate::cluster::server_event::ServerEvent;
use crate::config::Config;
use crate::encode::{self, Marks};
use crate::error::EmitError;
use crate::extensions::Extensions;
use crate::hooks::Hooks;
use crate::recovery::{OrderedLog, RecoveryLog};
use crate::rooms::{Room, Target};

type GapHook = dyn Fn(&ClusterGap) + Send + Sync;

/// One namespace on this node.
pub(crate) struct NamespaceNode {
    pub(super) name: Arc<str>,
    pub(super) parser: Parser,
    pub(crate) rooms: LocalRooms,
    log: Option<RecoveryLog>,
    /// Recovery with the store of the adapter, instead of the log.
    ordered_log: OnceLock<Arc<OrderedLog>>,
    /// The position that the adapter has reported while it opens the link. The log does not exist yet.
    pub(super) early_position: Mutex<Option<Offset>>,
    /// The other nodes. Unset until the adapter has opened the link; `None` without an adapter.
    cluster: OnceLock<Option<ClusterPeers>>,
    opened: Notify,
    next_ack: AtomicU64,
    max_attachments: usize,
    /// Size limit in bytes of the acknowledgements of one broadcast.
    max_gathered_bytes: usize,
    /// Number of listeners of outgoing events. While it is 0, events are not decoded for them.
    outgoing: AtomicUsize,
    pub(super) server_events: RwLock<Table<ServerEvent>>,
    pub(crate) on_gap: Hooks<GapHook>,
    pub(super) state: Arc<Extensions>,
}

impl NamespaceNode {
    pub(crate) fn new(name: Arc<str>, config: &Config, state: Arc<Extensions>, clustered: bool) -> Arc<Self> {
        let cluster = if clustered { OnceLock::new() } else { OnceLock::from(None) };
        Arc::new(Self {
            name,
            parser: config.parser,
            rooms: LocalRooms::new(config.max_rooms),
            log: config.connection_state_recovery.clone().map(RecoveryLog::new),
            ordered_log: OnceLock::new(),
            early_position: Mutex::default(),
            cluster,
            opened: Notify::new(),
            next_ack: AtomicU64::new(0),
            max_attachments: config.max_attachments,
            max_gathered_bytes: config.max_gathered_bytes,
            outgoing: AtomicUsize::new(0),
            server_events: RwLock::default(),
            on_gap: Hooks::default(),
            state,
        })
    }

    /// Sets the link to the other nodes.
    pub(super) fn connect(&self, link: Arc<dyn ClusterLink>) {
        self.rooms.set_link(&link);
        if let Some((log, store)) = self.log.as_ref().zip(link.sessions()) {
            let (settings, timeout) = (log.settings().clone(), link.request_timeout());
            let log =
                OrderedLog::new(&self.name, self.parser, settings, self.max_attachments, store, timeout);
            let mut early = self.early_position.lock();
            if let Some(position) = early.take() {
                log.advance(&position);
            }
            let log = Arc::new(log);
            if log.start() {
                self.rooms.write_sessions_to(&log);
            }
            let _ = self.ordered_log.set(log);
        }
        let _ = self.cluster.set(Some(ClusterPeers::new(link)));
        self.opened.notify_waiters();
    }

    /// Marks the namespace as local: no link will be opened.
    pub(crate) fn stay_alone(&self) {
        let _ = self.cluster.set(None);
        self.opened.notify_waiters();
    }

    /// Copies the handlers of server events and the hooks of a parent.
    pub(crate) fn inherit(&self, parent: &Self) {
        let events = parent.server_events.read().clone();
        *self.server_events.write() = events;
        self.rooms.on_room_event.copy_from(&parent.rooms.on_room_event);
        self.rooms.on_broadcast.copy_from(&parent.rooms.on_broadcast);
        self.on_gap.copy_from(&parent.on_gap);
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn parser(&self) -> Parser {
        self.parser
    }

    pub(crate) fn log(&self) -> Option<&RecoveryLog> {
        self.log.as_ref()
    }

    /// Recovery with the store of the adapter. It replaces the log.
    pub(crate) fn ordered_log(&self) -> Option<&Arc<OrderedLog>> {
        self.ordered_log.get()
    }

    /// The other nodes, if the link is open.
    pub(super) fn cluster(&self) -> Option<&ClusterPeers> {
        self.cluster.get()?.as_ref()
    }

    /// The other nodes. Waits while the adapter opens the link, so that no message is lost.
    pub(super) async fn cluster_opened(&self) -> Option<&ClusterPeers> {
        loop {
            // Created before the check, so that a notification in between is not missed.
            let opened = self.opened.notified();
            if let Some(cluster) = self.cluster.get() {
                return cluster.as_ref();
            }
            opened.await;
        }
    }

    /// State of the link to the other nodes. Without an adapter it is always connected.
    pub(crate) fn health(&self) -> watch::Receiver<AdapterHealth> {
        match self.cluster() {
            Some(cluster) => cluster.health().clone(),
            None => watch::channel(AdapterHealth::Connected).1,
        }
    }

    pub(crate) fn cluster_stats(&self) -> ClusterStats {
        self.cluster().map(ClusterPeers::stats).unwrap_or_default()
    }

    /// The message, unless clients would refuse it for its binary parts.
    #[inline]
    pub(crate) fn acceptable(&self, message: Prepared) -> Result<Prepared, EmitError> {
        TooManyAttachments::check(message.attachments(), self.max_attachments)?;
        Ok(message)
    }

    /// Whether clients would accept the binary parts of an event.
    pub(crate) fn check_attachments(&self, event: &Event) -> Result<(), EmitError> {
        Ok(TooManyAttachments::check(event.args().attachments().len(), self.max_attachments)?)
    }

    /// Whether operations include other nodes.
    pub(crate) fn is_clustered(&self) -> bool {
        !matches!(self.cluster.get(), Some(None))
    }

    /// An acknowledgement id that is unique in this namespace on this server.
    pub(crate) fn next_ack_id(&self) -> u64 {
        self.next_ack.fetch_add(1, Ordering::Relaxed)
    }

    /// Adjusts the number of listeners of outgoing events.
    pub(crate) fn count_outgoing(&self, more: usize, less: usize) {
        self.outgoing.fetch_add(more, Ordering::Relaxed);
        self.outgoing.fetch_sub(less, Ordering::Relaxed);
    }

    /// Whether there are listeners of outgoing events.
    pub(crate) fn has_outgoing(&self) -> bool {
        self.outgoing.load(Ordering::Relaxed) > 0
    }

    /// Calls the listeners of outgoing events of the selected sockets.
    pub(crate) fn notify_outgoing(&self, target: &Target, event: &Event) {
        for member in self.rooms.members(target) {
            member.outgoing(event);
        }
    }

    /// Whether an event is recoverable. It is then encoded under the lock of the log, so its arguments must
    /// be in decoded form: the application's `Serialize` must not run under a lock.
    pub(crate) fn is_recoverable(&self, flags: Flags) -> bool {
        self.log.is_some() && !flags.volatile
    }

    /// Sends to the selected sockets of this server. The event is encoded only if a socket may receive it;
    /// with recovery enabled, with its offset: that of the medium, if the adapter has the store, or that of the log.
    pub(crate) fn deliver(
        &self,
        target: &Target,
        flags: Flags,
        offset: Option<&Offset>,
        make: impl FnOnce(Option<&str>) -> Result<Prepared, EmitError>,
    ) -> Result<(), EmitError> {
        let mut delivered = None;
        let ordered = if self.log.is_some() { self.ordered_log() } else { None };
        match (&self.log, ordered) {
            (_, Some(ordered)) if offset.is_some() && !flags.volatile => {
                let Some(offset) = offset else { return Ok(()) };
                ordered.deliver(
                    offset,
                    target,
                    || self.rooms.has_receivers(target),
                    |offset| self.acceptable(make(Some(offset))?.compress(flags.compress)),
                    |message| delivered = self.rooms.send(target, message, false),
                )?;
            }
            (Some(log), None) if !flags.volatile => log.emit(
                target,
                || self.rooms.has_receivers(target),
                |offset| self.acceptable(make(Some(offset))?.compress(flags.compress)),
                |message| delivered = self.rooms.send(target, message, false),
            )?,
            _ => {
                if self.rooms.has_receivers(target) {
                    let message = self.acceptable(make(None)?.compress(flags.compress))?;
                    delivered = self.rooms.send(target, &message, flags.volatile);
                }
            }
        }
        // After the log is unlocked, because the hooks may use the namespace.
        self.rooms.report_broadcast(delivered);
        Ok(())
    }

    /// Sends an event to the selected sockets of all servers, or with `local_only` of this server.
    pub(crate) async fn broadcast(
        &self,
        target: &Target,
        flags: Flags,
        event: Event,
        marks: &Marks,
        local_only: bool,
    ) -> Result<(), EmitError> {
        // Also for the clients of other nodes, if this one has none.
        self.check_attachments(&event)?;
        let Some(cluster) = self.cluster_for(local_only).await else {
            return self.deliver_event(target, flags, &event, marks, None);
        };
        let mut flags = flags;
        marks.put_into(&mut flags);
        let message = Message::Broadcast { target: target.clone(), flags, event, request: None };
        self.apply_everywhere(cluster, message, marks).await
    }

    /// Sends an event to the selected sockets of this server.
    pub(super) fn deliver_event(
        &self,
        target: &Target,
        flags: Flags,
        event: &Event,
        marks: &Marks,
        offset: Option<&Offset>,
    ) -> Result<(), EmitError> {
        if self.has_outgoing() {
            self.notify_outgoing(target, event);
        }
        self.deliver(target, flags, offset, |offset| {
            let message = encode::event(self.parser, &self.name, None, event.name(), event.args(), offset)?;
            Ok(marks.put_on(message))
        })
    }

    /// The other nodes, unless the operation is local.
    async fn cluster_for(&self, local_only: bool) -> Option<&ClusterPeers> {
        if local_only || !self.is_clustered() { None } else { self.cluster_opened().await }
    }

    /// Budget for the acknowledgements of one broadcast.
    pub(super) fn ack_budget(&self) -> AckBudget {
        AckBudget::new(self.max_gathered_bytes)
    }

    /// Adds the selected sockets to rooms.
    pub(crate) async fn join(
        &self,
        target: &Target,
        rooms: &[Room],
        local_only: bool,
    ) -> Result<(), AdapterError> {
        let Some(cluster) = self.cluster_for(local_only).await else {
            self.rooms.join_all(target, rooms);
            return Ok(());
        };
        let message = Message::SocketsJoin { target: target.clone(), rooms: rooms.to_vec() };
        self.apply_everywhere(cluster, message, &Marks::NONE).await.map_err(adapter_error)
    }

    /// Removes the selected sockets from rooms.
    pub(crate) async fn leave(
        &self,
        target: &Target,
        rooms: &[Room],
        local_only: bool,
    ) -> Result<(), AdapterError> {
        let Some(cluster) = self.cluster_for(local_only).await else {
            self.rooms.leave_rooms(target, rooms);
            return Ok(());
        };
        let message = Message::SocketsLeave { target: target.clone(), rooms: rooms.to_vec() };
        self.apply_everywhere(cluster, message, &Marks::NONE).await.map_err(adapter_error)
    }

    /// Disconnects the selected sockets from the namespace; with `close`, closes their connections.
    pub(crate) async fn disconnect(
        &self,
        target: &Target,
        close: bool,
        local_only: bool,
    ) -> Result<(), AdapterError> {
        let Some(cluster) = self.cluster_for(local_only).await else {
            self.disconnect_here(target, close);
            return Ok(());
        };
        let message = Message::DisconnectSockets { target: target.clone(), close };
        self.apply_everywhere(cluster, message, &Marks::NONE).await.map_err(adapter_error)
    }

    pub(super) fn disconnect_here(&self, target: &Target, close: bool) {
        for member in self.rooms.members(target) {
            member.disconnect(close);
        }
    }

    /// Publishes a message to the other nodes.
    pub(super) async fn publish(&self, message: impl FnOnce() -> Message) -> Result<(), AdapterError> {
        match self.cluster_opened().await {
            Some(cluster) => cluster.publish(&message()).await,
            None => Ok(()),
        }
    }

    /// Removes a handler of server events or a hook, which is dropped after the lock is released.
    pub(crate) fn off(&self, id: HandlerId) -> bool {
        let (before, removed) = {
            let mut events = self.server_events.write();
            (events.clone(), events.remove(id))
        };
        drop(before);
        removed
            || self.rooms.on_room_event.remove(id)
            || self.rooms.on_broadcast.remove(id)
            || self.on_gap.remove(id)
    }

    /// Closes the link of the namespace.
    pub(crate) async fn close(&self) {
        if let Some(cluster) = self.cluster_opened().await {
            cluster.close().await;
        }
    }
}

/// The error of an operation that encodes nothing.
fn adapter_error(error: EmitError) -> AdapterError {
    match error {
        EmitError::Adapter(error) => error,
        error => AdapterError::new(error),
    }
}

impl fmt::Debug for NamespaceNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceNode").field("name", &self.name).finish_non_exhaustive()
    }
}
