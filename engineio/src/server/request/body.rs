//! The body of a request, collected within a limit.

use std::pin::pin;

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;

use crate::outbox::received::ReceivedBytes;

/// The reason why a request's body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CollectError {
    /// The client sent or announced more bytes than the limit.
    #[error("the request body is larger than the limit")]
    TooLarge,
    /// The body arrived in more pieces than the limit.
    #[error("the request body has more pieces than the limit")]
    TooManyPieces,
    /// The connection ended, or violated HTTP, before the body was complete.
    #[error("the request body ended early")]
    Aborted,
    /// The server holds too much received data.
    #[error("the server holds too many received bytes")]
    ServerFull,
}

/// The largest allocation on the basis of a Content-Length alone. Beyond it, memory follows the bytes that
/// have arrived.
const STEP: usize = 64 * 1024;

/// The smallest piece that is kept without a copy.
///
/// A piece from hyper is a slice of its read buffer. The buffer lives as long as one message of the piece: up
/// to 408 KiB by default, behind a body of perhaps ten bytes. Below this size a copy costs next to nothing,
/// far less than the system call that read the bytes. Above it, the buffer is at most about six times as
/// large as the kept piece.
const KEPT: usize = 64 * 1024;

/// The limits of a request's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    /// The largest number of pieces that are not empty.
    pub(crate) pieces: u32,
}

/// Reads a whole request body within its limits. Trailers are ignored.
///
/// `content_length` is the announced length. An announcement beyond the limit fails before anything is read;
/// one within the limit allocates at most [`STEP`]. The received bytes count in `held`. The HTTP
/// implementation detects a body that is shorter than announced: the body then ends with an error.
pub(crate) async fn collect<B: http_body::Body>(
    body: B,
    content_length: Option<u64>,
    limits: Limits,
    held: &mut ReceivedBytes,
) -> Result<Bytes, CollectError> {
    let announced = match content_length.map(usize::try_from) {
        None => None,
        Some(Ok(length)) if length <= limits.bytes => Some(length),
        Some(_) => return Err(CollectError::TooLarge),
    };

    let mut body = pin!(body);
    // A large first piece is the whole body unless another piece follows.
    let mut kept = Bytes::new();
    let mut copied = Vec::new();
    let mut pieces = 0;
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame.map_err(|_| CollectError::Aborted)?.into_data() else {
            continue;
        };
        let received = kept.len() + copied.len();
        let length = data.remaining();
        if length > limits.bytes - received {
            return Err(CollectError::TooLarge);
        }
        if length == 0 {
            continue;
        }
        pieces += 1;
        if pieces > limits.pieces {
            return Err(CollectError::TooManyPieces);
        }
        if !held.set(received + length) {
            return Err(CollectError::ServerFull);
        }
        if received == 0 && length >= KEPT {
            kept = data.copy_to_bytes(length);
            continue;
        }
        reserve(&mut copied, received + length, announced);
        if !kept.is_empty() {
            copied.extend_from_slice(&std::mem::take(&mut kept));
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            copied.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
    }
    if kept.is_empty() {
        // The exact allocation: spare capacity would stay with the message.
        kept = Bytes::from(copied.into_boxed_slice());
    }
    Ok(kept)
}

