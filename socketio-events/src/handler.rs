//! Type erasure: an async function becomes a [`Call`]. This is the only place that knows the type of a handler.

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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Mutex;
    use std::task::Waker;

    use socketio_parser::{Event, Parser};

    use super::*;
    use crate::extract::{Data, EventName, Extract};
    use crate::message;
    use crate::reply::Ack;

    /// Log of calls, in order.
    #[derive(Clone, Debug, Default)]
    struct Journal(Arc<Mutex<Vec<String>>>);

    impl Journal {
        fn write(&self, line: String) {
            self.0.lock().unwrap().push(line);
        }

        fn read(self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Answer for Journal {
        fn answer<A: ToArgs + ?Sized>(self, args: &A) {
            let event = message::to_event(Parser::Json, "answer", args).unwrap();
            self.write(String::from_utf8_lossy(event.args().as_bytes()).into_owned());
        }
    }

    /// A value whose serialization panics.
    struct Unserializable;

    impl serde::Serialize for Unserializable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("this value has no form")
        }
    }

    /// Pending in its first poll.
    async fn yield_once() {
        let mut yielded = false;
        poll_fn(|_| if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    struct TestContext {
        event: Event,
        ack: AckSlot<Journal>,
        journal: Journal,
    }

    impl Carrier for TestContext {
        type Ack = Journal;

        fn event(&self) -> &Event {
            &self.event
        }

        fn next_argument(&mut self) -> usize {
            0
        }

        fn take_ack(&mut self) -> Option<Journal> {
            self.ack.take()
        }
    }

    impl Incoming for TestContext {
        fn ack_slot(&mut self) -> &mut AckSlot<Journal> {
            &mut self.ack
        }

        fn report_mismatch(&self, error: ExtractError) {
            self.journal.write(format!("mismatch: {error}"));
        }
    }

    impl Extract<TestContext> for Option<Journal> {
        fn extract(context: &mut TestContext) -> Result<Self, ExtractError> {
            Ok(context.take_ack())
        }
    }

    /// An event with the argument 1 and a requested acknowledgement.
    fn context(journal: Journal) -> TestContext {
        let event = message::to_event(Parser::Json, "number", &1).unwrap();
        TestContext { event, ack: AckSlot::new(Some(journal.clone())), journal }
    }

    fn called(call: &Call<TestContext>, journal: &Journal) -> Called {
        call(context(journal.clone()), &mut task::Context::from_waker(Waker::noop()))
    }

    /// Log after this event.
    fn log_of(call: &Call<TestContext>) -> Vec<String> {
        let journal = Journal::default();
        match called(call, &journal) {
            Called::Done => {}
            Called::Failed(Failure { event, error }) => journal.write(format!("{event} failed: {error}")),
            Called::Pending(_) => panic!("the handler waits"),
        }
        journal.read()
    }

    #[test]
    fn the_return_value_is_the_answer_unless_the_handler_answers() {
        let call = event(Some("number"), |Data(number): Data<u32>| async move { Ack(number + 1) });
        assert_eq!(log_of(&call), ["2"]);
        let call = event(None, |_: EventName| async { Err::<(), _>("no") });
        assert_eq!(log_of(&call), [r#"{"error":"no"}"#]);
        let call =
            event(None, |ack: Option<Journal>| async { ack.map_or(Ok(()), |_| Err("taken, and now this")) });
        assert_eq!(log_of(&call), ["number failed: taken, and now this"]);
        let call = event(Some("number"), |ack: Option<Journal>| async move {
            let ack = ack.unwrap();
            ack.answer("mine");
            Ack("not this")
        });
        assert_eq!(log_of(&call), [r#""mine""#]);
        let call = event(Some("number"), |first: Option<Journal>, second: Option<Journal>| async move {
            assert!(first.is_some() && second.is_none());
        });
        assert!(log_of(&call).is_empty());
    }

    #[test]
    fn a_mismatch_is_answered_even_after_the_ack_was_taken() {
        for call in [
            event(None, |_: Data<String>, _: Option<Journal>| async {}),
            event(None, |_: Option<Journal>, _: Data<String>| async {}),
        ] {
            let came = log_of(&call);
            assert!(came.len() == 2 && came[0].starts_with(r#"{"error":""#), "{came:?}");
            assert!(came[1].starts_with("mismatch: "), "{came:?}");
        }
    }

    #[test]
    fn errors_of_handlers_that_do_not_answer_are_failures() {
        let call = any(|EventName(name): EventName| async move { Err::<(), _>(format!("no {name}")) });
        assert_eq!(log_of(&call), ["number failed: no number"]);
        assert!(log_of(&any(|| async { Ok::<(), String>(()) })).is_empty());
    }

    #[test]
    fn a_panic_is_a_failure_and_answered() {
        let call = event(Some("number"), |Data(number): Data<u32>| async move { assert_eq!(number, 0) });
        let expected = [r#"{"error":"internal error"}"#, "number failed: the handler panicked"];
        assert_eq!(log_of(&call), expected);
        // Before the first poll.
        let call = event(None, |Data(number): Data<u32>| {
            assert_eq!(number, 0);
            async {}
        });
        assert_eq!(log_of(&call), expected);
        let call = any(|Data(number): Data<u32>| async move { assert_eq!(number, 0) });
        assert_eq!(log_of(&call), ["number failed: the handler panicked"]);
        // In the answer.
        let call = event(Some("number"), || async { Ack(Unserializable) });
        assert_eq!(log_of(&call), ["number failed: the handler panicked"]);
    }

    #[test]
    fn a_panic_after_the_first_poll_is_a_failure_and_answered() {
        let call = event(Some("number"), |Data(number): Data<u32>| async move {
            yield_once().await;
            assert_eq!(number, 0);
        });
        let journal = Journal::default();
        let Called::Pending(mut work) = called(&call, &journal) else { panic!("the handler does not wait") };
        let polled = work.as_mut().poll(&mut task::Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(Some(Failure::panicked("number".into()))));
        assert_eq!(journal.read(), [r#"{"error":"internal error"}"#]);
    }

    #[test]
    fn a_handler_that_waited_answers() {
        let call = event(None, |Data(number): Data<u32>| async move {
            yield_once().await;
            Ack(number + 1)
        });
        let journal = Journal::default();
        let Called::Pending(mut work) = called(&call, &journal) else { panic!("the handler does not wait") };
        assert!(journal.clone().0.lock().unwrap().is_empty());
        let polled = work.as_mut().poll(&mut task::Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(None));
        assert_eq!(journal.read(), ["2"]);
    }

    #[test]
    fn handlers_may_never_return() {
        let call = any(|| async {
            loop {
                std::future::pending::<()>().await;
            }
        });
        assert!(matches!(called(&call, &Journal::default()), Called::Pending(_)));
    }

    #[test]
    fn handlers_of_any_event_do_not_answer() {
        let call = any(|ack: Option<Journal>| async move { assert!(ack.is_none()) });
        assert!(log_of(&call).is_empty());
        let came = log_of(&any(|_: Data<String>| async {}));
        assert!(came.len() == 1 && came[0].starts_with("mismatch: "), "{came:?}");
    }
}
