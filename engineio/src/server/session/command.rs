//! Commands of HTTP requests and handles for the driver of a session.

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::close_reason::CloseReason;
use crate::deflate::Agreed;
use crate::io::Upgrading;
use crate::polling::{PayloadForm, PollAnswer};
use crate::protocol::packet::Message;
#[cfg(feature = "peers")]
use crate::server::peers::PeerCommand;
use crate::server::response::loan::Loan;

/// A command, executed at the start of the next turn of the driver.
///
/// Commands of requests contain the channel for the result. A driver that ends drops the channel, and the
/// request is answered as one for an unknown session.
#[derive(Debug)]
pub(crate) enum Command {
    /// A GET waits for packets.
    Poll(oneshot::Sender<Polled>),
    /// A POST with packets.
    Post(PostBody, PayloadForm, oneshot::Sender<PostAnswer>),
    /// A WebSocket requests to take the session over. The request is answered with 101 in any case; a
    /// WebSocket that the session does not accept is closed at once.
    Probe(oneshot::Sender<()>, Upgrading, Option<Agreed>),
    /// The first message of a client that speaks another protocol.
    Receive(Message),
    /// A command of another node. Boxed, so that the others stay small.
    #[cfg(feature = "peers")]
    Peer(Box<PeerCommand>),
    /// Orderly close by the application.
    Close,
    /// Immediate close.
    Abort(CloseReason),
}

/// The result of a GET, and the memory of the session that the response occupies.
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
    /// The complete body, which arrived with the head.
    Read(Bytes),
    /// A body that is being read. `None` means that the request was answered without it, for example because
    /// the body is too large. A dropped sender means that the connection was lost.
    Reading(oneshot::Receiver<Option<Bytes>>),
}

/// The result of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostAnswer {
    /// 200 `ok`.
    Accepted,
    /// 400: an overlap, an undecodable payload, or a session that has left polling.
    Refused,
}
