//! The application's own routes on connections of the server.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use tower_service::Service;

use super::incoming::RequestBody;
use crate::server::response::body::Body;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>;

/// The service that answers every request on connections of an [`HttpServer`](crate::HttpServer).
///
/// It also gets the requests below the server's path: pass them to [`Server::handle`](crate::Server::handle),
/// or put [`Server::layer`](crate::Server::layer) in front of the other routes. The extensions contain the
/// peer's address as [`PeerAddr`](crate::PeerAddr).
#[derive(Clone)]
pub struct Routes(Arc<dyn Fn(Request<RequestBody>) -> Answer + Send + Sync>);

/// The body of a response.
pub(crate) enum ResponseBody {
    /// One piece.
    Whole(Body),
    /// Pieces as they arrive.
    Stream(Stream),
}

pub(crate) type Stream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>;

impl Routes {
    /// Routes from a function. Each request costs one allocation for its future, and one for a body that is
    /// not a [`Body`].
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
            let answer = self.answer(request);
            Box::pin(async move {
                let mut response = answer.await;
                change(response.headers_mut());
                response
            })
        }))
    }

    pub(crate) fn answer(&self, request: Request<RequestBody>) -> Answer {
        (self.0)(request)
    }
}

impl ResponseBody {
    fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        let whole = (&mut body as &mut dyn Any).downcast_mut::<Option<Body>>().and_then(Option::take);
        match (whole, body) {
            (Some(whole), _) => Self::Whole(whole),
            (None, Some(body)) if !body.is_end_stream() => Self::Stream(Box::pin(body.map_err(Into::into))),
            (None, _) => Self::Whole(Body::default()),
        }
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}
