//! The messages that an outbox accepts, returns and refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use super::*;

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The smallest limit for this many bytes in this many messages.
fn room_for(bytes: usize, messages: usize) -> usize {
    bytes + bytes / 8 + messages * 128
}

fn message(len: usize) -> Prepared {
    // Two bytes of header and one of type are in front.
    Prepared::text(&"x".repeat(len - 3))
}

#[test]
fn wakes_the_driver_once_per_sleep() {
    let outbox = Outbox::new(1000, SlowConsumer::Disconnect);
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&counter));
    outbox.push(message(10)).unwrap();
    assert!(!outbox.park(true, &waker), "there is something to write");
    assert!(outbox.park(false, &waker), "but not now");
    outbox.push(message(10)).unwrap();
    outbox.push(message(10)).unwrap();
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    assert!(!outbox.attend());
    outbox.push(message(10)).unwrap();
    assert_eq!(counter.0.load(Ordering::Relaxed), 1, "an attentive driver needs no waking");
}

/// Reads the outbox when it is woken. Under the lock of the outbox this would never return.
struct Reader(Arc<Outbox>, Counter);

impl Wake for Reader {
    fn wake(self: Arc<Self>) {
        self.0.queued_bytes();
        self.1.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn wakers_run_after_the_lock_is_released() {
    let (done, finished) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let outbox = Arc::new(Outbox::new(room_for(20, 2), SlowConsumer::Disconnect));
        let reader = Arc::new(Reader(Arc::clone(&outbox), Counter::default()));
        let waker = Waker::from(Arc::clone(&reader));
        let woken = || reader.1.0.load(Ordering::Relaxed);
        let park = || {
            outbox.attend();
            assert!(outbox.park(false, &waker));
        };
        park();
        outbox.push(message(10)).unwrap();
        park();
        outbox.push_control(message(10));
        park();
        outbox.rouse();
        assert_eq!(woken(), 3);
        let (mut written, mut capacity) = (None, None);
        let mut cx = Context::from_waker(&waker);
        assert!(outbox.poll_until(Until::Written(1), &mut written, &mut cx).is_pending());
        assert!(outbox.poll_until(Until::Room(10), &mut capacity, &mut cx).is_pending());
        outbox.wrote(1, 10);
        assert_eq!(woken(), 5);
        park();
        outbox.push(message(10)).unwrap();
        park();
        assert_eq!(outbox.push(message(10)), Err(SendError::Full));
        assert_eq!(woken(), 7, "the driver ends a session that overflows");
        done.send(()).unwrap();
    });
    finished.recv_timeout(std::time::Duration::from_secs(10)).expect("the wakers return");
}

#[test]
fn counts_bytes_until_they_are_written() {
    let outbox = Outbox::new(room_for(20, 2), SlowConsumer::Refuse);
    outbox.push(message(10)).unwrap();
    outbox.push(message(10)).unwrap();
    assert_eq!(outbox.push(message(10)), Err(SendError::Full));
    let mut hands = Vec::new();
    outbox.take(1, &mut hands);
    assert_eq!(outbox.queued_bytes(), 20);
    assert_eq!(outbox.push(message(10)), Err(SendError::Full));
    outbox.wrote(1, 10);
    outbox.push(message(10)).unwrap();
    assert_eq!(outbox.queued_messages(), 2);
}

#[test]
fn short_messages_count_with_what_they_hold() {
    let outbox = Outbox::new(8 << 20, SlowConsumer::Refuse);
    let fitted = std::iter::repeat_with(|| outbox.push(message(4))).take_while(Result::is_ok).count();
    assert_eq!(fitted, (8 << 20) * 2 / 265, "132.5 bytes each");
}

#[test]
fn a_large_message_alone_is_no_overflow() {
    let outbox = Outbox::new(10, SlowConsumer::Disconnect);
    outbox.push(message(100)).unwrap();
    assert_eq!(outbox.push(message(4)), Err(SendError::Full));
    assert!(outbox.attend(), "the driver learns of the overflow");
    assert!(!outbox.is_open());
}

#[test]
fn volatile_messages_are_dropped_when_anything_waits() {
    let outbox = Outbox::new(1000, SlowConsumer::Disconnect);
    assert_eq!(outbox.push_volatile(message(10)), Ok(true));
    assert_eq!(outbox.push_volatile(message(10)), Ok(false), "one waits");
    outbox.wrote(1, 10);
    outbox.set_blocked(true);
    assert_eq!(outbox.push_volatile(message(10)), Ok(false), "the transport is blocked");
    outbox.set_blocked(false);
    assert_eq!(outbox.push_volatile(message(10)), Ok(true));
}

#[test]
fn waiting_ends_with_the_write_with_room_or_with_the_close() {
    let outbox = Outbox::new(room_for(20, 2) - 1, SlowConsumer::Refuse);
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&counter));
    let mut cx = Context::from_waker(&waker);
    let number = outbox.push(message(15)).unwrap();
    let (mut written, mut room, mut never) = (None, None, None);
    assert!(outbox.poll_until(Until::Written(number), &mut written, &mut cx).is_pending());
    assert!(outbox.poll_until(Until::Room(10), &mut room, &mut cx).is_pending());
    assert!(outbox.poll_until(Until::Written(number + 1), &mut never, &mut cx).is_pending());
    outbox.wrote(1, 15);
    assert_eq!(counter.0.load(Ordering::Relaxed), 2);
    assert_eq!(outbox.poll_until(Until::Written(number), &mut written, &mut cx), Poll::Ready(Ok(())));
    assert_eq!(outbox.poll_until(Until::Room(10), &mut room, &mut cx), Poll::Ready(Ok(())));
    outbox.close();
    assert_eq!(counter.0.load(Ordering::Relaxed), 3);
    assert_eq!(
        outbox.poll_until(Until::Written(number + 1), &mut never, &mut cx),
        Poll::Ready(Err(SendError::Closed))
    );
}

