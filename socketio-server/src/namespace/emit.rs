//! Emits and operations on all sockets of a namespace.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_parser::ToArgs;

use super::Namespace;
use crate::broadcast::remote_socket::RemoteSocket;
use crate::broadcast::{Broadcast, parsed, whole};
use crate::cluster::{AdapterError, Gathered};
use crate::encode;
use crate::error::{EmitError, GatherError};
use crate::rooms::{IntoRooms, Room};
use crate::socket::Kind;

impl Namespace {
    fn all_sockets(&self) -> Broadcast {
        let timeout = self.0.config.ack_timeout;
        match self.0.kind() {
            Kind::Parent(family) => Broadcast::to_family(Arc::clone(family), timeout),
            Kind::Static | Kind::Child { .. } => Broadcast::new(Arc::clone(&self.0.node), timeout),
        }
    }

    /// All sockets on this server.
    pub fn local(&self) -> Broadcast {
        self.all_sockets().local()
    }

    /// The members of a room, or of several.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.all_sockets().to(rooms)
    }

    /// The same as [`to`](Self::to).
    pub fn r#in(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// All sockets except the members of a room, or of several. The id of a socket is a room too.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.all_sockets().except(rooms)
    }

    /// All sockets that can take the event at once.
    pub fn volatile(&self) -> Broadcast {
        self.all_sockets().volatile()
    }

    /// Whether the next event may be compressed, if compression is enabled.
    pub fn compress(&self, compress: bool) -> Broadcast {
        self.all_sockets().compress(compress)
    }

    /// Marks the next event as the latest value of a key: see [`Broadcast::conflate_by`].
    pub fn conflate_by(&self, key: NonZeroU32) -> Broadcast {
        self.all_sockets().conflate_by(key)
    }

    /// Maximum wait of the next call for acknowledgements or other servers: see [`Broadcast::timeout`].
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.all_sockets().timeout(timeout)
    }

    /// Sends an event to all sockets of the namespace.
    ///
    /// # Errors
    ///
    /// The event cannot be encoded, or other servers were not reached.
    pub async fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        self.all_sockets().emit(event, args).await
    }

    /// Sends the event `message` to all sockets of the namespace.
    pub async fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.all_sockets().send(args).await
    }

    /// Sends an event to all sockets of the namespace and collects the acknowledgements.
    ///
    /// # Errors
    ///
    /// See [`Broadcast::emit_with_ack`].
    #[doc(alias = "emitWithAck")]
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<Vec<T>, GatherError<T>> {
        self.all_sockets().emit_with_ack(event, args).await
    }

    /// Finds all sockets, including those of other servers.
    ///
    /// # Errors
    ///
    /// Other servers did not answer in time, or were not reached.
    #[doc(alias = "fetchSockets")]
    pub async fn fetch_sockets(&self) -> Result<Vec<RemoteSocket>, GatherError<RemoteSocket>> {
        self.all_sockets().fetch_sockets().await
    }

    /// Adds all sockets to rooms.
    ///
    /// # Errors
    ///
    /// Other servers were not reached.
    #[doc(alias = "socketsJoin")]
    pub async fn sockets_join(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        self.all_sockets().sockets_join(rooms).await
    }

    /// Removes all sockets from rooms.
    ///
    /// # Errors
    ///
    /// Other servers were not reached.
    #[doc(alias = "socketsLeave")]
    pub async fn sockets_leave(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        self.all_sockets().sockets_leave(rooms).await
    }

    /// Disconnects all sockets from the namespace; with `close`, closes their connections.
    ///
    /// # Errors
    ///
    /// Other servers were not reached.
    #[doc(alias = "disconnectSockets")]
    pub async fn disconnect_sockets(&self, close: bool) -> Result<(), AdapterError> {
        self.all_sockets().disconnect_sockets(close).await
    }

    /// Sends an event to the other servers of the cluster: see [`on_server_event`](Self::on_server_event).
    /// Without a cluster it has no effect. The names `connect`, `connection` and `new_namespace` are reserved.
    ///
    /// # Errors
    ///
    /// The event cannot be encoded, or the other servers were not reached.
    #[doc(alias = "serverSideEmit")]
    pub async fn server_side_emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let event = encode::to_server_event(event, args)?;
        Ok(self.0.node.server_side_emit(event).await?)
    }

    /// The names of the rooms that sockets of any server have joined, sorted. Each socket is also in a room
    /// under its own id, so the ids are among them. An error contains those that were found in time.
    ///
    /// Among the official adapters only the classic Redis adapter has such a request (`allRooms`); official
    /// servers with another adapter do not answer it.
    pub async fn all_rooms(&self) -> Result<Vec<Room>, GatherError<Room>> {
        let mut all = Gathered::default();
        match self.0.kind() {
            Kind::Parent(family) => {
                for node in family.all() {
                    all.add(node.all_rooms().await?);
                }
            }
            Kind::Static | Kind::Child { .. } => all = self.0.node.all_rooms().await?,
        }
        all.answers.sort_unstable();
        all.answers.dedup();
        whole(all)
    }

    /// Sends an event to the other servers of the cluster and collects their answers, for at most
    /// [`ClusterLink::request_timeout`](crate::cluster::ClusterLink::request_timeout), by default 5 s.
    ///
    /// # Errors
    ///
    /// Other servers did not answer in time, or were not reached; the event cannot be encoded, or an answer
    /// is not a `T`.
    #[doc(alias = "serverSideEmitWithAck")]
    pub async fn server_side_emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<Vec<T>, GatherError<T>> {
        let event = encode::to_server_event(event, args)?;
        whole(parsed(self.0.node.server_side_emit_with_ack(event).await?)?)
    }
}
