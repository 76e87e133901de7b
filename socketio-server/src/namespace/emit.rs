//! Emits and operations that reach all sockets of a namespace.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_parser::ToArgs;

use super::Namespace;
use crate::broadcast::remote_socket::RemoteSocket;
use crate::broadcast::{Broadcast, whole};
use crate::cluster::{AdapterError, Answer, Gathered};
use crate::emit;
use crate::error::{EmitError, GatherError};
use crate::rooms::IntoRooms;
use crate::socket::Kind;

impl Namespace {
    fn everybody(&self) -> Broadcast {
        let timeout = self.0.config.ack_timeout;
        match self.0.kind() {
            Kind::Parent(family) => Broadcast::to_family(Arc::clone(family), timeout),
            Kind::Static | Kind::Child { .. } => Broadcast::new(Arc::clone(&self.0.hub), timeout),
        }
    }

    /// Everybody on this server.
    pub fn local(&self) -> Broadcast {
        self.everybody().local()
    }

    /// Everybody in a room, or in several.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.everybody().to(rooms)
    }

    /// The same as [`to`](Self::to).
    pub fn r#in(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Everybody but the members of a room, or of several. The id of a socket is a room too.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.everybody().except(rooms)
    }

    /// Everybody who can take the event at once.
    pub fn volatile(&self) -> Broadcast {
        self.everybody().volatile()
    }

    /// Whether the next event may be compressed, where compression is on.
    pub fn compress(&self, compress: bool) -> Broadcast {
        self.everybody().compress(compress)
    }

    /// How long the next emit waits for answers.
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.everybody().timeout(timeout)
    }

    /// Sends an event to everybody in the namespace.
    pub async fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        self.everybody().emit(event, args).await
    }

    /// Sends the event `message` to everybody in the namespace.
    pub async fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.everybody().send(args).await
    }

    /// Sends an event to everybody in the namespace and collects the answers.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<Vec<T>, GatherError<T>> {
        self.everybody().emit_with_ack(event, args).await
    }

    /// Finds everybody, also on other servers.
    pub async fn fetch_sockets(&self) -> Result<Vec<RemoteSocket>, GatherError<RemoteSocket>> {
        self.everybody().fetch_sockets().await
    }

    /// Puts everybody into rooms. An error says that other servers were not told.
    pub async fn sockets_join(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        self.everybody().sockets_join(rooms).await
    }

    /// Takes everybody out of rooms. An error says that other servers were not told.
    pub async fn sockets_leave(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        self.everybody().sockets_leave(rooms).await
    }

    /// Puts everybody out of the namespace, and with `close` off the server. An error says that other servers were
    /// not told.
    pub async fn disconnect_sockets(&self, close: bool) -> Result<(), AdapterError> {
        self.everybody().disconnect_sockets(close).await
    }

    /// Sends an event to the other servers of the cluster: see [`on_server_event`](Self::on_server_event). Without
    /// a cluster there are none.
    pub async fn server_side_emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let event = emit::to_event(self.0.hub.parser(), event, args)?;
        Ok(self.0.hub.server_side_emit(event).await?)
    }

    /// Sends an event to the other servers of the cluster and collects their answers, within 5 s.
    pub async fn server_side_emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<Vec<T>, GatherError<T>> {
        let event = emit::to_event(self.0.hub.parser(), event, args)?;
        let Gathered { answers, missing, silent } = self.0.hub.server_side_emit_with_ack(event).await?;
        let answers = answers.iter().map(Answer::parse).collect::<Result<Vec<T>, _>>()?;
        whole(Gathered { answers, missing, silent })
    }
}
