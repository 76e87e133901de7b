//! From an async function to a [`Call`]: the one place where a handler's type is known.

use std::future::Future;
use std::sync::Arc;

use super::reply::{Reply, reject};
use super::{Context, Extract};
use crate::error::{ConnectError, ExtractError, HandlerError};
use crate::handlers::{Call, Work};
use crate::rewrite::{Rewrite, Screen};
use crate::server_events::ServerEventContext;
use crate::socket::{ConnectContext, EventContext, EventMiddleware, Middleware, Socket};

/// An async function whose arguments can all be taken out of the context `C`.
///
/// `M` is only there to tell the implementations apart.
#[diagnostic::on_unimplemented(
    message = "this cannot handle what happens here",
    label = "not a handler for it",
    note = "a handler is an async function or closure of up to eight arguments, each an extractor: `|socket: Socket, Data(text): Data<String>| async move {{ … }}`",
    note = "what a client sends is taken as `Data<T>`, `Arguments<T>` or `Auth<T>`, where `T` implements `serde::Deserialize`, or unread as `RawArgs`",
    note = "of sockets there are also `Socket`, `Handshake`, `Params` and `State<T>`; in `on` also `EventName` and `Option<AckSender>`; in `on_disconnect` and `on_disconnecting` also `DisconnectReason`"
)]
pub trait HandlerFn<C, M>: Send + Sync + 'static {
    /// What the function returns in the end.
    type Output;
    /// The function at work.
    type Future: Future<Output = Self::Output> + Send + 'static;

    /// Takes the arguments out of the context and calls the function.
    fn call(&self, context: &mut C) -> Result<Self::Future, ExtractError>;
}

macro_rules! handler_fn {
    ($($argument:ident),*) => {
        impl<C, F, Fut, $($argument),*> HandlerFn<C, ($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            $($argument: Extract<C>,)*
        {
            type Output = Fut::Output;
            type Future = Fut;

            #[allow(unused_variables, reason = "a function without arguments needs no context")]
            fn call(&self, context: &mut C) -> Result<Fut, ExtractError> {
                Ok(self($($argument::extract(context)?),*))
            }
        }
    };
}

handler_fn!();
handler_fn!(A1);
handler_fn!(A1, A2);
handler_fn!(A1, A2, A3);
handler_fn!(A1, A2, A3, A4);
handler_fn!(A1, A2, A3, A4, A5);
handler_fn!(A1, A2, A3, A4, A5, A6);
handler_fn!(A1, A2, A3, A4, A5, A6, A7);
handler_fn!(A1, A2, A3, A4, A5, A6, A7, A8);

/// A handler of an event: what it returns is the answer, and what does not fit its arguments is reported and
/// answered with an error.
pub(crate) fn event<H, M>(handler: H) -> Call<EventContext>
where
    H: HandlerFn<EventContext, M>,
    H::Output: Reply,
{
    Arc::new(move |mut context: EventContext| match handler.call(&mut context) {
        Ok(work) => {
            let ack = context.ack;
            Some(Box::pin(async move { work.await.reply(ack) }) as Work)
        }
        Err(error) => {
            reject(context.ack, &error.to_string());
            misfit(&context.socket, context.event.name(), error);
            None
        }
    })
}

/// A handler that looks at events of any name; what it returns does not matter.
pub(crate) fn any<H, M>(handler: H) -> Call<EventContext>
where
    H: HandlerFn<EventContext, M, Output = ()>,
{
    Arc::new(move |mut context: EventContext| {
        // The answer belongs to the event's own handler.
        context.ack = None;
        match handler.call(&mut context) {
            Ok(work) => Some(Box::pin(work) as Work),
            Err(error) => {
                misfit(&context.socket, context.event.name(), error);
                None
            }
        }
    })
}

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
                // A handler that has taken the right to answer answers itself.
                let ack = ack.filter(|_| context.reply.is_some());
                Some(Box::pin(async move { work.await.reply(ack) }) as Work)
            }
            Err(error) => {
                reject(ack, &error.to_string());
                None
            }
        }
    })
}

fn misfit(socket: &Socket, event: &str, source: ExtractError) {
    socket.space().report(socket, &HandlerError::Extract { event: event.to_owned(), source });
}

/// A handler of a socket that came or left (`kind` says which).
pub(crate) fn lifecycle<C, H, M>(kind: &'static str, handler: H) -> Call<C>
where
    C: Context,
    H: HandlerFn<C, M, Output = ()>,
{
    Arc::new(move |mut context: C| match handler.call(&mut context) {
        Ok(work) => Some(Box::pin(work) as Work),
        Err(error) => {
            misfit(context.socket(), kind, error);
            None
        }
    })
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
