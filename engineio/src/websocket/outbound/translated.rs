//! Writing to a peer that speaks another protocol: a translation of each message of the outbox.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{BATCH, BATCH_BUFFER, Item, Outbound, Source, poll_write};
use crate::protocol::prepared::{Frames, Prepared};

thread_local! {
    /// The translation of the batch that is being written.
    static FRAMES_BUFFER: Cell<Vec<Prepared>> = const { Cell::new(Vec::new()) };
}

/// Returns the frames of a message for the peer. A message may have none.
pub(crate) type Translate<'a> = dyn FnMut(&Prepared) -> Option<Frames> + 'a;

/// A batch of the outbox, and the frames of each message. A message without frames has an empty
/// translation, so that its count in the outbox ends in order.
struct Batch {
    messages: Vec<Prepared>,
    frames: Vec<Prepared>,
}

impl Batch {
    /// Takes a batch out of the outbox. It is empty if the outbox is.
    fn take(source: &mut Source<'_>) -> Self {
        let mut batch = Self { messages: BATCH_BUFFER.take(), frames: FRAMES_BUFFER.take() };
        source.outbox.take(BATCH, &mut batch.messages);
        if let Some(translate) = source.translate.as_mut().filter(|_| !batch.messages.is_empty()) {
            (source.on_take)(&batch.messages);
            let frames = batch.messages.iter().map(|message| match translate(message) {
                Some(frames) => frames.into_prepared(),
                None => Prepared::nothing(),
            });
            batch.frames.extend(frames);
        }
        batch
    }

    /// Returns the memory to the thread.
    fn recycle(mut self) {
        self.messages.clear();
        self.frames.clear();
        BATCH_BUFFER.set(self.messages);
        FRAMES_BUFFER.set(self.frames);
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
        let mut batch = Batch::take(source);
        let is_empty = batch.messages.is_empty();
        let len: usize = batch.frames.iter().map(Prepared::wire_len).sum();
        let written = if len > 0 {
            poll_write(io, batch.frames.iter().flat_map(Prepared::frames), 0, cx)
        } else {
            Poll::Ready(Ok(0))
        };
        if matches!(written, Poll::Ready(Ok(written)) if written == len) {
            if !is_empty {
                let weight = batch.messages.iter().map(Prepared::wire_len).sum();
                source.outbox.wrote(batch.messages.len(), weight);
            }
            batch.recycle();
            return Poll::Ready(Ok(!is_empty));
        }
        self.queue(&mut batch);
        batch.recycle();
        self.advance(ready!(written)?, Some(source.outbox));
        Poll::Ready(Ok(true))
    }

    /// Queues one batch of translated messages before the connection is upgraded.
    #[cfg(feature = "server")]
    pub(crate) fn take_ahead(&mut self, source: &mut Source<'_>) {
        if self.items.is_empty() && source.translate.is_some() {
            let mut batch = Batch::take(source);
            self.queue(&mut batch);
            batch.recycle();
            self.advance(0, Some(source.outbox));
        }
    }

    /// Queues a batch. Each message counts in the outbox until its frames are written.
    fn queue(&mut self, batch: &mut Batch) {
        for (message, frames) in batch.messages.iter().zip(batch.frames.drain(..)) {
            self.items.push_back(Item::Message(frames, Some(message.wire_len())));
        }
    }
}
