//! Handlers that only a server has, from an async function to what is called.

use std::sync::Arc;

use socketio_events::extract::Carrier;
use socketio_events::handler::{self, Call, Failure, HandlerFn, Work};
use socketio_events::reply::{Reply, reject};

use super::Context;
use crate::cluster::server_events::ServerEventContext;
use crate::error::{ExtractError, HandlerError};
use crate::socket::Socket;

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

/// Tells the application of what does not fit.
pub(super) fn misfit(socket: &Socket, event: &str, source: ExtractError) {
    socket.space().report(socket, &HandlerError::Extract { event: event.to_owned(), source });
}
