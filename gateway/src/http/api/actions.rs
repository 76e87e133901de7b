//! API calls that change state: emits, room membership, disconnects, revocation, metadata, and batches of
//! these.

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use socketio_server::Object;

use super::call::Call;
use super::everywhere::{self, root};
use super::failure::{self, Done, Failure};
use super::parse;
use crate::auth::tokens;
use crate::builtin::room_name;
use crate::gateway::Gateway;
use crate::node::clients::ClientCall;
use crate::node::listing::user_room;
use crate::shared::RevokeError;

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
            let call =
                ClientCall::Emit { event: named(event, "event")?, data: or_null(data).get().to_owned() };
            everywhere::on_client(gateway, namespace, client_id, call).await
        }
        Call::EmitToRoom => {
            let EmitToRoom { room, event, data, namespace } = parse(body)?;
            let (room, event) = (named(room, "room")?, named(event, "event")?);
            everywhere::emit(gateway, namespace, Some(room), event, or_null(data)).await
        }
        Call::EmitToUser => {
            let EmitToUser { user, event, data, namespace } = parse(body)?;
            let (room, event) = (user_room(&named(user, "user")?), named(event, "event")?);
            everywhere::emit(gateway, namespace, Some(room), event, or_null(data)).await
        }
        Call::Broadcast => {
            let Broadcast { event, data, namespace } = parse(body)?;
            everywhere::emit(gateway, namespace, None, named(event, "event")?, or_null(data)).await
        }
        Call::JoinRoom | Call::LeaveRoom => {
            let Membership { client_id, room, namespace } = parse(body)?;
            room_name::check(&room).map_err(|error| Failure::bad_request(error.to_string()))?;
            let change = if call == Call::JoinRoom { ClientCall::Join } else { ClientCall::Leave };
            let done =
                everywhere::on_client(gateway, namespace.clone(), client_id, change(room.clone())).await?;
            everywhere::with_members(gateway, namespace, room, done).await
        }
        Call::Disconnect => disconnect(gateway, parse(body)?).await,
        Call::RevokeUser => {
            let RevokeUser { user } = parse(body)?;
            revoke(gateway, named(user, "user")?).await
        }
        Call::SetMetadata => {
            let SetMetadata { client_id, metadata, namespace } = parse(body)?;
            everywhere::on_client(gateway, namespace, client_id, ClientCall::SetMetadata(metadata)).await
        }
        Call::Batch | Call::Rooms | Call::Sockets | Call::Counts | Call::Info | Call::AcquireSession => {
            Err(Failure::bad_request("the call changes no state"))
        }
    }
}

/// Disconnects a client, the members of a room, or a user. A user without a namespace is disconnected from
/// all namespaces.
async fn disconnect(gateway: &Gateway, request: Disconnect) -> Done {
    let Disconnect { client_id, room, user, namespace, close } = request;
    let close = close.unwrap_or(true);
    let (namespace, room) = match (client_id, room, user) {
        (Some(client_id), None, None) => {
            return everywhere::on_client(gateway, namespace, client_id, ClientCall::Disconnect { close })
                .await;
        }
        (None, Some(room), None) => (Some(namespace.unwrap_or_else(root)), named(room, "room")?),
        (None, None, Some(user)) => (namespace, user_room(&named(user, "user")?)),
        _ => return Err(Failure::bad_request("one of client_id, room and user is expected")),
    };
    everywhere::disconnect(gateway, namespace, room, close).await
}

/// Revokes all tokens of a user, and disconnects the user. The revocation comes first, so that the user
/// cannot reconnect in between.
async fn revoke(gateway: &Gateway, user: String) -> Done {
    let too_many = |message| Failure::new(StatusCode::CONFLICT, "too_many_revoked", message);
    let at = tokens::now();
    gateway.tokens().revoke(&user, at).map_err(|error| too_many(error.to_string()))?;
    let remembered = gateway.shared().revoke(&user, at).await;
    // The clients of this node are disconnected in any case.
    let done = everywhere::revoke(gateway, user, at).await;
    match remembered {
        Ok(()) => Ok(done),
        Err(error @ RevokeError::TooMany) => Err(too_many(error.to_string())),
        Err(RevokeError::Unavailable(error)) => {
            let message =
                format!("the tokens are revoked at this gateway, and possibly not at others: {error}");
            Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "cluster_unavailable", message))
        }
    }
}

fn named(name: String, what: &str) -> Result<String, Failure> {
    if name.is_empty() {
        return Err(Failure::bad_request(format!("a name of the {what} is expected")));
    }
    Ok(name)
}

fn or_null(data: Option<Box<RawValue>>) -> Box<RawValue> {
    data.unwrap_or_else(|| RawValue::NULL.to_owned())
}
