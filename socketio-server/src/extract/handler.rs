//! Type erasure of handlers that only a server has.

use std::sync::Arc;

use socketio_events::extract::Carrier;
use socketio_events::handler::{self, Call, Failure, HandlerFn, Work};
use socketio_events::reply::{Reply, reject};

use super::Context;
use crate::cluster::server_event::ServerEventContext;
use crate::error::{ExtractError, HandlerError};
use crate::socket::Socket;

/// A handler of the events of other servers.
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
                // `None` if the handler has taken the right to answer.
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

/// A handler of "connect", "disconnecting" or "disconnect", given by `kind`.
pub(crate) fn lifecycle<C, H, M>(kind: &'static str, handler: H) -> Call<C>
where
    C: Context,
    H: HandlerFn<C, M, Output = ()>,
{
    handler::lifecycle(handler, move |context: &C, error| report_mismatch(context.socket(), kind, error))
}

/// Reports arguments that could not be extracted.
pub(super) fn report_mismatch(socket: &Socket, event: &str, source: ExtractError) {
    socket.namespace_state().report(socket, &HandlerError::Extract { event: event.to_owned(), source });
}
