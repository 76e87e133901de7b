//! From an async function to a [`Call`]: the one place where a handler's type is known.

use std::future::Future;
use std::sync::Arc;

use super::reply::{Reply, reject};
use super::{Context, Extract};
use crate::error::ExtractError;
use crate::handlers::{Call, Work};
use crate::socket::{EventContext, Socket};

/// An async function whose arguments can all be taken out of the context `C`.
///
/// `M` is only there to tell the implementations apart.
#[diagnostic::on_unimplemented(
    message = "this cannot handle what happens here",
    label = "not a handler for it",
    note = "a handler is an async function or closure of up to five arguments, each an extractor: `|socket: Socket, Data(text): Data<String>| async move {{ … }}`",
    note = "what the server sends is taken as `Data<T>` or `Arguments<T>`, where `T` implements `serde::Deserialize`, or unread as `RawArgs`",
    note = "there are also `Socket`; in `on` also `EventName` and `Option<AckSender>`; in `on_disconnect` also `DisconnectReason`; in `on_connect_error` also `ConnectError`"
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

/// A handler of an event: what it returns is the answer, and what does not fit its arguments is reported and
/// answered with an error.
pub(super) fn event<H, M>(handler: H) -> Call<EventContext>
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
            misfit(&context.socket, context.event.name(), &error);
            None
        }
    })
}

/// A handler that looks at events of any name; what it returns does not matter.
pub(super) fn any<H, M>(handler: H) -> Call<EventContext>
where
    H: HandlerFn<EventContext, M, Output = ()>,
{
    Arc::new(move |mut context: EventContext| {
        // The answer belongs to the event's own handler.
        context.ack = None;
        match handler.call(&mut context) {
            Ok(work) => Some(Box::pin(work) as Work),
            Err(error) => {
                misfit(&context.socket, context.event.name(), &error);
                None
            }
        }
    })
}

/// A handler of a socket that is connected or is not (`kind` says which).
pub(super) fn lifecycle<C, H, M>(kind: &'static str, handler: H) -> Call<C>
where
    C: Context,
    H: HandlerFn<C, M, Output = ()>,
{
    Arc::new(move |mut context: C| match handler.call(&mut context) {
        Ok(work) => Some(Box::pin(work) as Work),
        Err(error) => {
            misfit(context.socket(), kind, &error);
            None
        }
    })
}

fn misfit(socket: &Socket, event: &str, error: &ExtractError) {
    let hook = socket.space.handlers().on_error.clone();
    if let Some(hook) = hook {
        hook(socket, event, error);
    }
}
