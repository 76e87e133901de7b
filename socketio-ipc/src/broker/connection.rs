//! A connection of the broker: questions are handled one after the other, and replies and messages are written.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::channels::Subscriber;
use super::outbox::Outbox;
use super::{Broker, Handled};
use crate::protocol::{Question, Reply, next_frame};

/// The longest wait for an entry.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Serves a connection until it ends, or the process at its other end does not keep to the protocol.
pub(super) async fn run(broker: &Broker, stream: UnixStream) {
    let outbox = Arc::new(Outbox::new(broker.limits.max_outbox_bytes));
    let id = broker.state.lock().channels.next_id();
    let subscriber = Subscriber { id, outbox };
    let _subscriptions = Subscriptions(broker, &subscriber);
    let (reader, writer) = stream.into_split();
    tokio::select! {
        () = answer(broker, &subscriber, reader) => {}
        () = write(&subscriber.outbox, writer) => {}
    }
}

/// Subscriptions of a connection. They end on drop, also when the task of the connection is aborted.
struct Subscriptions<'a>(&'a Broker, &'a Subscriber);

impl Drop for Subscriptions<'_> {
    fn drop(&mut self) {
        self.0.left(self.1);
    }
}

async fn answer(broker: &Broker, subscriber: &Subscriber, mut reader: tokio::net::unix::OwnedReadHalf) {
    let mut received = BytesMut::new();
    loop {
        match next_frame(&mut received) {
            Ok(Some(message)) => {
                let Ok(question) = Question::read(message) else { return };
                let reply = reply_to(broker, subscriber, question).await;
                subscriber.outbox.push_reply(&reply);
                subscriber.outbox.has_space().await;
            }
            Ok(None) => {
                received.reserve(16 << 10);
                if !matches!(reader.read_buf(&mut received).await, Ok(1..)) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

async fn reply_to(broker: &Broker, subscriber: &Subscriber, question: Question) -> Reply {
    let begun = Instant::now();
    let mut question = question;
    loop {
        let (asked, notify, wait) = match broker.handle(subscriber, question) {
            Handled::Reply(reply) => return reply,
            Handled::Waits { question, notify, wait } => (question, notify, wait),
        };
        let appended = notify.notified();
        tokio::pin!(appended);
        appended.as_mut().enable();
        // An entry may have been appended before.
        question = match broker.handle(subscriber, asked) {
            Handled::Reply(reply) => return reply,
            Handled::Waits { question, .. } => question,
        };
        tokio::select! {
            () = appended => {}
            () = tokio::time::sleep_until(begun + wait.min(MAX_WAIT)) => return Reply::Entries(Vec::new()),
        }
    }
}

async fn write(outbox: &Outbox, mut writer: tokio::net::unix::OwnedWriteHalf) {
    while let Some(frames) = outbox.take().await {
        if writer.write_all(&frames).await.is_err() {
            return;
        }
    }
}
