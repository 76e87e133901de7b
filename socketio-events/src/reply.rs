//! What a handler returns, and what the other side gets of it.

use std::fmt::Display;

use serde::Serialize;
use socketio_parser::{Args, ToArgs};

/// The right to answer an event.
pub trait Answer {
    /// Answers. Whoever has gone, or has an answer already, needs none.
    fn answer<A: ToArgs + ?Sized>(self, args: &A);
}

/// The answer to an event, returned by its handler: see [`Reply`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ack<T>(pub T);

/// What an event handler may return. If the other side asked for an acknowledgement, it gets
///
/// - of `()`: one without arguments;
/// - of [`Ack`]`(value)`: the value;
/// - of an `Err(error)`: an object `{"error": "…"}` with what the error says. If no acknowledgement was asked for, the
///   hook for errors hears of it instead.
#[diagnostic::on_unimplemented(
    message = "an event handler cannot return `{Self}`",
    note = "return `()`, `Ack(value)`, or a `Result` of one of them"
)]
pub trait Reply {
    /// Whether it may be an error.
    const MAY_FAIL: bool;

    /// Answers the event, if the other side asked for it. What an error says that nobody has heard by that is returned.
    fn reply(self, ack: Option<impl Answer>) -> Option<String>;
}

impl Reply for () {
    const MAY_FAIL: bool = false;

    fn reply(self, ack: Option<impl Answer>) -> Option<String> {
        if let Some(ack) = ack {
            ack.answer(&Args(()));
        }
        None
    }
}

impl<T: ToArgs> Reply for Ack<T> {
    const MAY_FAIL: bool = false;

    fn reply(self, ack: Option<impl Answer>) -> Option<String> {
        if let Some(ack) = ack {
            ack.answer(&self.0);
        }
        None
    }
}

impl<T: Reply, E: Display> Reply for Result<T, E> {
    const MAY_FAIL: bool = true;

    fn reply(self, ack: Option<impl Answer>) -> Option<String> {
        match self {
            Ok(value) => value.reply(ack),
            Err(error) => {
                let error = error.to_string();
                if ack.is_none() {
                    return Some(error);
                }
                reject(ack, &error);
                None
            }
        }
    }
}

/// Answers with an error, so that the other side does not wait for what never comes.
pub fn reject(ack: Option<impl Answer>, error: &str) {
    #[derive(Serialize)]
    struct Rejection<'a> {
        error: &'a str,
    }
    if let Some(ack) = ack {
        ack.answer(&Rejection { error });
    }
}
