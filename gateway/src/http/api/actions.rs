//! API calls that change state: emits, room membership, disconnects, revocation, metadata, and batches of
//! these.

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use socketio_server::{EmitError, Namespace, Object, Socket};

use super::call::Call;
use super::failure::{self, Done, Failure};
use super::parse;
use crate::auth::user::{self, USER_ROOM};
use crate::builtin::room_name;
use crate::config::STATS_NAMESPACE;
use crate::gateway::Gateway;

/// Limit of the calls in a batch.
const MAX_BATCH: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmitToClient {
    client_id: String,
    event: String,
    data: Option<Box<RawValue>>,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmitToRoom {
    room: String,
    event: String,
    data: Option<Box<RawValue>>,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmitToUser {
    user: String,
    event: String,
    data: Option<Box<RawValue>>,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Broadcast {
    event: String,
    data: Option<Box<RawValue>>,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Membership {
    client_id: String,
    room: String,
    namespace: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Disconnect {
    client_id: Option<String>,
    room: Option<String>,
    user: Option<String>,
    namespace: Option<String>,
    close: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeUser {
    user: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetMetadata {
    client_id: String,
    metadata: Map<String, Value>,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    calls: Vec<Object<One>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    call: String,
    body: Box<RawValue>,
}

/// Carries out a call with the given body.
pub(super) async fn carry_out(gateway: &Gateway, call: Call, body: &[u8]) -> Done {
    if call == Call::Batch { batch(gateway, body).await } else { one(gateway, call, body).await }
}

/// Carries out the calls of a batch one after the other. A failed call does not stop the others.
async fn batch(gateway: &Gateway, body: &[u8]) -> Done {
    let Batch { calls } = parse(body)?;
    if calls.len() > MAX_BATCH {
        return Err(Failure::bad_request("more than 100 calls"));
    }
    let mut results = Vec::with_capacity(calls.len());
    for Object(One { call, body }) in calls {
        let done = match Call::in_batch(&call) {
            Some(call) => one(gateway, call, body.get().as_bytes()).await,
            None => Err(Failure::bad_request("unknown call, or not allowed in a batch")),
        };
        let status = done.as_ref().map_or_else(Failure::status, |_| StatusCode::OK);
        let mut result = failure::to_json(&done);
        result["status"] = status.as_u16().into();
        results.push(result);
    }
    Ok(json!({"results": results}))
}

async fn one(gateway: &Gateway, call: Call, body: &[u8]) -> Done {
    match call {
        Call::EmitToClient => {
            let EmitToClient { client_id, event, data, namespace } = parse(body)?;
            let socket = socket(&self::namespace(gateway, namespace)?, &client_id)?;
            socket.emit(&named(event, "event")?, &or_null(data))?;
            Ok(json!({"reached": 1}))
        }
        Call::EmitToRoom => {
            let EmitToRoom { room, event, data, namespace } = parse(body)?;
            to_members(&self::namespace(gateway, namespace)?, &named(room, "room")?, event, data).await
        }
        Call::EmitToUser => {
            let EmitToUser { user, event, data, namespace } = parse(body)?;
            let room = user_room(&named(user, "user")?);
            to_members(&self::namespace(gateway, namespace)?, &room, event, data).await
        }
        Call::Broadcast => {
            let Broadcast { event, data, namespace } = parse(body)?;
            let namespace = self::namespace(gateway, namespace)?;
            let receivers = namespace.len();
            namespace.emit(&named(event, "event")?, &or_null(data)).await?;
            Ok(json!({"reached": receivers}))
        }
        Call::JoinRoom | Call::LeaveRoom => {
            let Membership { client_id, room, namespace } = parse(body)?;
            room_name::check(&room).map_err(|error| Failure::bad_request(error.to_string()))?;
            let namespace = self::namespace(gateway, namespace)?;
            let socket = socket(&namespace, &client_id)?;
            if call == Call::JoinRoom {
                socket.join(room.as_str());
            } else {
                socket.leave(&room);
            }
            Ok(json!({"members": namespace.room_len(&room)}))
        }
        Call::Disconnect => disconnect(gateway, parse(body)?).await,
        Call::RevokeUser => {
            let RevokeUser { user } = parse(body)?;
            revoke(gateway, named(user, "user")?).await
        }
        Call::SetMetadata => {
            let SetMetadata { client_id, metadata, namespace } = parse(body)?;
            let socket = socket(&self::namespace(gateway, namespace)?, &client_id)?;
            user::change_metadata(&socket, metadata);
            Ok(json!({"metadata": user::metadata(&socket)}))
        }
        Call::Batch | Call::Rooms | Call::Sockets | Call::Counts | Call::AcquireSession => {
            Err(Failure::bad_request("the call changes no state"))
        }
    }
}

async fn to_members(namespace: &Namespace, room: &str, event: String, data: Option<Box<RawValue>>) -> Done {
    let members = namespace.room_len(room);
    namespace.to(room).emit(&named(event, "event")?, &or_null(data)).await?;
    Ok(json!({"reached": members}))
}

/// Disconnects a client, the members of a room, or a user. A user without a namespace is disconnected from
/// all namespaces.
async fn disconnect(gateway: &Gateway, request: Disconnect) -> Done {
    let Disconnect { client_id, room, user, namespace, close } = request;
    let close = close.unwrap_or(true);
    let (namespaces, room) = match (client_id, room, user) {
        (Some(client_id), None, None) => {
            socket(&self::namespace(gateway, namespace)?, &client_id)?.disconnect(close);
            return Ok(json!({"disconnected": 1}));
        }
        (None, Some(room), None) => (vec![self::namespace(gateway, namespace)?], named(room, "room")?),
        (None, None, Some(user)) => {
            let namespaces = match namespace {
                Some(name) => vec![self::namespace(gateway, Some(name))?],
                None => namespaces(gateway),
            };
            (namespaces, user_room(&named(user, "user")?))
        }
        _ => return Err(Failure::bad_request("one of client_id, room and user is expected")),
    };
    // The number is determined before the disconnects: closing a connection also disconnects its sockets in
    // the other namespaces.
    let disconnected: usize = namespaces.iter().map(|namespace| namespace.room_len(&room)).sum();
    for namespace in namespaces {
        namespace.to(room.as_str()).disconnect_sockets(close).await.map_err(EmitError::from)?;
    }
    Ok(json!({"disconnected": disconnected}))
}

/// Revokes all tokens of a user, and disconnects the user. The revocation comes first, so that the user
/// cannot reconnect in between.
async fn revoke(gateway: &Gateway, user: String) -> Done {
    gateway
        .tokens()
        .revoke(&user)
        .map_err(|error| Failure::new(StatusCode::CONFLICT, "too_many_revoked", error.to_string()))?;
    disconnect(gateway, Disconnect { user: Some(user), ..Disconnect::default() }).await
}

fn named(name: String, what: &str) -> Result<String, Failure> {
    if name.is_empty() {
        return Err(Failure::bad_request(format!("a name of the {what} is expected")));
    }
    Ok(name)
}

pub(super) fn user_room(user: &str) -> String {
    format!("{USER_ROOM}{user}")
}

/// All namespaces except the one for operators.
pub(super) fn namespaces(gateway: &Gateway) -> Vec<Namespace> {
    let io = gateway.io();
    io.namespaces()
        .iter()
        .filter(|name| *name != STATS_NAMESPACE)
        .filter_map(|name| io.namespace(name))
        .collect()
}

pub(super) fn namespace(gateway: &Gateway, name: Option<String>) -> Result<Namespace, Failure> {
    let name = name.unwrap_or_else(|| "/".to_owned());
    let found = Some(name.as_str())
        .filter(|name| *name != STATS_NAMESPACE)
        .and_then(|name| gateway.io().namespace(name));
    let unknown = || Failure::new(StatusCode::NOT_FOUND, "unknown_namespace", "unknown namespace");
    found.ok_or_else(unknown)
}

fn socket(namespace: &Namespace, id: &str) -> Result<Socket, Failure> {
    let unknown =
        || Failure::new(StatusCode::NOT_FOUND, "unknown_client", "no client of the namespace has this id");
    namespace.socket(id).ok_or_else(unknown)
}

fn or_null(data: Option<Box<RawValue>>) -> Box<RawValue> {
    data.unwrap_or_else(|| RawValue::NULL.to_owned())
}
