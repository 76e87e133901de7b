//! The extensions of the request that opened a connection, as arguments of handlers.

use socketio_events::extract::{Context, Extract, Registration};

use crate::error::ExtractError;
use crate::extensions::Extensions;
use crate::socket::Socket;

/// A clone of an extension of the request that opened the client's connection: what a tower layer in front of the
/// server, such as one for sessions or authentication, has added to the request.
///
/// ```
/// use socketio_server::{Extension, Server, Socket};
///
/// /// Inserted by a layer: `request.extensions_mut().insert(User { .. })`.
/// #[derive(Clone)]
/// struct User {
///     name: String,
/// }
///
/// let io = Server::builder().build()?;
/// io.on_connect(|socket: Socket, Extension(user): Extension<User>| async move {
///     socket.join(format!("user:{}", user.name));
/// });
/// # Ok::<(), engineio::ConfigError>(())
/// ```
///
/// A connection keeps the extensions whose types are arguments of a handler or middleware when the connection is
/// opened, or that [`Server::keep_extension`](crate::Server::keep_extension) names. Each costs a clone and its
/// memory for the lifetime of the connection.
///
/// A request without the extension is an error: the handler is not called, a middleware refuses the client, and
/// [`Namespace::on_error`](crate::Namespace::on_error) gets the reason. `Result<Extension<T>, ExtractError>` leaves
/// the decision to the handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension<T>(pub T);

impl<C: Context<Socket = Socket>, T: Clone + Send + Sync + 'static> Extract<C> for Extension<T> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        let value = context.socket().handshake().extension();
        value.cloned().map(Self).ok_or(ExtractError::Extension(std::any::type_name::<T>()))
    }

    fn register(server: &Registration<'_>) -> Result<(), ExtractError> {
        let engine = server.server::<Extensions>().and_then(Extensions::get::<Engine>);
        if let Some(engine) = engine.and_then(|Engine(engine)| engine.upgrade()) {
            engine.keep_extension::<T>();
        }
        Ok(())
    }
}

/// The Engine.IO server in the state of its Socket.IO server.
#[derive(Clone)]
pub(crate) struct Engine(pub(crate) engineio::WeakServer);
