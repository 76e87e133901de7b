//! Writing to a peer that speaks another protocol: a translation of each message of the outbox.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{BATCH, Item, Outbound, Source, poll_write};
use crate::protocol::prepared::Prepared;
use crate::protocol::prepared::frames::{FrameWriter, Mark};

/// A translation is usually longer than the message by about this number of bytes.
const LONGER: usize = 16;

thread_local! {
    /// The batch that is being written. It belongs to the worker thread, so idle sessions own none.
    static BUFFER: Cell<Option<Box<Batch>>> = const { Cell::new(None) };
}

/// Writes the frames of a message for the peer. A message may have none.
pub(crate) type Translate<'a> = dyn FnMut(&Prepared, &mut FrameWriter) + 'a;

/// Messages of the outbox, the frames of all, and the end of the frames of each.
#[derive(Default)]
struct Batch {
    messages: Vec<Prepared>,
    frames: FrameWriter,
    ends: Vec<Mark>,
}

impl Batch {
    /// Takes a batch out of the outbox. It is empty if the outbox is.
    fn take(source: &mut Source<'_>) -> Box<Self> {
        let mut batch = BUFFER.take().unwrap_or_default();
        source.outbox.take(BATCH, &mut batch.messages);
        if let Some(translate) = source.translate.as_mut().filter(|_| !batch.messages.is_empty()) {
            (source.on_take)(&batch.messages);
            let Self { messages, frames, ends } = &mut *batch;
            for message in messages.iter() {
                frames.expect(message.wire_len() + LONGER);
                translate(message, frames);
                ends.push(frames.mark());
            }
        }
        batch
    }

    /// Returns the memory to the thread.
    fn recycle(mut self: Box<Self>) {
        self.messages.clear();
        self.frames.clear();
        self.ends.clear();
        BUFFER.set(Some(self));
    }
}

impl Outbound {
    /// As `poll_batch`, for a source with a translation.
    pub(super) fn poll_translated<I: AsyncWrite + Unpin>(
        &mut self,
        io: &mut I,
        source: &mut Source<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let batch = Batch::take(source);
        if batch.messages.is_empty() {
            batch.recycle();
            return Poll::Ready(Ok(false));
        }
        let len = batch.frames.wire_len();
        let written = match batch.frames.only_text() {
            Some([]) => Poll::Ready(Ok(0)),
            Some(text) => Pin::new(io).poll_write(cx, text).map(|written| match written? {
                0 => Err(io::ErrorKind::WriteZero.into()),
                written => Ok(written),
            }),
            None => poll_write(io, batch.frames.pieces(), 0, cx),
        };
        if matches!(written, Poll::Ready(Ok(written)) if written == len) {
            let weight = batch.messages.iter().map(Prepared::wire_len).sum();
            source.outbox.wrote(batch.messages.len(), weight);
            batch.recycle();
            return Poll::Ready(Ok(true));
        }
        self.queue(&batch);
        batch.recycle();
        self.advance(ready!(written)?, Some(source.outbox));
        Poll::Ready(Ok(true))
    }

    /// Queues one batch of translated messages before the connection is upgraded.
    #[cfg(feature = "server")]
    pub(crate) fn take_ahead(&mut self, source: &mut Source<'_>) {
        if self.items.is_empty() && source.translate.is_some() {
            let batch = Batch::take(source);
            self.queue(&batch);
            batch.recycle();
            self.advance(0, Some(source.outbox));
        }
    }

    /// Queues a batch. Each message counts in the outbox until the last of its frames is written. A message without
    /// frames is an empty item, so its count ends in order.
    fn queue(&mut self, batch: &Batch) {
        let shared = batch.frames.shared();
        let mut from = Mark::default();
        for (message, end) in batch.messages.iter().zip(&batch.ends) {
            let (binaries, last) = batch.frames.queued(&shared, from, *end);
            self.items.extend(binaries.into_iter().map(|frames| Item::Message(frames, None)));
            self.items.push_back(Item::Message(last, Some(message.wire_len())));
            from = *end;
        }
    }
}
