//! Handlers and middlewares that only a server has, from an async function to what is called.

use std::sync::Arc;

use socketio_events::extract::Carrier;
use socketio_events::handler::{self, Call, Failure, HandlerFn, Work};
use socketio_events::reply::{Reply, reject};

use super::Context;
use crate::error::{ConnectError, ExtractError, HandlerError};
use crate::rewrite::{Rewrite, Screen};
use crate::server_events::ServerEventContext;
use crate::socket::{ConnectContext, EventContext, EventMiddleware, Middleware, Socket};

/// A middleware for events: what it takes has to fit, or the event is refused.
pub(crate) fn event_middleware<H, M>(middleware: H) -> EventMiddleware
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

/// A handler of other servers' events.
pub(crate) fn server_event<H, M>(handler: H) -> Call<ServerEventContext>
where
    H: HandlerFn<ServerEventContext, M>,
    H::Output: Reply,
{
    Arc::new(move |mut context: ServerEventContext| {
        let ack = context.ack();
        match handler.call(&mut context) {
            Ok(work) => {
                let event = context.event().name().into();
                // Nothing is left for a handler that has taken the right to answer.
                let ack = context.take_ack();
                Some(Box::pin(async move {
                    let error = work.await.reply(ack)?;
                    Some(Failure { event, error })
                }) as Work)
            }
            Err(error) => {
                reject(ack, &error.to_string());
                None
            }
        }
    })
}

/// A handler of a socket that came or left (`kind` says which).
pub(crate) fn lifecycle<C, H, M>(kind: &'static str, handler: H) -> Call<C>
where
    C: Context,
    H: HandlerFn<C, M, Output = ()>,
{
    handler::lifecycle(handler, move |context: &C, error| misfit(context.socket(), kind, error))
}

/// A middleware: an error of it, or arguments that do not fit, refuse the client.
pub(crate) fn middleware<H, M, E>(handler: H) -> Middleware
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

/// Tells the application of what does not fit.
pub(super) fn misfit(socket: &Socket, event: &str, source: ExtractError) {
    socket.space().report(socket, &HandlerError::Extract { event: event.to_owned(), source });
}
