//! Type erasure: an async function becomes a [`Call`]. This is the only place that knows the type of a handler.

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll};

use socketio_parser::ToArgs;

use crate::error::ExtractError;
use crate::extract::{AckSlot, Carrier, Context, HandlerSocket};
use crate::function::HandlerFn;
use crate::panics::{self, INTERNAL, PANICKED};
use crate::reply::{Answer, Outcome, Reply, reject};

/// The future of a handler that was called.
pub type Work = Pin<Box<dyn Future<Output = Option<Failure>> + Send>>;

/// Error of a handler that is not sent as an answer, because no acknowledgement was requested, or the handler
/// panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The event's name.
    pub event: Arc<str>,
    /// Text of the error.
    pub error: String,
}

impl Failure {
    fn panicked(event: Arc<str>) -> Self {
        Self { event, error: PANICKED.to_owned() }
    }
}

/// Result of the call of a handler, after the first poll of its future. Most handlers complete in this poll.
pub enum Called {
    /// The handler has returned, or was not called because its arguments could not be extracted. Errors have been
    /// reported or sent as the answer.
    Done,
    /// The handler has returned an error that was not sent, or has panicked.
    Failed(Failure),
    /// The handler waits.
    Pending(Work),
}

impl Called {
    /// The result of a handler that has returned; `error` is the text of an error that was not sent.
    fn returned(error: Option<String>, event: impl FnOnce() -> Arc<str>) -> Self {
        match error {
            None => Self::Done,
            Some(error) => Self::Failed(Failure { event: event(), error }),
        }
    }
}

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Failed(failure) => f.debug_tuple("Failed").field(failure).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}

/// A handler's future that is still pending, with its owner.
pub struct Running<W> {
    work: Work,
    owner: Option<W>,
}

impl<W> Running<W> {
    /// A future with the owner whose handler it is.
    pub fn new(work: Work, owner: W) -> Self {
        Self { work, owner: Some(owner) }
    }

    /// A future without an owner.
    pub fn without_owner(work: Work) -> Self {
        Self { work, owner: None }
    }
}

/// Resolves to the failure and its owner if the handler failed.
impl<W: Unpin> Future for Running<W> {
    type Output = Option<(W, Failure)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let failure = task::ready!(self.work.as_mut().poll(cx));
        Poll::Ready(self.owner.take().zip(failure))
    }
}

/// An erased handler: calls it, and polls its future once.
pub type CallFn<C> = dyn Fn(C, &mut task::Context<'_>) -> Called + Send + Sync;

/// A shared handler.
pub type Call<C> = Arc<CallFn<C>>;

/// Context of a received event, with what the erased handler needs around the call.
pub trait Incoming: Carrier + Send + 'static {
    /// The right to answer the event.
    fn ack_slot(&mut self) -> &mut AckSlot<Self::Ack>;
    /// Reports to the application that the event does not match the handler's arguments.
    fn report_mismatch(&self, error: ExtractError);
}

/// A handler of the event `name`, or of all events if `None`. Its return value is the answer. An event that
/// does not match its arguments is reported, and answered with an error.
pub fn event<C, H, M>(name: Option<&str>, handler: H) -> Call<C>
where
    C: Incoming,
    C::Ack: Send,
    H: HandlerFn<C, M>,
    H::Output: Reply,
{
    let name: Option<Arc<str>> = name.map(Into::into);
    Arc::new(move |mut context: C, cx: &mut task::Context<'_>| {
        let name = |context: &C| name.clone().unwrap_or_else(|| context.event().name().into());
        let mut ack = None;
        // One guard for the call, the first poll and the answer.
        let called = panics::call(|| {
            let work = handler.call(&mut context)?;
            ack = take_slot(&mut context).unclaimed();
            Ok::<_, ExtractError>(match first_poll(work, cx) {
                ControlFlow::Break(output) => Called::returned(output.reply(ack.take()), || name(&context)),
                ControlFlow::Continue(work) => {
                    Called::Pending(pending(work, name(&context), ack.take(), H::Output::reply))
                }
            })
        });
        match called {
            Some(Ok(called)) => called,
            Some(Err(error)) => {
                reject(take_slot(&mut context).into_inner(), &error.for_peer());
                context.report_mismatch(error);
                Called::Done
            }
            None => {
                reject(take_slot(&mut context).into_inner().or(ack), INTERNAL);
                Called::Failed(Failure::panicked(name(&context)))
            }
        }
    })
}

