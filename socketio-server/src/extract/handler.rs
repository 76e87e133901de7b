//! Type erasure of handlers that only a server has.

use std::sync::Arc;

use socketio_events::extract::Carrier;
use socketio_events::function::HandlerFn;
use socketio_events::handler::{Call, Failure, Work};
use socketio_events::reply::{Reply, reject};

use crate::cluster::server_event::ServerEventContext;
use crate::trace;

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
                reject(ack, &error.for_peer());
                trace::server_event_failed(&context.namespace, context.event().name(), &error.to_string());
                None
            }
        }
    })
}
