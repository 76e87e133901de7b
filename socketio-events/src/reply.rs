//! Return values of handlers, and the answers they become.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use socketio_parser::{Args, Parser, ToArgs};

use crate::error::Rejection;
use crate::message;

/// The right to answer an event.
pub trait Answer {
    /// Sends the answer. Has no effect if the sender of the event has disconnected or already has an answer.
    fn answer<A: ToArgs + ?Sized>(self, args: &A);

    /// Prepares the right for a handler that takes it and may clone it: all clones share one answer.
    fn share(&mut self) {}
}

/// The answer to an event, as the return value of its handler: see [`Reply`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ack<T>(pub T);

/// A return value of an event handler. If the sender requested an acknowledgement, the answer is
///
/// - for `()`: without arguments;
/// - for [`Ack`]`(value)`: the value;
/// - for `Err(error)`: an object `{"error": "…"}` with the text of the error. The peer's `emit_with_ack` returns
///   [`AckError::Remote`](crate::AckError::Remote) with that text;
/// - for `Err(`[`Ack`]`(value))`: the value, for errors in a form of the application's own.
///
/// If no acknowledgement was requested, the error hook receives the error instead.
#[diagnostic::on_unimplemented(
    message = "an event handler cannot return `{Self}`",
    note = "return `()`, `Ack(value)`, or a `Result` of one of them"
)]
pub trait Reply {
    /// Answers the event if an acknowledgement was requested. Returns the text of an error that was not sent
    /// as an answer.
    fn reply(self, ack: Option<impl Answer>) -> Option<String>;
}

/// A result for handlers that use `?` with errors of any type. In a closure it names the type of the error, which
/// the compiler cannot infer from `Ok(())`:
///
/// ```
/// use socketio_events::reply::HandlerResult;
///
/// let handler = |number: String| async move {
///     let number: u32 = number.parse()?;
///     println!("{number}");
///     HandlerResult::Ok(())
/// };
/// ```
pub type HandlerResult<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A return value of a handler that answers nothing, such as one of "connect" or of any event: `()`, or a
/// `Result<(), E>` whose error the error hook receives.
#[diagnostic::on_unimplemented(
    message = "this handler cannot return `{Self}`",
    note = "return `()` or `Result<(), E>`"
)]
pub trait Outcome {
    /// The text of the error, if it is one.
    fn error(self) -> Option<String>;
}

impl Outcome for () {
    fn error(self) -> Option<String> {
        None
    }
}

impl<E: ReplyError> Outcome for Result<(), E> {
    fn error(self) -> Option<String> {
        self.err().map(|error| error.text())
    }
}

/// The type `!` by another name: a handler that never returns, such as a loop.
type Never = <fn() -> ! as Returns>::Output;

/// A function's return type.
#[doc(hidden)]
pub trait Returns {
    /// The type.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

impl Outcome for Never {
    fn error(self) -> Option<String> {
        self
    }
}

impl Reply for Never {
    fn reply(self, _: Option<impl Answer>) -> Option<String> {
        self
    }
}

impl Reply for () {
    fn reply(self, ack: Option<impl Answer>) -> Option<String> {
        if let Some(ack) = ack {
            ack.answer(&Args(()));
        }
        None
    }
}

impl<T: ToArgs> Reply for Ack<T> {
    fn reply(self, ack: Option<impl Answer>) -> Option<String> {
        if let Some(ack) = ack {
            ack.answer(&self.0);
        }
        None
    }
}

/// An error that a handler returns: anything with a text, or [`Ack`]`(value)` for an answer in a form of the
/// application's own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a handler",
    note = "an error implements `Display`, or is `Ack(value)` with a value that implements `Serialize`"
)]
pub trait ReplyError {
    /// The text of the error, for a log.
    fn text(&self) -> String;

    /// Answers with the error.
    fn reject(self, ack: impl Answer);
}

impl<E: Display> ReplyError for E {
    fn text(&self) -> String {
        self.to_string()
    }

    fn reject(self, ack: impl Answer) {
        reject(Some(ack), &self.to_string());
    }
}

/// The value is the answer.
impl<T: ToArgs> ReplyError for Ack<T> {
    fn text(&self) -> String {
        match message::to_event(Parser::Json, "error", &self.0) {
            Ok(event) => String::from_utf8_lossy(event.args().as_bytes()).into_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn reject(self, ack: impl Answer) {
        ack.answer(&self.0);
    }
}

impl<T: Reply, E: ReplyError> Reply for Result<T, E> {
    fn reply(self, ack: Option<impl Answer>) -> Option<String> {
        match self {
            Ok(value) => value.reply(ack),
            Err(error) => {
                let Some(ack) = ack else { return Some(error.text()) };
                error.reject(ack);
                None
            }
        }
    }
}

/// Sends an answer, unless `sent` says that another handler of the event has sent one. After an error the
/// right to answer remains.
pub fn send_once<E>(sent: Option<&AtomicBool>, send: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    if sent.is_some_and(|sent| sent.swap(true, Ordering::Relaxed)) {
        return Ok(());
    }
    let outcome = send();
    if let (Err(_), Some(sent)) = (&outcome, sent) {
        sent.store(false, Ordering::Relaxed);
    }
    outcome
}

/// Answers with an error, so that the sender does not wait for its timeout.
pub fn reject(ack: Option<impl Answer>, error: &str) {
    if let Some(ack) = ack {
        ack.answer(&Rejection { error });
    }
}
