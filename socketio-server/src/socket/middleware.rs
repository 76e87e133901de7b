//! Type erasure of middlewares.

use std::sync::Arc;

use socketio_events::extract::HandlerSocket;
use socketio_events::function::HandlerFn;

use super::Socket;
use super::context::{ConnectContext, EventContext};
use super::namespace_state::{EventMiddleware, Middleware};
use super::rewrite::{Rewrite, Screen};
use crate::error::{ConnectError, ExtractError};

/// A middleware for events. An event that does not match its arguments is refused.
pub(crate) fn event<H, M>(middleware: H) -> EventMiddleware
where
    H: HandlerFn<EventContext, M>,
    H::Output: Screen,
{
    Arc::new(move |mut context: EventContext| {
        let called = middleware.call(&mut context);
        let called = called.map_err(|error| refusal(&context.socket, context.event.name(), error));
        Box::pin(async move { Ok(called?.await.screen()?.map(Rewrite::into_event)) })
    })
}

/// A middleware for joining clients. Its error, or arguments that cannot be extracted, refuse the client.
pub(crate) fn connect<H, M, E>(handler: H) -> Middleware
where
    H: HandlerFn<ConnectContext, M, Output = Result<(), E>>,
    E: Into<ConnectError> + 'static,
{
    Arc::new(move |mut context: ConnectContext| {
        let called = handler.call(&mut context);
        let called = called.map_err(|error| ConnectError::new(refusal(&context.socket, "connect", error)));
        Box::pin(async move { called?.await.map_err(Into::into) })
    })
}

/// The text for a client whose request does not match the arguments of a middleware. An internal error is
/// reported to the application, as the client does not receive its text.
fn refusal(socket: &Socket, event: &str, error: ExtractError) -> String {
    let text = error.for_peer();
    if error.is_internal() {
        socket.report_mismatch(event, error);
    }
    text
}
