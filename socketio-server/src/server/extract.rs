//! The server and its namespaces as arguments of handlers.

use socketio_events::extract::Extract;

use super::{Server, WeakServer};
use crate::error::ExtractError;
use crate::extract::{ServerEventContext, Stateful};
use crate::namespace::Namespace;

/// The server in its own state. A handle that kept the server in memory would never be dropped.
#[derive(Clone)]
pub(super) struct OwnServer(pub(super) WeakServer);

/// The server of the handler. A call holds it, and the handler does not, so the server can be freed.
impl<C: Stateful> Extract<C> for Server {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        WeakServer::extract(context)?.upgrade().ok_or(ExtractError::ServerGone)
    }
}

/// The server of the handler, for tasks that outlive the call.
impl<C: Stateful> Extract<C> for WeakServer {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        context.state().get().map(|OwnServer(server)| server).ok_or(ExtractError::ServerGone)
    }
}

/// The namespace that received the event of another server.
impl Extract<ServerEventContext> for Namespace {
    fn extract(context: &mut ServerEventContext) -> Result<Self, ExtractError> {
        let server = Server::extract(context)?;
        server.namespace(context.namespace()).ok_or(ExtractError::ServerGone)
    }
}
