//! Extractors: what handlers take as arguments.

use std::any::Any;

use serde::de::DeserializeOwned;
use socketio_parser::{Event, RawArgs};

use crate::error::ExtractError;
use crate::reply::Answer;

/// An argument of a handler, extracted from the context of the call.
///
/// An implementation for an application's own type says by its bound where the argument is available: `C: Context` where
/// there is a socket, `C: Carrier` where there is an event.
///
/// ```
/// use socketio_events::ExtractError;
/// use socketio_events::extract::{Carrier, Extract};
///
/// /// The number of arguments of the event.
/// struct Count(usize);
///
/// impl<C: Carrier> Extract<C> for Count {
///     fn extract(context: &mut C) -> Result<Self, ExtractError> {
///         match context.event().args().len() {
///             0 => Err(ExtractError::custom("an argument is expected")),
///             count => Ok(Self(count)),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of this handler",
    label = "`{Self}` is not available here",
    note = "data of the event is taken as `Data<T>` or `Arguments<T>`, and by servers as `Auth<T>`, where `T` implements `serde::Deserialize`, or unread as `RawArgs`",
    note = "of sockets there are also `Socket`, and in servers `Server`, `Namespace`, `Handshake`, `Params`, `Extension<T>` and `State<T>`; in `on` also `EventName` and `Option<AckSender>`; in `on_disconnect` and `on_disconnecting` also `DisconnectReason`; in `on_connect_error` of clients also `ConnectError`",
    note = "in `on_server_event` there are `Data<T>`, `Arguments<T>`, `RawArgs`, `EventName`, `Option<AckSender>`, `Server`, `Namespace` and `State<T>`"
)]
pub trait Extract<C>: Sized {
    /// Extracts the argument from the context.
    fn extract(context: &mut C) -> Result<Self, ExtractError>;

    /// Called when a handler with this argument is registered on a server. An error says that the argument can
    /// never be extracted, such as a `State<T>` that the server does not hold. An extractor that is made of
    /// others calls theirs.
    fn register(server: &Registration<'_>) -> Result<(), ExtractError> {
        let _ = server;
        Ok(())
    }
}

/// The server on which a handler is being registered: see [`Extract::register`].
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a>(&'a (dyn Any + Send + Sync));

impl<'a> Registration<'a> {
    /// A registration on a server of any type.
    pub fn new<T: Any + Send + Sync>(server: &'a T) -> Self {
        Self(server)
    }

    /// The server, if it has this type.
    pub fn server<T: Any>(&self) -> Option<&'a T> {
        self.0.downcast_ref()
    }
}

/// Context of a handler of a socket.
#[diagnostic::on_unimplemented(
    message = "an argument of this handler belongs to a socket, and the handler has none",
    note = "in `on_server_event` there are `Data<T>`, `Arguments<T>`, `RawArgs`, `EventName`, `Option<AckSender>`, `Server`, `Namespace` and `State<T>`"
)]
pub trait Context: Send + 'static {
    /// Type of the socket.
    type Socket: HandlerSocket;

    /// Socket of the handler.
    fn socket(&self) -> &Self::Socket;
}

/// Socket that has handlers, of a server or a client.
pub trait HandlerSocket: Send + 'static {
    /// Reports to the application that an event does not match the arguments of its handler.
    fn report_mismatch(&self, event: &str, error: ExtractError);
}

/// A context that carries an event. Extractors for events are implemented once, for every `Carrier`.
#[diagnostic::on_unimplemented(
    message = "an argument of this handler is data of an event, and the handler has none",
    note = "`Data`, `Arguments`, `RawArgs` and `EventName` are arguments of handlers and middlewares of events; `on_connect` and `middleware` read the credentials of the client as `Auth<T>`"
)]
pub trait Carrier {
    /// Type of the right to answer the event.
    type Ack: Answer;

    /// The event.
    fn event(&self) -> &Event;
    /// Index of the argument that the next [`Data`] of the handler takes. Each call returns the following one.
    fn next_argument(&mut self) -> usize;
    /// Takes the right to answer, if the sender requested an acknowledgement.
    fn take_ack(&mut self) -> Option<Self::Ack>;
}

/// The right to answer an event, until the handler or its return value uses it. Empty if no acknowledgement
/// was requested.
#[derive(Clone, Debug)]
pub struct AckSlot<A> {
    ack: Option<A>,
    taken: bool,
}

impl<A> AckSlot<A> {
    /// A slot with the right to answer; `None` if no acknowledgement was requested.
    pub fn new(ack: Option<A>) -> Self {
        Self { ack, taken: false }
    }

    /// An empty slot: no acknowledgement was requested, or another handler gives it.
    pub fn empty() -> Self {
        Self::new(None)
    }

    /// The right to answer, even after a handler has taken it.
    pub fn as_mut(&mut self) -> Option<&mut A> {
        self.ack.as_mut()
    }

    /// The right to answer for an error report, after extraction failed. It is available even if an extractor
    /// has taken it, because the handler was not called and cannot answer.
    pub fn into_inner(self) -> Option<A> {
        self.ack
    }

    /// The right to answer for the handler's return value. `None` if the handler has taken it.
    pub fn unclaimed(self) -> Option<A> {
        self.ack.filter(|_| !self.taken)
    }
}

impl<A: Clone> AckSlot<A> {
    /// Takes the right to answer for a handler that decides itself when, and whether, to answer. The first
    /// caller gets it.
    pub fn take(&mut self) -> Option<A> {
        let taken = std::mem::replace(&mut self.taken, true);
        self.ack.as_ref().filter(|_| !taken).cloned()
    }
}

/// An argument of the event: the first `Data` of a handler is the first argument, the second `Data` the second. A
/// missing argument is read as `null`, so an `Option` accepts it.
///
/// Binary data is read as [`Binary`](socketio_parser::Binary), and in arguments of any shape as
/// [`Value`](socketio_parser::Value). `serde_json::Value` has no place for it: it holds the placeholder, an object, and the
/// bytes are lost when the value is sent on.
///
/// If an argument does not deserialize into `T`, the handler is not called, and the peer is answered with the
/// error. `Result<Data<T>, ExtractError>` leaves the decision to the handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// All arguments of the event, deserialized into a tuple or a `Vec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arguments<T>(pub T);

/// The name of the event, for handlers that receive all events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(pub String);

/// An argument that may fail: the handler is called with the error.
impl<C, T: Extract<C>, E: From<ExtractError>> Extract<C> for Result<T, E> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(T::extract(context).map_err(E::from))
    }

    fn register(server: &Registration<'_>) -> Result<(), ExtractError> {
        // The call reports an error to the handler.
        let _ = T::register(server);
        Ok(())
    }
}

impl<C: Carrier, T: DeserializeOwned> Extract<C> for Data<T> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        let index = context.next_argument();
        Ok(Self(context.event().args().parse(index)?))
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
