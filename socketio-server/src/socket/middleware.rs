//! Type erasure of middlewares.

use std::pin::pin;
use std::sync::Arc;

use socketio_events::extract::HandlerSocket;
use socketio_events::function::HandlerFn;
use socketio_events::panics::{self, INTERNAL};

use super::Socket;
use super::context::{ConnectContext, EventContext};
use super::namespace_state::{EventMiddleware, Middleware};
use super::rewrite::{Rewrite, Screen};
use crate::error::{ConnectError, ExtractError};

/// A middleware for events. An event that does not match its arguments is refused, and so is one for which it
/// panics.
pub(crate) fn event<H, M>(middleware: H) -> EventMiddleware
where
    H: HandlerFn<EventContext, M>,
    H::Output: Screen,
{
    Arc::new(move |mut context: EventContext| {
        let called = panics::call(|| middleware.call(&mut context));
        let called = called
            .ok_or_else(|| INTERNAL.to_owned())
            .and_then(|called| called.map_err(|error| refusal(&context.socket, context.event.name(), error)));
        Box::pin(async move {
            let decision = panics::caught(pin!(called?)).await.ok_or(INTERNAL)?;
            Ok(decision.screen()?.map(Rewrite::into_event))
        })
    })
}

/// A middleware for joining clients. Its error, arguments that cannot be extracted, or a panic
/// refuse the client.
pub(crate) fn connect<H, M, E>(handler: H) -> Middleware
where
    H: HandlerFn<ConnectContext, M, Output = Result<(), E>>,
    E: Into<ConnectError> + 'static,
{
    Arc::new(move |mut context: ConnectContext| {
        let called = panics::call(|| handler.call(&mut context));
        let called = called
            .ok_or_else(|| INTERNAL.to_owned())
            .and_then(|called| called.map_err(|error| refusal(&context.socket, "connect", error)));
        Box::pin(async move {
            match panics::caught(pin!(called?)).await {
                Some(decision) => decision.map_err(Into::into),
                None => Err(ConnectError::new(INTERNAL)),
            }
        })
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
