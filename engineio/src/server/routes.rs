//! The application's own routes on connections of the server.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};

use super::body::Body;
use super::incoming::RequestBody;

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// What answers every request on connections of [`Server::connect_with`](super::Server::connect_with).
///
/// Requests below the server's path are among them: pass them on to [`Server::handle`](super::Server::handle). The
/// address of the peer is in the extensions, as [`PeerAddr`](super::PeerAddr).
#[derive(Clone)]
pub struct Routes(Arc<dyn Fn(Request<RequestBody>) -> Answer + Send + Sync>);

impl Routes {
    /// Routes from a function. Each request costs one allocation for its future.
    pub fn new<F, Fut>(answer: F) -> Self
    where
        F: Fn(Request<RequestBody>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(answer(request))))
    }

    pub(super) fn answer(&self, request: Request<RequestBody>) -> Answer {
        (self.0)(request)
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}
