//! Results of event middlewares.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;

use socketio_parser::{Event, Parser, ToArgs};

use crate::encode;
use crate::error::EmitError;

/// The future of an event middleware. An error refuses the event; a new event replaces it.
pub(crate) type Screened = Pin<Box<dyn Future<Output = Result<Option<Event>, String>> + Send>>;

/// A replacement for an event: see [`Namespace::event_middleware`](crate::Namespace::event_middleware).
#[derive(Clone, Debug)]
pub struct Rewrite(Event);

impl Rewrite {
    /// An event with this name and these arguments.
    pub fn new<A: ToArgs + ?Sized>(event: &str, args: &A) -> Result<Self, EmitError> {
        encode::to_event(Parser::Json, event, args).map(Self)
    }
}

/// A return value of an event middleware: `()` or [`Rewrite`], alone or as the `Ok` of a `Result` whose error
/// refuses the event.
#[diagnostic::on_unimplemented(
    message = "a middleware for events cannot return `{Self}`",
    note = "return `Result<(), E>` to let events pass or refuse them, or `Result<Rewrite, E>` to change them"
)]
pub trait Screen {
    /// The replacement of the event, if any, or the text of the refusal.
    fn screen(self) -> Result<Option<Rewrite>, String>;
}

impl Screen for () {
    fn screen(self) -> Result<Option<Rewrite>, String> {
        Ok(None)
    }
}

impl Screen for Rewrite {
    fn screen(self) -> Result<Option<Rewrite>, String> {
        Ok(Some(self))
    }
}

impl<T: Screen> Screen for Option<T> {
    fn screen(self) -> Result<Option<Rewrite>, String> {
        self.map_or(Ok(None), T::screen)
    }
}

impl<T: Screen, E: Display> Screen for Result<T, E> {
    fn screen(self) -> Result<Option<Rewrite>, String> {
        self.map_err(|error| error.to_string())?.screen()
    }
}

impl Rewrite {
    pub(crate) fn into_event(self) -> Event {
        self.0
    }
}
