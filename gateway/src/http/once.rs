//! Calls that are carried out at most once, by their idempotency keys.

use std::future::Future;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::gateway::Gateway;
use crate::response::{self, HttpResponse};
use crate::shared::{KeyState, Reservation, Unavailable};

/// Header with the idempotency key of a call.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// Reason for which a call with an idempotency key was not carried out, or has no response.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct OnceError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl OnceError {
    fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self { status, code, message: message.to_owned() }
    }

    /// The response that says the reason.
    pub fn into_response(self) -> HttpResponse {
        response::failure(self.status, self.code, &self.message)
    }
}

impl Gateway {
    /// Carries out a call of an embedding program; with an `Idempotency-Key` in the headers at most once. The response of
    /// a repeated call is the first one, which comes from the medium of the cluster, if there is one. `name` and `body`
    /// distinguish calls. The work completes also if the connection of its caller breaks. It results in the JSON of a
    /// successful response; a call with an error may be repeated.
    pub async fn once<E: From<OnceError> + Send + 'static>(
        &self,
        name: &str,
        head: &Parts,
        body: &[u8],
        work: impl Future<Output = Result<Bytes, E>> + Send + 'static,
    ) -> Result<HttpResponse, E> {
        once(self, name, head, body, work).await
    }
}

pub(super) async fn once<E: From<OnceError> + Send + 'static>(
    gateway: &Gateway,
    name: &str,
    head: &Parts,
    body: &[u8],
    work: impl Future<Output = Result<Bytes, E>> + Send + 'static,
) -> Result<HttpResponse, E> {
    let Some(key) = idempotency_key(head)? else { return work.await.map(success) };
    let unavailable = |error: Unavailable| {
        let message = format!("the call was not carried out: {error}");
        OnceError::new(StatusCode::SERVICE_UNAVAILABLE, "cluster_unavailable", &message)
    };
    match gateway.shared().reserve(key, &digest(name, body)).await.map_err(unavailable)? {
        KeyState::New(ticket) => keep(ticket, work).await,
        KeyState::TooLarge => {
            let message = "the call was carried out, and its response was too large to be stored";
            Err(OnceError::new(StatusCode::CONFLICT, "response_lost", message).into())
        }
        KeyState::Done(response) => {
            let mut response = success(response);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
        KeyState::Running => {
            let message = "the call with this idempotency-key is still being carried out";
            Err(OnceError::new(StatusCode::CONFLICT, "in_progress", message).into())
        }
        KeyState::Other => {
            let message = "the idempotency-key was used for another call";
            Err(OnceError::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", message).into())
        }
    }
}

/// Carries out a call in a task of its own, which completes even if the connection breaks. Otherwise a retry
/// could carry out the call a second time.
async fn keep<E: From<OnceError> + Send + 'static>(
    ticket: Box<dyn Reservation>,
    work: impl Future<Output = Result<Bytes, E>> + Send + 'static,
) -> Result<HttpResponse, E> {
    let work = tokio::spawn(async move {
        let done = work.await;
        if let Ok(response) = &done {
            ticket.done(response.clone()).await;
        }
        done
    });
    let stopped =
        |_| OnceError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the call was not finished");
    Ok(success(work.await.map_err(stopped)??))
}

fn success(body: Bytes) -> HttpResponse {
    response::of(StatusCode::OK, "application/json", body)
}

/// Digest of a call, the same on all nodes.
fn digest(name: &str, body: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    for part in [name.as_bytes(), &[0], body] {
        context.update(part);
    }
    BASE64_URL_SAFE_NO_PAD.encode(context.finish())
}

fn idempotency_key(head: &Parts) -> Result<Option<&str>, OnceError> {
    let Some(key) = head.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()));
    let message = "the idempotency-key has 1 to 255 visible characters";
    key.map(Some).ok_or_else(|| OnceError::new(StatusCode::BAD_REQUEST, "bad_request", message))
}
