//! What an HTTP request, or a handle, asks of a session's driver.

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::close_reason::CloseReason;
use crate::io::Upgrading;
use crate::polling::{PayloadForm, PollAnswer};
use crate::protocol::packet::Message;
use crate::server::response::loan::Loan;

/// A wish that the driver carries out at the start of its next turn.
///
/// Every request brings the channel for its answer. A driver that ends drops the channels it still has, which the
/// request reads as "no such session".
#[derive(Debug)]
pub(crate) enum Command {
    /// A GET wants what waits, now or later.
    Poll(oneshot::Sender<Polled>),
    /// A POST brings packets.
    Post(PostBody, PayloadForm, oneshot::Sender<PostAnswer>),
    /// A WebSocket wants to take over. Any answer lets the request answer with 101; if the session cannot take the
    /// WebSocket it is closed right away.
    Probe(oneshot::Sender<()>, Upgrading),
    /// What a client that speaks another protocol says before it has its WebSocket.
    Receive(Message),
    /// Orderly close by the application.
    Close,
    /// Immediate close.
    Abort(CloseReason),
}

/// How a GET is answered, and what the answer holds of the session's memory.
#[derive(Debug)]
pub(crate) struct Polled {
    pub(crate) answer: PollAnswer,
    pub(crate) loan: Option<Loan>,
}

impl From<PollAnswer> for Polled {
    fn from(answer: PollAnswer) -> Self {
        Self { answer, loan: None }
    }
}

/// The body of a POST.
#[derive(Debug)]
pub(crate) enum PostBody {
    /// It was there at once.
    Read(Bytes),
    /// It is being read. The sender says `None` when there is nothing to take in after all (the body was too
    /// large and was answered so); that it disappears means that the request was cut.
    Reading(oneshot::Receiver<Option<Bytes>>),
}

/// How a POST is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostAnswer {
    /// 200 `ok`.
    Accepted,
    /// 400: an overlap, an undecodable payload, or a session that has left polling.
    Refused,
}
