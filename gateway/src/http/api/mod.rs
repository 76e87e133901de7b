//! HTTP API for backends that emit events and manage clients without a Socket.IO connection.
//!
//! The API is for operators (`auth::operators`). A request has a JSON object as its body. The response is
//! `{"success": true, "data": …}` or `{"success": false, "error": {"code", "message"}}`. `openapi.json`
//! describes the API for programs.

mod actions;
mod call;
mod everywhere;
mod failure;
mod queries;
mod sessions;

use std::time::Duration;

use bytes::Bytes;
use engineio::{Query, RequestBody};
use http::request::Parts;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use socketio_server::Object;

pub(super) use self::call::Call;
use self::failure::Failure;
use super::once;
use crate::auth::operators;
use crate::gateway::Gateway;
use crate::listen::Listener;
use crate::response::HttpResponse;

/// OpenAPI description of all routes.
pub(crate) const OPENAPI: &str = include_str!("openapi.json");

/// Timeout for receiving the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Handles an API request.
pub(super) async fn respond(
    gateway: &Gateway,
    call: Call,
    request: Request<RequestBody>,
    listener: Listener,
) -> HttpResponse {
    let (head, mut body) = request.into_parts();
    let answered = async {
        if call == Call::AcquireSession {
            // Clients may acquire anonymous sessions, so the key is checked there.
            let data = sessions::acquire(gateway, &head, &mut body, listener).await?;
            return Ok(failure::of_bytes(failure::to_bytes(&data)));
        }
        admit(gateway, &head, listener)?;
        match call {
            Call::Rooms | Call::Sockets | Call::Counts | Call::Info => {
                let data = queries::response(gateway, call, &Query::from(&head.uri)).await?;
                Ok(failure::of_bytes(failure::to_bytes(&data)))
            }
            _ => act(gateway, call, &head, read(gateway, &head, &mut body).await?).await,
        }
    };
    let answered = answered.await;
    // A client that sent `Expect` waits for 100 Continue and has not sent the body.
    if answered.is_err() && !head.headers.contains_key(header::EXPECT) {
        discard(gateway, &mut body).await;
    }
    answered.unwrap_or_else(Failure::into_response)
}

/// Reads and discards the rest of a body. Closing a connection with unread data resets it, and a client or
/// proxy that is still writing would lose the response. A body beyond the size limit is not read to its end.
async fn discard(gateway: &Gateway, body: &mut RequestBody) {
    let mut left = gateway.config().transport.max_payload_bytes;
    let rest = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(BODY_TIMEOUT, rest).await;
}

/// Carries out a call; with an idempotency key at most once.
async fn act(gateway: &Gateway, call: Call, head: &Parts, body: Bytes) -> Result<HttpResponse, Failure> {
    let (carrying_out, carried_out) = (gateway.clone(), body.clone());
    let work = async move {
        let done = actions::carry_out(&carrying_out, call, &carried_out).await;
        done.map(|data| failure::to_bytes(&data))
    };
    once::once(gateway, call.name(), head, &body, work).await
}

/// Checks that a request comes from an operator: its origin, and its key unless the port needs none.
pub(super) fn admit(gateway: &Gateway, head: &Parts, listener: Listener) -> Result<(), Failure> {
    check_origin(gateway, head)?;
    let is_keyless = listener == Listener::Internal && gateway.config().internal.is_keyless();
    if gateway.operators().contain(operators::offered_key(&head.headers))
        || is_keyless && operators::is_local_program(&head.headers)
    {
        return Ok(());
    }
    let message = "an operator key is required, as `x-api-key` or `Authorization: Bearer`";
    Err(Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", message))
}

fn check_origin(gateway: &Gateway, head: &Parts) -> Result<(), Failure> {
    if gateway.origins().allow(&head.headers) {
        return Ok(());
    }
    let message = "this origin may not use the API";
    Err(Failure::new(StatusCode::FORBIDDEN, "forbidden_origin", message))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let parsed = serde_json::from_slice(body).map(|Object(parsed)| parsed);
    parsed.map_err(|error| Failure::bad_request(error.to_string()))
}

async fn read(gateway: &Gateway, head: &Parts, body: &mut RequestBody) -> Result<Bytes, Failure> {
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let message = "the content type application/json is expected";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    let limited = Limited::new(body, gateway.config().transport.max_payload_bytes);
    match tokio::time::timeout(BODY_TIMEOUT, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message = "the body is larger than transport.max_payload_bytes";
            Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message))
        }
        Ok(Err(_)) => Err(Failure::bad_request("the body is incomplete")),
        Err(_) => {
            Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time"))
        }
    }
}
