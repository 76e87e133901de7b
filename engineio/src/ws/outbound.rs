//! Writing to a WebSocket: messages from the outbox, control frames in between, as few system calls as possible.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::outbox::Outbox;
use crate::prepared::{Dialect, Prepared};

/// How many messages are taken from the outbox at a time.
const BATCH: usize = 64;
/// How many pieces one vectored write carries.
const SLICES: usize = 64;
/// Below this many bytes, several pieces are copied together: for small pieces that is cheaper than describing
/// them to the kernel one by one.
const FLAT: usize = 16 * 1024;

thread_local! {
    /// Where small pieces come together, and where a batch stays while it is written. Both belong to the worker
    /// thread, so that an idle session owns neither.
    static FLAT_BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static BATCH_BUFFER: Cell<Vec<Prepared>> = const { Cell::new(Vec::new()) };
}

/// What was begun or must be written next. Empty, and without memory, whenever the socket keeps up.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    items: VecDeque<Item>,
    /// Bytes of the first item that are written.
    written: usize,
}

#[derive(Debug)]
enum Item {
    /// A message, and what it counts for in the outbox if it came from there.
    Message(Prepared, Option<usize>),
    /// A complete control frame.
    Control(Bytes, Control),
}

/// A control frame that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Pong,
    Close,
}

/// Where more to write comes from, and who is told of what is taken there.
pub(crate) struct Source<'a> {
    pub(crate) outbox: &'a Outbox,
    pub(crate) on_take: &'a mut dyn FnMut(&[Prepared]),
}

impl Outbound {
    /// Puts a control frame behind the message that is being written, and before all others. Of several pongs only
    /// the last is kept (RFC 6455, 5.5.3 allows it), so a peer that pings and does not read costs one frame.
    pub(crate) fn control(&mut self, frame: Bytes, kind: Control) {
        let begun = usize::from(self.written > 0);
        if kind == Control::Pong {
            let waiting = self.items.iter_mut().skip(begun).find_map(|item| match item {
                Item::Control(frame, Control::Pong) => Some(frame),
                _ => None,
            });
            if let Some(waiting) = waiting {
                *waiting = frame;
                return;
            }
            self.items.insert(begun.min(self.items.len()), Item::Control(frame, kind));
        } else {
            // A close frame is the last thing ever sent, and what was not begun before it is not sent at all.
            self.items.truncate(begun);
            self.items.push_back(Item::Control(frame, kind));
        }
    }

    /// Queues a packet that does not come from the outbox.
    pub(crate) fn packet(&mut self, packet: Prepared) {
        self.items.push_back(Item::Message(packet, None));
    }

    /// Writes until nothing is left, in the outbox neither if there is one, or the socket takes no more. `Pending`
    /// means the latter; the task is woken when that changes.
    pub(crate) fn poll_flush<I: AsyncWrite + Unpin>(
        &mut self,
        io: &mut I,
        mut source: Option<Source<'_>>,
        dialect: Dialect,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.items.is_empty() {
                if let Some(source) = &mut source {
                    self.take(source, dialect);
                }
                if self.items.is_empty() {
                    self.items = VecDeque::new();
                    return Poll::Ready(Ok(()));
                }
            }
            let written = ready!(self.poll_write(io, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written, source.as_ref().map(|source| source.outbox));
        }
    }

    fn take(&mut self, source: &mut Source<'_>, dialect: Dialect) {
        let mut batch = BATCH_BUFFER.take();
        source.outbox.take(BATCH, &mut batch);
        if !batch.is_empty() {
            (source.on_take)(&batch);
        }
        self.items.extend(batch.drain(..).map(|message| {
            let weight = message.wire_len();
            Item::Message(message.into_dialect(dialect), Some(weight))
        }));
        BATCH_BUFFER.set(batch);
    }

    fn poll_write<I: AsyncWrite + Unpin>(&self, io: &mut I, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let (mut count, mut total) = (0, 0);
        let mut skip = self.written;
        for piece in self.items.iter().flat_map(Item::pieces) {
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            if count == SLICES {
                break;
            }
            let piece = &piece[skip..];
            skip = 0;
            slices[count] = IoSlice::new(piece);
            count += 1;
            total += piece.len();
        }
        let slices = &slices[..count];
        if let [one] = slices {
            return Pin::new(io).poll_write(cx, one);
        }
        if total > FLAT && io.is_write_vectored() {
            return Pin::new(io).poll_write_vectored(cx, slices);
        }
        let mut flat = FLAT_BUFFER.take();
        flat.clear();
        for slice in slices {
            if flat.len() + slice.len() > FLAT && !flat.is_empty() {
                break;
            }
            flat.extend_from_slice(slice);
        }
        let result = Pin::new(io).poll_write(cx, &flat);
        if flat.capacity() <= 2 * FLAT {
            FLAT_BUFFER.set(flat);
        }
        result
    }

    fn advance(&mut self, written: usize, outbox: Option<&Outbox>) {
        self.written += written;
        let (mut messages, mut bytes) = (0, 0);
        while let Some(item) = self.items.front() {
            let len = item.len();
            if self.written < len {
                break;
            }
            self.written -= len;
            if let Item::Message(_, Some(weight)) = item {
                messages += 1;
                bytes += weight;
            }
            self.items.pop_front();
        }
        if let Some(outbox) = outbox.filter(|_| messages > 0) {
            outbox.wrote(messages, bytes);
        }
    }
}

impl Item {
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let (message, control) = match self {
            Self::Message(message, _) => (Some(message.frames()), None),
            Self::Control(frame, _) => (None, Some(frame.as_ref())),
        };
        message.into_iter().flatten().chain(control)
    }

    fn len(&self) -> usize {
        match self {
            Self::Message(message, _) => message.wire_len(),
            Self::Control(frame, _) => frame.len(),
        }
    }
}