#[test]
fn who_waits_for_room_learns_that_there_will_be_none() {
    // The push of a message that overflows the outbox wakes the driver alone: application wakers must not run
    // in the caller of a push. The driver closes the outbox.
    let overflow = |outbox: &Outbox, waiters: &Counter| {
        assert!(outbox.push(message(20)).is_err());
        assert_eq!(waiters.0.load(Ordering::Relaxed), 0);
        assert!(outbox.attend());
        outbox.close();
    };
    let drain = |outbox: &Outbox, _: &Counter| outbox.drain();
    for (end, woken) in [(drain as fn(&Outbox, &Counter), 1), (overflow, 2)] {
        let outbox = Outbox::new(20, SlowConsumer::Disconnect);
        let counter = Arc::new(Counter::default());
        let waker = Waker::from(Arc::clone(&counter));
        let mut cx = Context::from_waker(&waker);
        let number = outbox.push(message(15)).unwrap();
        let (mut written, mut room) = (None, None);
        assert!(outbox.poll_until(Until::Written(number), &mut written, &mut cx).is_pending());
        assert!(outbox.poll_until(Until::Room(10), &mut room, &mut cx).is_pending());
        end(&outbox, &counter);
        assert_eq!(counter.0.load(Ordering::Relaxed), woken);
        let ready = outbox.poll_until(Until::Room(10), &mut room, &mut cx);
        assert_eq!(ready, Poll::Ready(Err(SendError::Closed)));
    }
}

#[test]
fn a_dropped_waiter_leaves_nothing_behind() {
    let outbox = Outbox::new(20, SlowConsumer::Refuse);
    let mut id = None;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(outbox.poll_until(Until::Written(1), &mut id, &mut cx).is_pending());
    outbox.forget(id.unwrap());
    assert!(outbox.lock().waiters.is_empty());
}

/// Outboxes that share a budget of a million bytes.
fn shared() -> (Arc<Budget>, impl Fn(SlowConsumer) -> Outbox) {
    let budget = Arc::new(Budget::new(1_000_000));
    let all = Arc::clone(&budget);
    (budget, move |policy| Outbox::within(8 << 20, policy, Arc::clone(&all)))
}

#[test]
fn a_full_server_refuses_and_closes_only_who_holds_much() {
    let (budget, outbox) = shared();
    let (large, other, small) = (
        outbox(SlowConsumer::Disconnect),
        outbox(SlowConsumer::Disconnect),
        outbox(SlowConsumer::Disconnect),
    );
    other.push(message(200_000)).unwrap();
    while large.push(message(100_000)).is_ok() {}
    assert!(budget.held() <= 750_000);
    assert!(large.attend(), "it has more than half of what is there for all");
    for _ in 0..6 {
        small.push(message(10_000)).unwrap();
    }
    while small.push(message(10_000)).is_ok() {}
    assert_eq!(small.try_push(message(10_000)), Err(SendError::ServerFull));
    assert!(!small.attend() && !other.attend(), "they go on");
    assert!(small.park(false, Waker::noop()));
    assert!(budget.held() <= 1_000_000);
    large.clear();
    assert!(budget.held() < 400_000, "{budget:?}");
    small.push(message(10_000)).unwrap();
    drop((large, other, small));
    assert_eq!(budget.held(), 0);
}

#[test]
fn what_is_written_in_its_turn_is_not_counted() {
    let (budget, outbox) = shared();
    let outbox = outbox(SlowConsumer::Refuse);
    let (short, long) = (message(1000), message(100_000));
    let (short_len, long_len) = (short.wire_len(), long.wire_len());
    outbox.push(short).unwrap();
    assert_eq!(budget.held(), 0);
    outbox.take(1, &mut Vec::new());
    // The peer took nothing, and the driver pauses.
    assert!(outbox.park(false, Waker::noop()));
    assert_eq!(budget.held(), room_for(short_len, 1));
    outbox.wrote(1, short_len);
    assert!(outbox.park(true, Waker::noop()));
    assert_eq!(budget.held(), 0);
    outbox.push(long).unwrap();
    assert_eq!(budget.held(), room_for(long_len, 1), "a long message counts at once");
    outbox.wrote(1, long_len);
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_loan_counts_until_it_is_given_back() {
    let (budget, outbox) = shared();
    let outbox = outbox(SlowConsumer::Refuse);
    outbox.push(message(100_000)).unwrap();
    outbox.take(1, &mut Vec::new());
    outbox.lend(100_000);
    outbox.wrote(1, 100_000);
    outbox.close();
    outbox.clear();
    assert_eq!(budget.held(), room_for(100_000, 0), "the session has ended, the answer has not");
    outbox.give_back(100_000);
    assert_eq!(budget.held(), 0);
}
