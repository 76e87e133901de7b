//! The application's own routes on connections of the server.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tower_service::Service;

use super::answering::{Answering, ResponseBody};
use super::incoming::RequestBody;
use super::upgrade::Slot;
use crate::io::Upgrading;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>;

/// The service that answers every request on connections of an [`HttpServer`](crate::HttpServer).
///
/// It also gets the requests below the server's path: pass them to [`Server::handle`](crate::Server::handle),
/// or put [`Server::layer`](crate::Server::layer) in front of the other routes. The extensions contain the
/// peer's address as [`PeerAddr`](crate::PeerAddr).
#[derive(Clone)]
pub struct Routes(Arc<dyn Fn(Request<RequestBody>) -> Answer + Send + Sync>);

impl Routes {
    /// Routes from a function. Each request costs one allocation for its future, and one for a body that is
    /// not a [`Body`](crate::Body).
    ///
    /// Bodies may be streams. A body that ends with an error, or differs in length from its size hint, ends
    /// the connection.
    pub fn new<F, Fut, B>(answer: F) -> Self
    where
        F: Fn(Request<RequestBody>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Arc::new(move |request| {
            let answer = answer(request);
            Box::pin(async move { answer.await.map(ResponseBody::new) })
        }))
    }

    /// Routes from a tower service, such as an axum router. The service is cloned for each request.
    pub fn service<S, B>(service: S) -> Self
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::new(move |request| {
            let mut service = service.clone();
            async move {
                let ready = poll_fn(|cx| service.poll_ready(cx)).await;
                let answered = match ready {
                    Ok(()) => service.call(request).await,
                    Err(never) => match never {},
                };
                match answered {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
        })
    }

    /// The same routes, with changed headers on the responses.
    pub(crate) fn mapped(self, change: impl Fn(&mut HeaderMap) + Copy + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |request| {
            let answer = self.call(request);
            Box::pin(async move {
                let mut response = answer.await;
                change(response.headers_mut());
                response
            })
        }))
    }

    fn call(&self, request: Request<RequestBody>) -> Answer {
        (self.0)(request)
    }
}

impl Answering for Routes {
    const LIMITS_BODY: bool = true;

    async fn answer(
        &self,
        mut request: Request<RequestBody>,
        upgrading: Option<Upgrading>,
    ) -> Response<ResponseBody> {
        if let Some(upgrading) = upgrading {
            request.extensions_mut().insert(Slot::new(upgrading));
        }
        self.call(request).await
    }

    fn is_closing(&self) -> bool {
        false
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}
