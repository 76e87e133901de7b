//! Handlers as people write them: async functions whose arguments say what they need, with the names that the server
//! has for them.
//!
//! The server's own are tied to what only a server has (handshake, rooms, state), so these are written anew rather than
//! shared through a crate that neither needs otherwise.

pub(crate) mod handler;
mod on;
pub(crate) mod reply;

use serde::de::DeserializeOwned;
use socketio_parser::RawArgs;

use crate::disconnect_reason::DisconnectReason;
use crate::error::{ConnectError, ExtractError};
use crate::socket::{
    AckSender, ConnectContext, ConnectErrorContext, DisconnectContext, EventContext, Socket,
};

/// Something that a handler takes as an argument, made from what the handler is called with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of this handler",
    label = "not available here",
    note = "everywhere: `Socket`; in `on` also `Data<T>`, `Arguments<T>`, `RawArgs`, `EventName`, `Option<AckSender>`; in `on_disconnect` also `DisconnectReason`; in `on_connect_error` also `ConnectError`"
)]
pub trait Extract<C>: Sized {
    /// Takes it out of the context.
    fn extract(context: &mut C) -> Result<Self, ExtractError>;
}

/// A context that belongs to a socket.
pub trait Context: Send + 'static {
    /// The socket.
    fn socket(&self) -> &Socket;
}

macro_rules! context {
    ($($name:ident)*) => {
        $(
            impl Context for $name {
                fn socket(&self) -> &Socket {
                    &self.socket
                }
            }
        )*
    };
}

context!(EventContext ConnectContext ConnectErrorContext DisconnectContext);

/// The first argument of the event. One that the server did not send is read as `null`, so an `Option` takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// All arguments of the event, read into a tuple or a `Vec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arguments<T>(pub T);

/// The name of the event, for handlers of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(pub String);

impl<C: Context> Extract<C> for Socket {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().clone())
    }
}

impl<T: DeserializeOwned> Extract<EventContext> for Data<T> {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        Ok(Self(context.event.args().parse(0)?))
    }
}

impl<T: DeserializeOwned> Extract<EventContext> for Arguments<T> {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        Ok(Self(context.event.args().parse_all()?))
    }
}

impl Extract<EventContext> for RawArgs {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        Ok(context.event.args().clone())
    }
}

impl Extract<EventContext> for EventName {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        Ok(Self(context.event.name().to_owned()))
    }
}

/// `None` when no answer is wanted.
impl Extract<EventContext> for Option<AckSender> {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        Ok(context.ack.take())
    }
}

impl Extract<DisconnectContext> for DisconnectReason {
    fn extract(context: &mut DisconnectContext) -> Result<Self, ExtractError> {
        Ok(context.reason.clone())
    }
}

impl Extract<ConnectErrorContext> for ConnectError {
    fn extract(context: &mut ConnectErrorContext) -> Result<Self, ExtractError> {
        Ok(context.error.clone())
    }
}
