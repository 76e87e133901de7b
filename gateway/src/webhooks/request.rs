//! Webhook request: one JSON object per webhook.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use socketio_server::{RawArgs, Socket};

use crate::auth::user;
use crate::config::webhooks::WebhookType;
use crate::native;

/// Webhook request: its id and its body.
#[derive(Debug)]
pub(super) struct WebhookRequest {
    pub(super) id: String,
    pub(super) body: Bytes,
}

#[derive(Serialize)]
struct Body<'a, T> {
    r#type: &'static str,
    id: &'a str,
    time: String,
    socket: SocketInfo<'a>,
    #[serde(flatten)]
    more: T,
}

/// Description of the socket.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct SocketInfo<'a> {
    id: &'a str,
    namespace: &'a str,
    transport: Option<&'static str>,
    address: Option<String>,
    user: Option<String>,
    rooms: Vec<String>,
    metadata: Map<String, Value>,
    connected_at: Option<String>,
}

#[derive(Serialize)]
struct Connect<'a> {
    auth: Option<Value>,
    query: BTreeMap<&'a str, &'a str>,
    headers: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'a str,
    args: Vec<&'a RawValue>,
    /// Attachments as base64. `args` contains a placeholder for each.
    attachments: Vec<String>,
    ack: bool,
}

#[derive(Serialize)]
struct Disconnect<'a> {
    reason: &'a str,
}

impl WebhookRequest {
    pub(super) fn connect(socket: &Socket, headers: &[String]) -> Result<Self, RequestError> {
        let handshake = socket.handshake();
        let headers = headers.iter().filter_map(|name| Some((name.as_str(), handshake.header(name)?)));
        let more = Connect {
            auth: handshake.raw_auth().and_then(|auth| auth.parse().ok()),
            query: handshake.query().iter().collect(),
            headers: headers.collect(),
        };
        Self::new(WebhookType::Connect, socket, more)
    }

    pub(super) fn event(
        socket: &Socket,
        event: &str,
        args: &RawArgs,
        wants_ack: bool,
    ) -> Result<Self, RequestError> {
        let attachments = args.attachments().iter().map(|attachment| STANDARD.encode(attachment)).collect();
        let args = args.iter().map(|argument| serde_json::from_slice(argument.as_bytes()));
        let more = Event { event, args: args.collect::<Result<_, _>>()?, attachments, ack: wants_ack };
        Self::new(WebhookType::Event, socket, more)
    }

    pub(super) fn disconnect(socket: &Socket, reason: &str) -> Result<Self, RequestError> {
        Self::new(WebhookType::Disconnect, socket, Disconnect { reason })
    }

    /// Disconnect of a client that never joined the namespace. Only its id and namespace are known.
    pub(super) fn never_joined(id: &str, namespace: &str, reason: &str) -> Result<Self, RequestError> {
        let of = SocketInfo { id, namespace, ..SocketInfo::default() };
        Self::of(WebhookType::Disconnect, of, Disconnect { reason })
    }

    fn new(moment: WebhookType, socket: &Socket, more: impl Serialize) -> Result<Self, RequestError> {
        Self::of(moment, SocketInfo::new(socket), more)
    }

    fn of(moment: WebhookType, socket: SocketInfo<'_>, more: impl Serialize) -> Result<Self, RequestError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let id = format!("{:032x}", u128::from_le_bytes(bytes));
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let body = Body { r#type: moment.name(), id: &id, time, socket, more };
        let body = serde_json::to_vec(&body)?.into();
        Ok(Self { id, body })
    }
}

/// Error of building a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("the system has no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl<'a> SocketInfo<'a> {
    fn new(socket: &'a Socket) -> Self {
        let handshake = socket.handshake();
        Self {
            id: socket.id(),
            namespace: socket.namespace(),
            transport: Some(native::transport(socket.session())),
            address: handshake.address().map(|address| address.ip().to_string()),
            user: user::user(socket),
            rooms: user::rooms(socket),
            metadata: user::metadata(socket),
            connected_at: Some(humantime::format_rfc3339_millis(handshake.issued()).to_string()),
        }
    }
}
