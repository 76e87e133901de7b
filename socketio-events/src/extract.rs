//! What handlers take as arguments.

use serde::de::DeserializeOwned;
use socketio_parser::{Event, RawArgs};

use crate::error::ExtractError;
use crate::reply::Answer;

/// Something that a handler takes as an argument, made from what the handler is called with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of this handler",
    label = "not available here",
    note = "of sockets: `Socket`, and in servers `Handshake`, `State<T>`, `Auth<T>` and `Params`; in `on` also `Data<T>`, `Arguments<T>`, `RawArgs`, `EventName`, `Option<AckSender>`; in `on_disconnect` also `DisconnectReason`; in `on_connect_error` of clients also `ConnectError`",
    note = "in `on_server_event`: `Data<T>`, `Arguments<T>`, `RawArgs`, `EventName`, `Option<AckSender>`, `State<T>`"
)]
pub trait Extract<C>: Sized {
    /// Takes it out of the context.
    fn extract(context: &mut C) -> Result<Self, ExtractError>;
}

/// What carries an event, for extractors that can be had wherever there is one.
pub trait Carrier {
    /// The right to answer it.
    type Ack: Answer;

    /// The event.
    fn event(&self) -> &Event;
    /// Takes the right to answer out, if an answer is wanted.
    fn take_ack(&mut self) -> Option<Self::Ack>;
}

/// The right to answer an event, if an answer is wanted, until a handler or what it returns makes use of it.
#[derive(Clone, Debug)]
pub struct Owed<A> {
    ack: Option<A>,
    taken: bool,
}

impl<A> Owed<A> {
    /// The right to answer, if an answer is wanted.
    pub fn new(ack: Option<A>) -> Self {
        Self { ack, taken: false }
    }

    /// Nobody wants an answer, or nobody but others gives it.
    pub fn nothing() -> Self {
        Self::new(None)
    }

    /// The right itself, whoever may have taken it.
    pub fn as_mut(&mut self) -> Option<&mut A> {
        self.ack.as_mut()
    }

    /// For a handler whose function was not called: whatever it has taken, it cannot answer.
    pub fn reclaim(self) -> Option<A> {
        self.ack
    }

    /// For what a handler returns, unless the handler has taken it.
    pub fn rest(self) -> Option<A> {
        self.ack.filter(|_| !self.taken)
    }
}

impl<A: Clone> Owed<A> {
    /// For a handler that decides when, and whether, it answers. The first has it.
    pub fn take(&mut self) -> Option<A> {
        let taken = std::mem::replace(&mut self.taken, true);
        self.ack.as_ref().filter(|_| !taken).cloned()
    }
}

/// The first argument of the event. One that the other side did not send is read as `null`, so an `Option` takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// All arguments of the event, read into a tuple or a `Vec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arguments<T>(pub T);

/// The name of the event, for handlers of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(pub String);

impl<C: Carrier, T: DeserializeOwned> Extract<C> for Data<T> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(Self(context.event().args().parse(0)?))
    }
}

impl<C: Carrier, T: DeserializeOwned> Extract<C> for Arguments<T> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(Self(context.event().args().parse_all()?))
    }
}

impl<C: Carrier> Extract<C> for RawArgs {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.event().args().clone())
    }
}

impl<C: Carrier> Extract<C> for EventName {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(Self(context.event().name().to_owned()))
    }
}
