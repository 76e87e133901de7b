//! What arrives on a connection that makes requests: answers, and the messages that consumers deliver. Only what was asked for is
//! kept.

use std::collections::HashMap;
#[cfg(feature = "adapter")]
use std::collections::VecDeque;
use std::sync::Arc;

use engineio::sync::Mutex;
use tokio::sync::watch;

use super::connection::Inbound;
use crate::protocol::Message;

/// The subscription to which answers are sent. Others are those of consumers.
pub(super) const ANSWERS: u64 = 1;

/// The messages that have arrived and were not taken yet.
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Changes with each message.
    arrived: watch::Sender<()>,
    /// Maximum size of all answers together.
    max_bytes: usize,
}

#[derive(Default)]
struct State {
    /// The requests that wait for an answer, and those that have one.
    answers: HashMap<u64, Option<Answer>>,
    bytes: usize,
    #[cfg(feature = "adapter")]
    deliveries: HashMap<u64, Delivery>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Message(Message),
    /// It was larger than the answers may be, and was not kept.
    TooLarge,
}

/// The messages of a consumer.
#[cfg(feature = "adapter")]
#[derive(Debug, Default)]
pub(super) struct Delivery {
    pub(super) messages: VecDeque<Message>,
    /// The number of messages that may be there.
    most: usize,
    /// More have arrived than were asked for.
    pub(super) is_exceeded: bool,
}

impl Inbox {
    pub(super) fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), arrived: watch::Sender::default(), max_bytes })
    }

    /// Maximum size of all answers together.
    #[cfg(feature = "adapter")]
    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// A request with this number will be sent.
    pub(super) fn expect(&self, number: u64) {
        self.state.lock().answers.insert(number, None);
    }

    /// Takes the answer of a request if it is there.
    pub(super) fn take(&self, number: u64) -> Option<Answer> {
        let mut state = self.state.lock();
        let answer = state.answers.get_mut(&number)?.take()?;
        state.answers.remove(&number);
        if let Answer::Message(message) = &answer {
            state.bytes -= size(message);
        }
        Some(answer)
    }

    /// The answer of a request is not wanted any more.
    pub(super) fn forget(&self, number: u64) {
        self.take(number);
        self.state.lock().answers.remove(&number);
    }

    /// A subscription gets messages, at most so many before they are taken.
    #[cfg(feature = "adapter")]
    pub(super) fn deliver(&self, subscription: u64, most: usize) {
        self.state.lock().deliveries.entry(subscription).or_default().most = most;
    }

    /// Takes what a subscription has received.
    #[cfg(feature = "adapter")]
    pub(super) fn delivered(&self, subscription: u64) -> Delivery {
        let mut state = self.state.lock();
        let Some(delivery) = state.deliveries.get_mut(&subscription) else { return Delivery::default() };
        let messages = std::mem::take(&mut delivery.messages);
        Delivery { messages, most: delivery.most, is_exceeded: delivery.is_exceeded }
    }

    /// The messages of a subscription are not wanted any more.
    #[cfg(feature = "adapter")]
    pub(super) fn close(&self, subscription: u64) {
        self.state.lock().deliveries.remove(&subscription);
    }

    /// Notices messages that arrive from now on.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.arrived.subscribe()
    }

    fn add(&self, message: Message, is_skipped: bool) {
        let mut state = self.state.lock();
        if message.subscription == ANSWERS {
            let token = message.subject.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
            let number = std::str::from_utf8(token).ok().and_then(|token| token.parse::<u64>().ok());
            let bytes = state.bytes.saturating_add(size(&message));
            let Some(answer @ None) = number.and_then(|number| state.answers.get_mut(&number)) else {
                return;
            };
            if is_skipped || bytes > self.max_bytes {
                *answer = Some(Answer::TooLarge);
            } else {
                *answer = Some(Answer::Message(message));
                state.bytes = bytes;
            }
        } else {
            #[cfg(feature = "adapter")]
            if let Some(delivery) = state.deliveries.get_mut(&message.subscription) {
                if delivery.messages.len() < delivery.most {
                    delivery.messages.push_back(message);
                } else {
                    delivery.is_exceeded = true;
                }
            }
        }
        drop(state);
        self.arrived.send_replace(());
    }
}

/// Passes messages to the inbox of the connection.
pub(super) struct ToInbox(pub(super) Arc<Inbox>);

impl Inbound for ToInbox {
    fn arrived(&self, message: Message) {
        self.0.add(message, false);
    }

    fn skipped(&self, message: Message) {
        self.0.add(message, true);
    }
}

fn size(message: &Message) -> usize {
    message.subject.len() + message.reply.len() + message.headers.len() + message.payload.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subscription: u64, subject: &'static str, payload: &'static str) -> Message {
        Message { subject: subject.into(), subscription, payload: payload.into(), ..Message::default() }
    }

    #[test]
    fn only_expected_answers_are_kept_and_their_size_is_limited() {
        let inbox = Inbox::new(10);
        inbox.expect(1);
        inbox.expect(2);
        inbox.expect(3);
        for (subject, payload) in
            [("i.1", "abc"), ("i.1", "again"), ("i.7", "x"), ("x", "x"), ("i.2", "12345"), ("i.3", "")]
        {
            inbox.add(message(ANSWERS, subject, payload), false);
        }
        assert_eq!(inbox.take(7), None);
        assert_eq!(inbox.take(2), Some(Answer::TooLarge), "6 and 8 bytes");
        assert_eq!(inbox.take(1), Some(Answer::Message(message(ANSWERS, "i.1", "abc"))));
        assert_eq!(inbox.take(1), None);
        inbox.forget(3);
        inbox.expect(4);
        inbox.add(message(ANSWERS, "i.4", ""), true);
        assert_eq!(inbox.take(4), Some(Answer::TooLarge));
        let state = inbox.state.lock();
        assert_eq!((state.bytes, state.answers.len()), (0, 0));
    }

    #[cfg(feature = "adapter")]
    #[test]
    fn no_more_messages_are_kept_than_a_consumer_was_asked_for() {
        let inbox = Inbox::new(0);
        inbox.deliver(2, 2);
        for payload in ["a", "b"] {
            inbox.add(message(2, "s", payload), false);
            inbox.add(message(3, "s", payload), false);
        }
        let delivery = inbox.delivered(2);
        assert_eq!((delivery.messages.len(), delivery.is_exceeded), (2, false));
        for _ in 0..3 {
            inbox.add(message(2, "s", "c"), false);
        }
        let delivery = inbox.delivered(2);
        assert_eq!((delivery.messages.len(), delivery.is_exceeded), (2, true));
        inbox.close(2);
        inbox.add(message(2, "s", "d"), false);
        assert!(inbox.delivered(2).messages.is_empty());
    }
}
