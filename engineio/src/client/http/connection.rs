//! HTTP/1.1 connections, driven by the future that waits for a response, so they need no task of their own.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::route::Route;
use super::stream::Stream;
use super::upgrade::{MAX_ERROR, shown};
use crate::client::error::HttpError;

/// An idle connection between two requests.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    io: http1::Connection<TokioIo<Stream>, Full<Bytes>>,
    /// The connection has ended and must not be polled again.
    done: bool,
}

impl Connection {
    /// Starts HTTP on a stream.
    pub(crate) async fn on(stream: Stream) -> Result<Self, HttpError> {
        let (sender, io) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, io, done: false })
    }

    /// Starts a request. The connection has to be driven by [`alongside`](Self::alongside).
    pub(crate) fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<http::Response<Incoming>, TrySendError<Request<Full<Bytes>>>>> + use<>
    {
        self.sender.try_send_request(request)
    }

    /// Reads a response, which must have the status 200 and at most `limit` bytes.
    pub(crate) async fn read(
        mut self,
        route: &Route,
        response: http::Response<Incoming>,
        limit: usize,
    ) -> (Result<Bytes, HttpError>, Option<Self>) {
        let (head, body) = response.into_parts();
        route.store_cookies(&head.headers);
        if head.status != StatusCode::OK {
            let body = self.alongside(excerpt(body)).await;
            return (Err(HttpError::Status { status: head.status, body }), None);
        }
        match self.alongside(Limited::new(body, limit).collect()).await {
            Ok(body) => {
                let connection = Some(self).filter(|connection| !connection.done);
                (Ok(body.to_bytes()), connection)
            }
            Err(error) if error.is::<LengthLimitError>() => (Err(HttpError::TooLarge), None),
            Err(error) => match error.downcast::<hyper::Error>() {
                Ok(error) => (Err((*error).into()), None),
                // A limited body has no other errors than these two.
                Err(_) => (Err(HttpError::TooLarge), None),
            },
        }
    }

    /// Drives the connection while a future waits for its response.
    pub(crate) async fn alongside<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            if !self.done && self.io.poll_without_shutdown(cx).is_ready() {
                // The future that waits for the response gets the error.
                self.done = true;
            }
            match future.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(output),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

/// The beginning of the body of an error response.
async fn excerpt(body: Incoming) -> Option<Arc<str>> {
    shown(&Limited::new(body, MAX_ERROR).collect().await.ok()?.to_bytes())
}
