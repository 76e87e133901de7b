//! Type erasure: an async function becomes a [`Call`]. This is the only place that knows the type of a handler.

use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{self, Poll};

use crate::error::ExtractError;
use crate::extract::{AckSlot, Carrier, Context, HandlerSocket};
use crate::function::HandlerFn;
use crate::panics::{self, INTERNAL, PANICKED};
use crate::reply::{Outcome, Reply, reject};

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

/// A handler's future that is still pending, with its owner.
pub struct Running<W> {
    work: Work,
    owner: Option<W>,
}

impl<W> Running<W> {
    /// Polls a new future once: most handlers complete or fail in this first poll. A pending future is
    /// returned together with its owner.
    pub fn start(
        mut work: Work,
        owner: impl FnOnce() -> W,
        cx: &mut task::Context<'_>,
    ) -> Result<Option<Self>, Failure> {
        match work.as_mut().poll(cx) {
            Poll::Pending => Ok(Some(Self { work, owner: Some(owner()) })),
            Poll::Ready(None) => Ok(None),
            Poll::Ready(Some(failure)) => Err(failure),
        }
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

/// An erased handler. `None` means that the arguments could not be extracted; the error has been reported.
pub type CallFn<C> = dyn Fn(C) -> Option<Work> + Send + Sync;

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
    Arc::new(move |mut context: C| {
        // The future is boxed inside, so that it is moved only once.
        let called = panics::call(|| {
            let work = handler.call(&mut context)?;
            let ack = take_slot(&mut context).unclaimed();
            // Most handlers need the name only for a panic, so a handler of all events does not allocate it.
            let may_fail = H::Output::MAY_FAIL && ack.is_none();
            let event = if may_fail {
                name.clone().unwrap_or_else(|| context.event().name().into())
            } else {
                name.clone().unwrap_or_else(any_event)
            };
            Ok::<Work, ExtractError>(Box::pin(async move {
                let Some(output) = panics::caught(pin!(work)).await else {
                    reject(ack, INTERNAL);
                    return Some(Failure::panicked(event));
                };
                // Without an error here the sender receives it, or there is none.
                let error = output.reply(ack)?;
                Some(Failure { event, error })
            }))
        });
        match called {
            Some(Ok(work)) => Some(work),
            Some(Err(error)) => {
                reject(take_slot(&mut context).into_inner(), &error.for_peer());
                context.report_mismatch(error);
                None
            }
            None => {
                reject(take_slot(&mut context).into_inner(), INTERNAL);
                Some(Box::pin(ready(Some(Failure::panicked(
                    name.clone().unwrap_or_else(|| context.event().name().into()),
                )))))
            }
        }
    })
}

fn take_slot<C: Incoming>(context: &mut C) -> AckSlot<C::Ack> {
    std::mem::replace(context.ack_slot(), AckSlot::empty())
}

/// The name of an event in the report of a panic, if the handler is one of all events.
fn any_event() -> Arc<str> {
    static NAME: LazyLock<Arc<str>> = LazyLock::new(|| "any event".into());
    Arc::clone(&NAME)
}

/// A handler of all events, such as a logger. It never answers; its errors are failures.
pub fn any<C, H, M>(handler: H) -> Call<C>
where
    C: Incoming,
    H: HandlerFn<C, M>,
    H::Output: Outcome,
{
    Arc::new(move |mut context: C| {
        // Only handlers of the event's name answer.
        *context.ack_slot() = AckSlot::empty();
        let called = panics::call(|| handler.call(&mut context));
        let name = match &called {
            Some(Ok(_)) if !H::Output::MAY_FAIL => any_event(),
            _ => context.event().name().into(),
        };
        unanswered(name, called, |error| context.report_mismatch(error))
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
    let name: Arc<str> = kind.into();
    Arc::new(move |mut context: C| {
        let called = panics::call(|| handler.call(&mut context));
        unanswered(Arc::clone(&name), called, |error| context.socket().report_mismatch(kind, error))
    })
}

/// A call whose error the application receives, since no peer waits for an answer.
fn unanswered<F>(
    event: Arc<str>,
    called: Option<Result<F, ExtractError>>,
    report_mismatch: impl FnOnce(ExtractError),
) -> Option<Work>
where
    F: Future<Output: Outcome> + Send + 'static,
{
    match called {
        Some(Ok(work)) => Some(Box::pin(async move {
            let Some(output) = panics::caught(pin!(work)).await else {
                return Some(Failure::panicked(event));
            };
            let error = output.error()?;
            Some(Failure { event, error })
        })),
        Some(Err(error)) => {
            report_mismatch(error);
            None
        }
        None => Some(Box::pin(ready(Some(Failure::panicked(event))))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::task::Waker;

    use socketio_parser::{Event, Parser, ToArgs};

    use super::*;
    use crate::extract::{Data, EventName, Extract};
    use crate::message;
    use crate::reply::{Ack, Answer};

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

    /// Log after this event.
    fn log_of(call: &Call<TestContext>) -> Vec<String> {
        let journal = Journal::default();
        if let Some(work) = call(context(journal.clone())) {
            match Running::start(work, || (), &mut task::Context::from_waker(Waker::noop())) {
                Ok(running) => assert!(running.is_none()),
                Err(Failure { event, error }) => journal.write(format!("{event} failed: {error}")),
            }
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
        assert_eq!(log_of(&call), ["any event failed: the handler panicked"]);
    }

    #[test]
    fn handlers_may_never_return() {
        let call = any(|| async {
            loop {
                std::future::pending::<()>().await;
            }
        });
        assert!(call(context(Journal::default())).is_some());
    }

    #[test]
    fn handlers_of_any_event_do_not_answer() {
        let call = any(|ack: Option<Journal>| async move { assert!(ack.is_none()) });
        assert!(log_of(&call).is_empty());
        let came = log_of(&any(|_: Data<String>| async {}));
        assert!(came.len() == 1 && came[0].starts_with("mismatch: "), "{came:?}");
    }
}
