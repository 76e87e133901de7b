//! Handlers as people write them: async functions whose arguments say what they need.
//!
//! A handler is erased when it is registered ([`handler`]); until then the compiler checks that each argument can be
//! had where the handler is called: a [`DisconnectReason`] only in `on_disconnect`, [`Data`] only in `on`.

pub(crate) mod handler;
mod on;
pub(crate) mod reply;

use serde::de::DeserializeOwned;
use socketio_parser::{Event, RawArgs};

use crate::disconnect_reason::DisconnectReason;
use crate::error::ExtractError;
use crate::extensions::Extensions;
use crate::handshake::Handshake;
use crate::params::Params;
use crate::server_events::ServerEventContext;
use crate::socket::{AckSender, ConnectContext, DisconnectContext, EventContext, Socket};

/// Something that a handler takes as an argument, made from what the handler is called with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of this handler",
    label = "not available here",
    note = "of sockets: `Socket`, `Handshake`, `State<T>`, `Auth<T>`, `Params`; in `on` also `Data<T>`, `Arguments<T>`, `RawArgs`, `EventName`, `Option<AckSender>`; in `on_disconnect` also `DisconnectReason`",
    note = "in `on_server_event`: `Data<T>`, `Arguments<T>`, `RawArgs`, `EventName`, `Option<AckSender>`, `State<T>`"
)]
pub trait Extract<C>: Sized {
    /// Takes it out of the context.
    fn extract(context: &mut C) -> Result<Self, ExtractError>;
}

/// A context that belongs to a socket.
pub trait Context: Send + Sync + 'static {
    /// The socket.
    fn socket(&self) -> &Socket;
}

impl Context for EventContext {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Context for ConnectContext {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Context for DisconnectContext {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

/// The first argument of the event. One that the client did not send is read as `null`, so an `Option` takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// All arguments of the event, read into a tuple or a `Vec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arguments<T>(pub T);

/// What the client's CONNECT packet said (`auth`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auth<T>(pub T);

/// The name of the event, for handlers of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(pub String);

/// A clone of the server's state of this type: see [`ServerBuilder::state`](crate::ServerBuilder::state).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<C: Context> Extract<C> for Socket {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().clone())
    }
}

impl<C: Context> Extract<C> for Handshake {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().handshake().clone())
    }
}

impl<C: Context, T: DeserializeOwned> Extract<C> for Auth<T> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        context.socket().handshake().auth().map(Self).map_err(ExtractError::Auth)
    }
}

/// Where the server's state is known: everywhere.
pub trait Stateful {
    /// The state.
    fn state(&self) -> &Extensions;
}

impl<C: Context> Stateful for C {
    fn state(&self) -> &Extensions {
        &self.socket().space().state
    }
}

impl Stateful for ServerEventContext {
    fn state(&self) -> &Extensions {
        &self.state
    }
}

impl<C: Stateful, T: Clone + Send + Sync + 'static> Extract<C> for State<T> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        let state = context.state().get();
        state.map(Self).ok_or(ExtractError::State(std::any::type_name::<T>()))
    }
}

impl<C: Context> Extract<C> for Params {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().params())
    }
}

/// What carries an event: a client's, or another server's.
pub trait Carrier {
    /// The event.
    fn event(&self) -> &Event;
    /// Takes the right to answer out, if an answer is wanted.
    fn take_ack(&mut self) -> Option<AckSender>;
}

impl Carrier for EventContext {
    fn event(&self) -> &Event {
        &self.event
    }

    fn take_ack(&mut self) -> Option<AckSender> {
        self.ack.take()
    }
}

impl Carrier for ServerEventContext {
    fn event(&self) -> &Event {
        &self.event
    }

    fn take_ack(&mut self) -> Option<AckSender> {
        let ack = self.ack();
        self.reply = None;
        ack
    }
}

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

/// `None` when no answer is wanted.
impl<C: Carrier> Extract<C> for Option<AckSender> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.take_ack())
    }
}

impl ServerEventContext {
    /// The right to answer, if an answer is wanted.
    pub(crate) fn ack(&self) -> Option<AckSender> {
        self.reply.clone().map(|reply| AckSender::to_server(reply, self.parser))
    }
}

impl Extract<DisconnectContext> for DisconnectReason {
    fn extract(context: &mut DisconnectContext) -> Result<Self, ExtractError> {
        Ok(context.reason)
    }
}
