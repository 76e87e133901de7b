//! Panics of handlers. As in a task, a panic ends the handler and nothing else: the other handlers, the socket and its
//! connection continue.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// The error of a handler that panicked, for the application. The panic hook has printed the message.
pub const PANICKED: &str = "the handler panicked";
/// The error for a peer. Why the handler failed is not the peer's business.
pub const INTERNAL: &str = "internal error";

/// Calls code of the application. `None` if it panicked.
pub fn call<R>(application: impl FnOnce() -> R) -> Option<R> {
    // The handler is not called again with the values that it has left behind.
    catch_unwind(AssertUnwindSafe(application)).ok()
}

/// The output of a future of the application. `None` if it panicked; it must not be polled again then.
pub fn caught<F: Future>(mut work: Pin<&mut F>) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |cx| match call(|| work.as_mut().poll(cx)) {
        Some(Poll::Ready(output)) => Poll::Ready(Some(output)),
        Some(Poll::Pending) => Poll::Pending,
        None => Poll::Ready(None),
    })
}