fn take_slot<C: Incoming>(context: &mut C) -> AckSlot<C::Ack> {
    std::mem::replace(context.ack_slot(), AckSlot::empty())
}

/// Polls a new future once, and continues with it if it is pending.
fn first_poll<F: Future>(work: F, cx: &mut task::Context<'_>) -> ControlFlow<F::Output, Pin<Box<F>>> {
    let mut work = Box::pin(work);
    match work.as_mut().poll(cx) {
        Poll::Ready(output) => ControlFlow::Break(output),
        Poll::Pending => ControlFlow::Continue(work),
    }
}

/// The rest of a handler's work; `reply` answers with its return value.
fn pending<F, A>(
    mut work: Pin<Box<F>>,
    event: Arc<str>,
    mut ack: Option<A>,
    reply: fn(F::Output, Option<A>) -> Option<String>,
) -> Work
where
    F: Future + Send + 'static,
    A: Answer + Send + 'static,
{
    Box::pin(async move {
        let replied = panics::caught(pin!(async { reply(work.as_mut().await, ack.take()) })).await;
        let Some(error) = replied else {
            reject(ack, INTERNAL);
            return Some(Failure::panicked(event));
        };
        Some(Failure { event, error: error? })
    })
}

/// A handler of all events, such as a logger. It never answers; its errors are failures.
pub fn any<C, H, M>(handler: H) -> Call<C>
where
    C: Incoming,
    H: HandlerFn<C, M>,
    H::Output: Outcome,
{
    Arc::new(move |mut context: C, cx: &mut task::Context<'_>| {
        // Only handlers of the event's name answer.
        *context.ack_slot() = AckSlot::empty();
        let called = unanswered(&mut context, &handler, cx, |context| context.event().name().into());
        called.unwrap_or_else(|error| {
            context.report_mismatch(error);
            Called::Done
        })
    })
}

/// A handler of "connect", "connect_error", "disconnecting" or "disconnect", given by `kind`. Arguments that
/// could not be extracted, and errors, are reported under that name.
pub fn lifecycle<C, H, M>(kind: &'static str, handler: H) -> Call<C>
where
    C: Context,
    H: HandlerFn<C, M>,
    H::Output: Outcome,
{
    Arc::new(move |mut context: C, cx: &mut task::Context<'_>| {
        unanswered(&mut context, &handler, cx, |_| kind.into()).unwrap_or_else(|error| {
            context.socket().report_mismatch(kind, error);
            Called::Done
        })
    })
}

/// A call whose error the application receives, since no peer waits for an answer.
fn unanswered<C, H, M>(
    context: &mut C,
    handler: &H,
    cx: &mut task::Context<'_>,
    name: impl Fn(&C) -> Arc<str>,
) -> Result<Called, ExtractError>
where
    H: HandlerFn<C, M>,
    H::Output: Outcome,
{
    let called = panics::call(|| {
        Ok(match first_poll(handler.call(context)?, cx) {
            ControlFlow::Break(output) => Called::returned(output.error(), || name(context)),
            ControlFlow::Continue(work) => {
                let reply = |output: H::Output, _: Option<NoAnswer>| output.error();
                Called::Pending(pending(work, name(context), None, reply))
            }
        })
    });
    called.unwrap_or_else(|| Ok(Called::Failed(Failure::panicked(name(context)))))
}

/// The right to answer of handlers that have none.
enum NoAnswer {}

impl Answer for NoAnswer {
    fn answer<A: ToArgs + ?Sized>(self, _: &A) {
        match self {}
    }
}
