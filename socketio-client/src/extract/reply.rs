//! What a handler returns, and what the server gets of it.

use std::fmt::Display;

use serde::Serialize;
use socketio_parser::ToArgs;

use crate::socket::AckSender;

/// The answer to an event, returned by its handler: see [`Reply`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ack<T>(pub T);

/// What an event handler may return. If the server asked for an acknowledgement, it gets
///
/// - of `()`: one without arguments;
/// - of [`Ack`]`(value)`: the value;
/// - of an `Err(error)`: an object `{"error": "…"}` with what the error says.
#[diagnostic::on_unimplemented(
    message = "an event handler cannot return `{Self}`",
    note = "return `()`, `Ack(value)`, or a `Result` of one of them"
)]
pub trait Reply {
    /// Answers the event, if the server asked for it.
    fn reply(self, ack: Option<AckSender>);
}

impl Reply for () {
    fn reply(self, ack: Option<AckSender>) {
        if let Some(ack) = ack {
            // A server that is gone needs no answer.
            let _ = ack.send(&socketio_parser::Args(()));
        }
    }
}

impl<T: ToArgs> Reply for Ack<T> {
    fn reply(self, ack: Option<AckSender>) {
        if let Some(ack) = ack {
            let _ = ack.send(&self.0);
        }
    }
}

impl<T: Reply, E: Display> Reply for Result<T, E> {
    fn reply(self, ack: Option<AckSender>) {
        match self {
            Ok(value) => value.reply(ack),
            Err(error) => reject(ack, &error.to_string()),
        }
    }
}

/// Answers with an error, so that the server does not wait for what never comes.
pub(crate) fn reject(ack: Option<AckSender>, error: &str) {
    #[derive(Serialize)]
    struct Rejection<'a> {
        error: &'a str,
    }
    if let Some(ack) = ack {
        let _ = ack.send(&Rejection { error });
    }
}
