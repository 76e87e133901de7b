//! Response of the backend: its parsing, and the actions that it requests.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use socketio_server::{Object, Server, Socket};
use thiserror::Error;

use crate::auth::user;
use crate::builtin::room_name::{self, RoomError};
use crate::cluster::{Cluster, Emission, Question};
use crate::node::clients::{ClientCall, ClientError, ClientResult};
use crate::node::listing;

/// Response to a webhook. All fields are optional.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WebhookResponse {
    /// Whether the client is admitted. Only `false` refuses it.
    pub(super) allow: Option<bool>,
    /// Message of the refusal, for humans.
    pub(super) message: Option<String>,
    /// `data` of the refusal, for programs.
    pub(super) data: Option<Value>,
    /// User of the client.
    user: Option<String>,
    /// Rooms that the client joins.
    rooms: Vec<String>,
    /// Rooms that the client leaves.
    leave: Vec<String>,
    metadata: Map<String, Value>,
    pub(super) emit: Vec<Object<Emit>>,
    /// Acknowledgement of the client's event.
    pub(super) ack: Option<Box<RawValue>>,
    /// Whether the client is disconnected.
    disconnect: bool,
}

/// Event to emit. Without a target it goes to the client of the webhook.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Emit {
    event: String,
    data: Option<Box<RawValue>>,
    namespace: Option<String>,
    room: Option<String>,
    user: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    broadcast: bool,
    /// Whether the client of the webhook is excluded from the receivers.
    #[serde(default)]
    others: bool,
}

/// Error in a response. None of its actions are carried out.
#[derive(Debug, Error)]
pub(super) enum ResponseError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("rooms: {0}")]
    Room(#[from] RoomError),
    #[error("a user name of 1 to 256 bytes is expected")]
    User,
    #[error("emit: more than one of room, user, client_id and broadcast")]
    Target,
    #[error("emit: {0}")]
    Event(&'static str),
}

impl WebhookResponse {
    /// Parses and validates a response. An empty body requests no actions.
    pub(super) fn read(body: &[u8]) -> Result<Self, ResponseError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let Object(response): Object<Self> = serde_json::from_slice(body)?;
        response.rooms.iter().chain(&response.leave).try_for_each(|room| room_name::check(room))?;
        if response.user.as_ref().is_some_and(|user| !user::is_valid_name(user)) {
            return Err(ResponseError::User);
        }
        response.emit.iter().try_for_each(|Object(emit)| emit.check())?;
        Ok(response)
    }

    /// Applies the changes of user, metadata and rooms to the client.
    pub(super) fn apply(&mut self, socket: &Socket) {
        if let Some(user) = self.user.take() {
            user::set_user(socket, &user);
        }
        user::change_metadata(socket, std::mem::take(&mut self.metadata));
        for room in self.rooms.drain(..) {
            socket.join(room);
        }
        for room in self.leave.drain(..) {
            socket.leave(&room);
        }
    }

    /// Disconnects the client if requested. This is the last action.
    pub(super) fn disconnect_if_requested(&self, socket: &Socket) {
        if self.disconnect {
            socket.disconnect(true);
        }
    }
}

impl Emit {
    fn check(&self) -> Result<(), ResponseError> {
        let named = [self.room.is_some(), self.user.is_some(), self.client_id.is_some(), self.broadcast];
        if named.into_iter().filter(|named| *named).count() > 1 {
            return Err(ResponseError::Target);
        }
        match socketio_parser::reserved_event(&self.event) {
            Some(_) => Err(ResponseError::Event("the name of the event is reserved")),
            None if self.others && !named.contains(&true) => {
                Err(ResponseError::Event("others requires a target"))
            }
            None => Ok(()),
        }
    }

    /// Emits the event. `from` is the client of the webhook.
    pub(super) async fn send(
        &self,
        io: &Server,
        cluster: &Cluster,
        from: &Socket,
    ) -> Result<(), ClientError> {
        let data: &RawValue = self.data.as_deref().unwrap_or(RawValue::NULL);
        let name = self.namespace.as_deref().unwrap_or(from.namespace());
        if let Some(id) = &self.client_id {
            let namespace = listing::namespace(io, name);
            match namespace.and_then(|namespace| namespace.socket(id)) {
                Some(one) => one.emit(&self.event, data)?,
                None => {
                    let call = ClientCall::Emit { event: self.event.clone(), data: data.get().to_owned() };
                    let question = Question::Client { namespace: name.to_owned(), id: id.clone(), call };
                    // An unknown client is ignored, on any node.
                    cluster.ask::<Option<ClientResult>>(io, &question).await;
                }
            }
            return Ok(());
        }
        let room = match (&self.room, &self.user) {
            (Some(room), _) => Some(room.clone()),
            (_, Some(user)) => Some(listing::user_room(user)),
            _ if self.broadcast => None,
            _ => return Ok(from.emit(&self.event, data)?),
        };
        // Unknown namespaces and the operators' namespace are ignored.
        let Some(namespace) = listing::namespace(io, name) else {
            // The client of the webhook is not in the namespace, and needs not be left out.
            let (room, event, data) = (room.as_deref(), self.event.as_str(), data.get());
            return cluster.emit_elsewhere(io, Emission { namespace: name, room, event, data }).await;
        };
        match (room, self.others) {
            (Some(room), false) => namespace.to(room).emit(&self.event, data).await?,
            (Some(room), true) => namespace.to(room).except(from.id()).emit(&self.event, data).await?,
            (None, false) => namespace.emit(&self.event, data).await?,
            (None, true) => namespace.except(from.id()).emit(&self.event, data).await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_response_is_refused_as_a_whole() {
        for (response, wrong) in [
            (r#"{"rooms": [""]}"#, "rooms: a room name is empty"),
            (r#"{"leave": ["user:ada"]}"#, "rooms: room names with the prefix user: are reserved"),
            (r#"{"user": ""}"#, "a user name of 1 to 256 bytes is expected"),
            (r#"{"alow": false}"#, "unknown field `alow`"),
            (r#"{"emit": [{"data": 1}]}"#, "missing field `event`"),
            (r#"{"emit": [{"event": "connect"}]}"#, "emit: the name of the event is reserved"),
            (r#"{"emit": [{"event": "e", "others": true}]}"#, "emit: others requires a target"),
            (r#"{"emit": [{"event": "e", "room": "r", "broadcast": true}]}"#, "emit: more than one"),
            ("null", "invalid type: null, expected an object"),
            (" []", "invalid type: sequence, expected an object"),
            (r#"{"emit": [["e", 1]]}"#, "invalid type: sequence, expected an object"),
            ("{", "EOF while parsing"),
        ] {
            let error = WebhookResponse::read(response.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(wrong), "{response}: {error}");
        }
        assert!(WebhookResponse::read(b"").unwrap().allow.is_none());
        assert!(WebhookResponse::read(br#"{"allow": true, "emit": [{"event": "e"}], "ack": [1.0]}"#).is_ok());
    }
}
