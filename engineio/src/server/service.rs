//! The server as a tower service and layer, and as a hyper service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body_util::Either;
use tower_layer::Layer;
use tower_service::Service;

use super::Server;
use super::http::upgrade;
use super::response::body::Body;
use super::shared::Shared;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Server {
    /// A service that answers every request, whatever the path, for mounting in a router.
    pub fn service(&self) -> Self {
        self.clone()
    }

    /// A layer that answers the requests below [`ServerBuilder::path`](crate::ServerBuilder::path) and passes
    /// all others on.
    pub fn layer(&self) -> EngineLayer {
        EngineLayer(self.clone())
    }

    /// Answers one request, whatever its path. For HTTP servers other than tower's and hyper's.
    pub async fn handle<B>(&self, mut request: Request<B>) -> Response<Body>
    where
        B: http_body::Body,
    {
        let upgrading = upgrade::take(request.extensions_mut());
        Arc::clone(&self.0).respond(request, upgrading).await
    }

    /// Whether a path belongs to this server.
    pub fn matches(&self, path: &str) -> bool {
        self.0.matches(path)
    }

    /// The response as a future that owns all its data.
    fn answer<B>(&self, request: Request<B>) -> impl Future<Output = Response<Body>> + Send + use<B>
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
    {
        let server = self.clone();
        async move { server.handle(request).await }
    }
}

impl Shared {
    /// Whether a path belongs to this server.
    pub(super) fn matches(&self, path: &str) -> bool {
        let base = self.options.path.trim_end_matches('/');
        match path.strip_prefix(base) {
            Some("") => !self.options.trailing_slash,
            Some(rest) => rest.starts_with('/'),
            None => false,
        }
    }
}

impl<B> Service<Request<B>> for Server
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.answer(request);
        Box::pin(async move { Ok(answer.await) })
    }
}

impl<B> hyper::service::Service<Request<B>> for Server
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let answer = self.answer(request);
        Box::pin(async move { Ok(answer.await) })
    }
}

/// A layer that puts a server in front of another service. See [`Server::layer`].
#[derive(Clone, Debug)]
pub struct EngineLayer(Server);

impl<S> Layer<S> for EngineLayer {
    type Service = EngineService<S>;

    fn layer(&self, inner: S) -> EngineService<S> {
        EngineService { server: self.0.clone(), inner }
    }
}

/// A server in front of another service. See [`Server::layer`].
#[derive(Clone, Debug)]
pub struct EngineService<S> {
    server: Server,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for EngineService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Either<Body, R>>;
    type Error = S::Error;
    type Future = BoxFuture<Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.server.matches(request.uri().path()) {
            let answer = self.server.answer(request);
            return Box::pin(async move { Ok(answer.await.map(Either::Left)) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(answer.await?.map(Either::Right)) })
    }
}
