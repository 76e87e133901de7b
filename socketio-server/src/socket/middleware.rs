//! Type erasure of middlewares.

use std::sync::Arc;

use socketio_events::function::HandlerFn;

use super::context::{ConnectContext, EventContext};
use super::namespace_state::{EventMiddleware, Middleware};
use super::rewrite::{Rewrite, Screen};
use crate::error::ConnectError;

/// A middleware for events. An event that does not match its arguments is refused.
pub(crate) fn event<H, M>(middleware: H) -> EventMiddleware
where
    H: HandlerFn<EventContext, M>,
    H::Output: Screen,
{
    Arc::new(move |mut context: EventContext| {
        let called = middleware.call(&mut context);
        Box::pin(async move {
            match called {
                Ok(work) => Ok(work.await.screen()?.map(Rewrite::into_event)),
                Err(error) => Err(error.to_string()),
            }
        })
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
        Box::pin(async move {
            match called {
                Ok(work) => work.await.map_err(Into::into),
                Err(error) => Err(ConnectError::new(error.to_string())),
            }
        })
    })
}
