//! The HTTP API: for backends that send events and move clients between rooms without being connected.
//!
//! It is for operators ([`access`]). What is asked for comes as a JSON object, what was done goes back as
//! `{"success": true, "data": …}`, and what was wrong as `{"success": false, "error": {"code", "message"}}`.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use socketio_server::{EmitError, Namespace, Socket};

use crate::access::{self, Visitor};
use crate::answer::{self, Answer};
use crate::config::WATCH;
use crate::gateway::Gateway;
use crate::{origin, room_name};

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    EmitToClient,
    EmitToRoom,
    Broadcast,
    JoinRoom,
    LeaveRoom,
    Rooms,
}

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

impl Call {
    /// What it is called where calls are counted.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::EmitToClient => "emit_to_client",
            Self::EmitToRoom => "emit_to_room",
            Self::Broadcast => "broadcast",
            Self::JoinRoom => "join_room",
            Self::LeaveRoom => "leave_room",
            Self::Rooms => "rooms",
        }
    }
}

/// Does what an operator asks for.
pub(super) async fn respond(
    gateway: &Gateway,
    call: Call,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Answer {
    let (head, body) = request.into_parts();
    let answered = async {
        admit(gateway, &head, peer)?;
        match call {
            Call::Rooms => Ok(rooms(gateway)),
            _ => carry_out(gateway, call, &read(gateway, &head, body).await?).await,
        }
    };
    answered.await.unwrap_or_else(|refused| *refused)
}

async fn carry_out(gateway: &Gateway, call: Call, body: &[u8]) -> Result<Answer, Box<Answer>> {
    match call {
        Call::EmitToClient => {
            let EmitToClient { client_id, event, data, namespace } = parse(body)?;
            let socket = socket(&self::namespace(gateway, namespace)?, &client_id)?;
            socket.emit(&event, &or_null(data)).map_err(not_emitted)?;
            Ok(reached(1))
        }
        Call::EmitToRoom => {
            let EmitToRoom { room, event, data, namespace } = parse(body)?;
            if room.is_empty() {
                return Err(bad_request("the name of a room is empty"));
            }
            let namespace = self::namespace(gateway, namespace)?;
            let members = namespace.room_len(&room);
            namespace.to(room.as_str()).emit(&event, &or_null(data)).await.map_err(not_emitted)?;
            Ok(reached(members))
        }
        Call::Broadcast => {
            let Broadcast { event, data, namespace } = parse(body)?;
            let namespace = self::namespace(gateway, namespace)?;
            let everybody = namespace.len();
            namespace.emit(&event, &or_null(data)).await.map_err(not_emitted)?;
            Ok(reached(everybody))
        }
        Call::JoinRoom | Call::LeaveRoom => {
            let Membership { client_id, room, namespace } = parse(body)?;
            room_name::check(&room).map_err(|error| bad_request(&error.to_string()))?;
            let namespace = self::namespace(gateway, namespace)?;
            let socket = socket(&namespace, &client_id)?;
            if call == Call::JoinRoom {
                socket.join(room.as_str());
            } else {
                socket.leave(&room);
            }
            Ok(answer::success(json!({"members": namespace.room_len(&room)})))
        }
        Call::Rooms => Ok(rooms(gateway)),
    }
}

/// All rooms with the ids of their members.
fn rooms(gateway: &Gateway) -> Answer {
    let mut rooms = Vec::new();
    for name in gateway.io().namespaces().iter().filter(|name| *name != WATCH) {
        let mut members = std::collections::BTreeMap::<_, Vec<String>>::new();
        for socket in gateway.io().namespace(name).iter().flat_map(Namespace::sockets) {
            // The first is the socket's own.
            for room in socket.rooms().into_iter().skip(1) {
                members.entry(room).or_default().push(socket.id().to_owned());
            }
        }
        rooms.extend(members.into_iter().map(|(room, mut clients)| {
            clients.sort();
            json!({"namespace": name, "room": *room, "clients": clients})
        }));
    }
    answer::success(json!({"rooms": rooms}))
}

pub(super) fn admit(gateway: &Gateway, head: &Parts, peer: SocketAddr) -> Result<(), Box<Answer>> {
    let config = gateway.config();
    if !origin::is_allowed(&config.origins, &head.headers) {
        let message = "pages of this origin may not do that";
        return Err(Box::new(answer::failure(StatusCode::FORBIDDEN, "forbidden_origin", message)));
    }
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    let visitor =
        Visitor { key: header(access::KEY_HEADER).or(bearer), address: Some(peer.ip()), header: &header };
    if access::is_operator(&config.api, &visitor) {
        return Ok(());
    }
    let message = "a key is needed, as `x-api-key` or `Authorization: Bearer`";
    Err(Box::new(answer::failure(StatusCode::UNAUTHORIZED, "unauthorized", message)))
}

async fn read(gateway: &Gateway, head: &Parts, body: Incoming) -> Result<Bytes, Box<Answer>> {
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let message = "the content type application/json is expected";
        return Err(Box::new(answer::failure(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            message,
        )));
    }
    let limited = Limited::new(body, gateway.config().transport.max_payload_bytes);
    match tokio::time::timeout(BODY_TIMEOUT, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message = "the body is larger than transport.max_payload_bytes";
            Err(Box::new(answer::failure(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)))
        }
        Ok(Err(_)) => Err(bad_request("the body did not come whole")),
        Err(_) => {
            let message = "the body did not come in time";
            Err(Box::new(answer::failure(StatusCode::REQUEST_TIMEOUT, "timeout", message)))
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Box<Answer>> {
    serde_json::from_slice(body).map_err(|error| bad_request(&error.to_string()))
}

fn namespace(gateway: &Gateway, name: Option<String>) -> Result<Namespace, Box<Answer>> {
    let name = name.unwrap_or_else(|| "/".to_owned());
    let found =
        Some(name.as_str()).filter(|name| *name != WATCH).and_then(|name| gateway.io().namespace(name));
    found.ok_or_else(|| unknown("unknown_namespace", "there is no such namespace"))
}

fn socket(namespace: &Namespace, id: &str) -> Result<Socket, Box<Answer>> {
    namespace.socket(id).ok_or_else(|| unknown("unknown_client", "no client of the namespace has this id"))
}

fn or_null(data: Option<Box<RawValue>>) -> Box<RawValue> {
    data.unwrap_or_else(|| RawValue::NULL.to_owned())
}

fn reached(sockets: usize) -> Answer {
    answer::success(json!({"reached": sockets}))
}

fn unknown(code: &str, message: &str) -> Box<Answer> {
    Box::new(answer::failure(StatusCode::NOT_FOUND, code, message))
}

fn bad_request(message: &str) -> Box<Answer> {
    Box::new(answer::failure(StatusCode::BAD_REQUEST, "bad_request", message))
}

fn not_emitted(error: EmitError) -> Box<Answer> {
    match error {
        EmitError::Encode(error) => bad_request(&error.to_string()),
        error => Box::new(answer::failure(StatusCode::CONFLICT, "not_sent", &error.to_string())),
    }
}
