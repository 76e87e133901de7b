//! Hooks that inspect requests, answer or refuse them, and add headers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use http::request::Parts;
use http::{HeaderMap, Response};

use super::request_error::RequestError;
use crate::protocol::sid::Sid;
use crate::server::response::body::Body;
use crate::server::response::cors::Cors;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) type AllowRequest = Box<dyn Fn(&Parts) -> BoxFuture<Result<(), String>> + Send + Sync>;
pub(crate) type Resource = Box<dyn Fn(&str, &Parts) -> Option<BoxFuture<Response<Body>>> + Send + Sync>;
pub(crate) type Middleware = Box<dyn Fn(&Parts) -> BoxFuture<Result<HeaderMap, Refusal>> + Send + Sync>;
pub(crate) type CorsByRequest = Box<dyn Fn(&Parts) -> BoxFuture<Option<Cors>> + Send + Sync>;
pub(crate) type GenerateId = Box<dyn Fn(&Parts) -> BoxFuture<Result<Sid, BoxError>> + Send + Sync>;
pub(crate) type HeadersHook = Box<dyn Fn(&Parts, &mut HeaderMap) + Send + Sync>;
pub(crate) type ErrorHook = Box<dyn Fn(&Parts, &RequestError) + Send + Sync>;

/// The reason why a middleware ends a request.
#[derive(Debug)]
pub enum Refusal {
    /// The client gets 400 with code 3.
    Failed,
    /// The client gets this answer.
    Respond(Response<Body>),
}

impl<E: std::error::Error> From<E> for Refusal {
    /// Any error refuses the request. Its text is not sent to the client.
    fn from(_: E) -> Self {
        Self::Failed
    }
}

/// All hooks of a server. A hook that is not set costs nothing.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) allow_request: Option<AllowRequest>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) cors: Option<CorsByRequest>,
    pub(crate) generate_id: Option<GenerateId>,
    pub(crate) initial_headers: Option<HeadersHook>,
    pub(crate) headers: Option<HeadersHook>,
    pub(crate) connection_error: Option<ErrorHook>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("resources", &self.resources.len())
            .field("middlewares", &self.middlewares.len())
            .finish_non_exhaustive()
    }
}