/// Reserves capacity for `needed` bytes in all, and for more to come: up to a step, or twice the current
/// size.
fn reserve(buffer: &mut Vec<u8>, needed: usize, announced: Option<usize>) {
    if needed > buffer.capacity() {
        let twice = needed.saturating_mul(2);
        let target = announced.map_or(twice, |announced| announced.min(twice.max(STEP)));
        buffer.reserve_exact(target.max(needed) - buffer.len());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use http_body::Frame;

    use super::*;
    use crate::outbox::budget::Budget;

    async fn collect<B: http_body::Body>(
        body: B,
        announced: Option<u64>,
        limit: usize,
    ) -> Result<Bytes, CollectError> {
        let held = &mut ReceivedBytes::new(&Arc::new(Budget::new(usize::MAX)));
        super::collect(body, announced, Limits { bytes: limit, pieces: u32::MAX }, held).await
    }

    /// A request body that arrives in pieces.
    struct Pieces(VecDeque<Result<Frame<Bytes>, &'static str>>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    fn pieces<const N: usize>(pieces: [Bytes; N]) -> Pieces {
        Pieces(pieces.into_iter().map(|piece| Ok(Frame::data(piece))).collect())
    }

    fn of(byte: u8, length: usize) -> Bytes {
        Bytes::from(vec![byte; length])
    }

    #[tokio::test]
    async fn pieces_are_put_together() {
        let body = pieces([Bytes::from("4a"), Bytes::new(), Bytes::from("\u{1e}"), Bytes::from("4b")]);
        assert_eq!(collect(body, Some(5), 5).await.unwrap(), "4a\u{1e}4b");
        assert_eq!(collect(pieces([]), None, 0).await.unwrap(), "");
        for announced in [None, Some(KEPT as u64 + 3)] {
            let body = pieces([of(b'a', KEPT), of(b'b', 1), of(b'c', 2)]);
            let all = collect(body, announced, KEPT + 3).await.unwrap();
            assert_eq!(all, [&vec![b'a'; KEPT][..], b"bcc"].concat());
        }
    }

    #[tokio::test]
    async fn trailers_are_ignored() {
        let mut body = pieces([Bytes::from("4a")]);
        body.0.push_back(Ok(Frame::trailers(http::HeaderMap::new())));
        assert_eq!(collect(body, None, 10).await.unwrap(), "4a");
    }

    #[tokio::test]
    async fn a_small_piece_does_not_hold_the_buffer_it_lies_in() {
        let buffer = of(b'x', 300_000);
        let small = buffer.slice(100..110);
        let held = small.as_ptr();
        let collected = collect(pieces([small]), Some(10), 1000).await.unwrap();
        assert_eq!(collected, "xxxxxxxxxx");
        assert_ne!(collected.as_ptr(), held);
        assert!(buffer.is_unique());
    }

    #[tokio::test]
    async fn a_large_body_in_one_piece_is_not_copied() {
        for announced in [None, Some(KEPT as u64)] {
            let large = of(b'x', KEPT);
            let place = large.as_ptr();
            let collected = collect(pieces([large, Bytes::new()]), announced, KEPT).await.unwrap();
            assert_eq!(collected.len(), KEPT);
            // An empty piece does not count.
            assert_eq!(collected.as_ptr(), place);
        }
    }

    /// A body of exactly the limit is accepted, with or without an announced length.
    #[tokio::test]
    async fn more_than_the_limit_is_refused() {
        // The error comes before the first byte is read: this body never arrives.
        let never = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<Frame<Bytes>, Infallible>,
        >());
        assert_eq!(collect(never, Some(11), 10).await, Err(CollectError::TooLarge));
        assert_eq!(collect(pieces([]), Some(u64::MAX), 10).await, Err(CollectError::TooLarge));

        let ten = || [Bytes::from("01234"), Bytes::from("56789")];
        assert_eq!(collect(pieces(ten()), Some(10), 10).await.unwrap(), "0123456789");
        assert_eq!(collect(pieces(ten()), None, 10).await.unwrap(), "0123456789");
        assert_eq!(collect(pieces(ten()), None, 9).await, Err(CollectError::TooLarge));
        // A false announcement does not bypass the limit.
        assert_eq!(collect(pieces(ten()), Some(1), 9).await, Err(CollectError::TooLarge));
        let large = [of(b'x', KEPT), of(b'y', 1)];
        assert_eq!(collect(pieces(large), None, KEPT).await, Err(CollectError::TooLarge));
    }

    #[tokio::test]
    async fn more_pieces_than_the_limit_are_refused() {
        let budget = Arc::new(Budget::new(usize::MAX));
        for (limit, expected) in [(2, Ok(Bytes::from("ab"))), (1, Err(CollectError::TooManyPieces))] {
            let mut held = ReceivedBytes::new(&budget);
            let body = pieces([Bytes::from("a"), Bytes::new(), Bytes::from("b")]);
            let limits = Limits { bytes: 2, pieces: limit };
            assert_eq!(super::collect(body, None, limits, &mut held).await, expected);
        }
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_aborted() {
        let mut body = pieces([Bytes::from("4a")]);
        body.0.push_back(Err("connection reset"));
        assert_eq!(collect(body, Some(5), 10).await, Err(CollectError::Aborted));
    }

    #[test]
    fn an_announcement_is_believed_for_one_step() {
        let mut buffer = Vec::new();
        reserve(&mut buffer, 1, Some(2_000_000_000));
        assert_eq!(buffer.capacity(), STEP);
        // The further growth follows the bytes that arrive, and ends at the announced length.
        buffer.resize(STEP, 0);
        reserve(&mut buffer, STEP + 1, Some(2_000_000_000));
        assert_eq!(buffer.capacity(), 2 * STEP + 2);
        buffer.resize(2 * STEP + 2, 0);
        reserve(&mut buffer, 2 * STEP + 3, Some(2 * STEP + 3));
        assert_eq!(buffer.capacity(), 2 * STEP + 3);

        let mut small = Vec::new();
        reserve(&mut small, 3, Some(10));
        assert_eq!(small.capacity(), 10);
        // An announcement that was too low does no harm.
        reserve(&mut small, 30, Some(10));
        assert!(small.capacity() >= 30);
    }
}
