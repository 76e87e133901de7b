//! Extractors that only a server has.
//!
//! The type of a handler is erased at registration. The compiler checks before that each argument is
//! available where the handler is called: a [`DisconnectReason`] only in `on_disconnect`, `Data` only in
//! `on`. Extractors that clients have too are in `socketio-events`.

pub(crate) mod extension;
mod server_event;

use serde::de::DeserializeOwned;
use socketio_events::extract::{Context, Extract, HandlerSocket, Registration};

pub use self::server_event::ServerEventContext;
use crate::error::{ExtractError, HandlerError};
use crate::extensions::Extensions;
use crate::params::Params;
use crate::socket::disconnect_reason::DisconnectReason;
use crate::socket::handshake::Handshake;
use crate::socket::{DisconnectContext, Socket};

impl HandlerSocket for Socket {
    fn report_mismatch(&self, event: &str, source: ExtractError) {
        self.namespace_state().report(self, &HandlerError::Extract { event: event.to_owned(), source });
    }
}

/// The payload of the CONNECT packet (`auth`), deserialized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auth<T>(pub T);

/// A clone of the server's state of this type: see [`ServerBuilder::state`](crate::ServerBuilder::state).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<C: Context<Socket = Self>> Extract<C> for Socket {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().clone())
    }
}

impl<C: Context<Socket = Socket>> Extract<C> for Handshake {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().handshake().clone())
    }
}

impl<C: Context<Socket = Socket>, T: DeserializeOwned> Extract<C> for Auth<T> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        context.socket().handshake().auth().map(Self).map_err(ExtractError::Auth)
    }
}

/// A context with access to the server's state: each context of a socket, and that of a server event. Extractors
/// of one's own use it as a bound; it cannot be implemented elsewhere.
pub trait Stateful: sealed::Sealed {
    /// The state.
    fn state(&self) -> &Extensions;
}

mod sealed {
    /// Implemented by the contexts of this crate alone.
    pub trait Sealed {}
}

impl<C: Context<Socket = Socket>> sealed::Sealed for C {}

impl<C: Context<Socket = Socket>> Stateful for C {
    fn state(&self) -> &Extensions {
        &self.socket().namespace_state().state
    }
}

impl<C: Stateful, T: Clone + Send + Sync + 'static> Extract<C> for State<T> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        let state = context.state().get();
        state.map(Self).ok_or(ExtractError::State(std::any::type_name::<T>()))
    }

    fn register(server: &Registration<'_>) -> Result<(), ExtractError> {
        match server.server::<Extensions>() {
            Some(state) if !state.contains::<T>() => Err(ExtractError::State(std::any::type_name::<T>())),
            _ => Ok(()),
        }
    }
}

impl<C: Context<Socket = Socket>> Extract<C> for Params {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().params())
    }
}

impl Extract<DisconnectContext> for DisconnectReason {
    fn extract(context: &mut DisconnectContext) -> Result<Self, ExtractError> {
        Ok(context.reason)
    }
}
