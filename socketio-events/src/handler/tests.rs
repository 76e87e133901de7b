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
    poll_fn(|_| if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }).await;
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
