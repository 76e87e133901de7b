//! The body of a request, as it arrives on a connection of the crate's own HTTP server.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};

use crate::sync::Mutex;
use bytes::Bytes;
use http_body::Frame;
use thiserror::Error;

/// The body of a request on a connection of the server.
///
/// It ends with an error when the connection ends early, when the body violates HTTP, and when 16 KiB of it
/// take longer than [`HttpServer::body_timeout`](crate::HttpServer::body_timeout). The application has to
/// limit its length.
#[derive(Debug)]
pub struct RequestBody(Incoming);

enum Incoming {
    /// The whole body arrived with the head. Empty if the request has no body, and after it was taken.
    Whole(Bytes),
    /// The body is still arriving.
    Streamed(Arc<Mutex<State>>),
}

/// The writing end of a streamed body, for the task that reads the connection.
pub(crate) struct Feed(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pieces: VecDeque<Bytes>,
    end: Option<Result<(), IncompleteBody>>,
    /// The waker of a task that waits for a piece.
    reader: Option<Waker>,
}

/// The connection ended, or violated HTTP, before the body was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the request body did not come whole")]
pub struct IncompleteBody;

impl RequestBody {
    pub(crate) fn whole(data: Bytes) -> Self {
        Self(Incoming::Whole(data))
    }

    pub(crate) fn streamed() -> (Self, Feed) {
        let state = Arc::default();
        (Self(Incoming::Streamed(Arc::clone(&state))), Feed(state))
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(data) => write!(f, "Whole({} bytes)", data.len()),
            Self::Streamed(_) => f.write_str("Streamed"),
        }
    }
}

impl Feed {
    /// Whether a reader waits for more.
    pub(crate) fn is_wanted(&self) -> bool {
        lock(&self.0).reader.is_some()
    }

    pub(crate) fn push(&self, piece: Bytes) {
        self.change(|state| state.pieces.push_back(piece));
    }

    /// Ends the body, complete or with an error.
    pub(crate) fn end(&self, end: Result<(), IncompleteBody>) {
        self.change(|state| state.end = Some(end));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.0);
        change(&mut state);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = IncompleteBody;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, IncompleteBody>>> {
        let state = match &mut self.get_mut().0 {
            Incoming::Whole(data) => {
                let data = std::mem::take(data);
                return Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))));
            }
            Incoming::Streamed(state) => state,
        };
        let mut state = lock(state);
        if let Some(piece) = state.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(cut)) => Poll::Ready(Some(Err(cut))),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Incoming::Whole(data) if data.is_empty())
    }
}

/// No code panics while it holds the lock.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock()
}
