//! HTTP/1.1 connections, driven by the future that waits for a response, so they need no task of their own.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::route::Route;
use super::stream::Stream;
use super::upgrade::{MAX_ERROR, MAX_INFORMATIONAL, shown};
use crate::client::error::HttpError;

/// An idle connection between two requests.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    io: http1::Connection<TokioIo<Stream>, Full<Bytes>>,
    /// The connection has ended and must not be polled again.
    done: bool,
    /// The number of informational responses (1xx) to the current request.
    informational: Arc<AtomicUsize>,
}

/// A request without a response: the error, and the request if nothing of it was sent.
pub(super) type Unanswered = (HttpError, Option<Request<Full<Bytes>>>);

impl Connection {
    /// Starts HTTP on a stream.
    pub(crate) async fn on(stream: Stream) -> Result<Self, HttpError> {
        let (sender, io) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, io, done: false, informational: Arc::default() })
    }

    /// Sends a request and waits for the head of the response.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, Unanswered> {
        self.informational.store(0, Ordering::Relaxed);
        let counter = Arc::clone(&self.informational);
        // hyper skips informational responses, however many there are.
        hyper::ext::on_informational(&mut request, move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let mut pending = pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|cx| {
            poll_io(&mut self.io, &mut self.done, cx);
            if self.informational.load(Ordering::Relaxed) > MAX_INFORMATIONAL {
                return Poll::Ready(Err((HttpError::TooManyInformational, None)));
            }
            pending.as_mut().poll(cx).map_err(|mut error| {
                let unsent = error.take_message();
                (error.into_error().into(), unsent)
            })
        })
        .await
    }

    /// Reads a response, which must have the status 200 and at most `limit` bytes. The cookies of other
    /// responses are not stored: a proxy may have sent them.
    pub(super) async fn read(
        mut self,
        route: &Route,
        response: http::Response<Incoming>,
        limit: usize,
    ) -> (Result<Bytes, HttpError>, Option<Self>) {
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            let body = self.alongside(collect(body, MAX_ERROR)).await.ok();
            let body = body.and_then(|body| shown(&body));
            return (Err(HttpError::Status { status: head.status, body }), None);
        }
        route.store_cookies(&head.headers);
        match self.alongside(collect(body, limit)).await {
            Ok(body) => {
                let connection = Some(self).filter(|connection| !connection.done);
                (Ok(body.into()), connection)
            }
            Err(error) => (Err(error), None),
        }
    }

    /// Drives the connection while a future waits for the body of the response.
    async fn alongside<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            poll_io(&mut self.io, &mut self.done, cx);
            future.as_mut().poll(cx)
        })
        .await
    }
}

/// Drives a connection. The future that waits for the response gets the error.
fn poll_io(io: &mut http1::Connection<TokioIo<Stream>, Full<Bytes>>, done: &mut bool, cx: &mut Context<'_>) {
    if !*done && io.poll_without_shutdown(cx).is_ready() {
        *done = true;
    }
}

/// Collects a body of at most `limit` bytes.
///
/// The chunks are copied into one buffer. Each chunk shares the read buffer in which it arrived, so that a
/// body in tiny chunks would otherwise hold many times its length.
async fn collect<B>(body: B, limit: usize) -> Result<Vec<u8>, HttpError>
where
    B: Body<Data = Bytes, Error = hyper::Error>,
{
    let mut body = pin!(body);
    let mut collected = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers have no meaning in Engine.IO.
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() > limit - collected.len() {
            return Err(HttpError::TooLarge);
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Context;

    use hyper::body::{Body, Frame};

    use super::*;

    /// A body in tiny chunks, each of which holds a buffer.
    struct Chunks {
        left: usize,
        held: Arc<AtomicUsize>,
        most: usize,
    }

    struct Held(Arc<AtomicUsize>);

    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl Body for Chunks {
        type Data = Bytes;
        type Error = hyper::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
            let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
            self.left = left;
            let held = self.held.fetch_add(1, Ordering::Relaxed) + 1;
            assert!(held <= self.most, "{held} chunks are held");
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(Held(Arc::clone(&self.held)))))))
        }
    }

    #[tokio::test]
    async fn a_body_in_tiny_chunks_holds_no_more_than_its_length() {
        let chunks = |left| Chunks { left, held: Arc::default(), most: 2 };
        assert_eq!(collect(chunks(1000), 1000).await.unwrap().len(), 1000);
        assert!(matches!(collect(chunks(1001), 1000).await, Err(HttpError::TooLarge)));
    }
}
