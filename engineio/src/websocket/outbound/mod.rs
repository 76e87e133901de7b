//! Writing to a WebSocket: messages of the outbox and control frames, in as few system calls as possible.

mod translated;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use self::translated::Translate;
use crate::deflate::{Agreed, Compressor, Contexts, Plan};
use crate::outbox::Outbox;
use crate::protocol::frame::{Role, push_masked};
use crate::protocol::prepared::{Dialect, Prepared};

/// Maximum number of messages in a batch from the outbox.
const BATCH: usize = 64;
/// Maximum number of slices in a vectored write.
const SLICES: usize = 64;
/// Maximum number of queued pongs, of at most 127 bytes each. A peer chooses how many pings it sends.
const PONGS: usize = 16;
/// Size in bytes up to which several slices are copied into one buffer. For small slices the copy is cheaper
/// than a vectored write.
const FLAT: usize = 16 * 1024;

thread_local! {
    /// The buffer for small slices, and the batch that is being written. Both belong to the worker thread, so
    /// idle sessions own neither.
    static FLAT_BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static BATCH_BUFFER: Cell<Vec<Prepared>> = const { Cell::new(Vec::new()) };
}

/// The messages and control frames that are partly written or next to be written. Empty, and without memory,
/// while the socket accepts everything.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    role: Role,
    /// The compression of messages that are not compressed yet.
    plan: Option<Plan>,
    /// Whether a compressed message may refer to the ones before.
    with_context: bool,
    items: VecDeque<Item>,
    /// The number of bytes of the first item that are written.
    written: usize,
}

#[derive(Debug)]
enum Item {
    /// A message, and the number of bytes that it counts in the outbox. `None` if it does not come from the
    /// outbox.
    Message(Prepared, Option<usize>),
    /// A complete control frame.
    Control(Bytes, Control),
}

/// The kind of a queued control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Pong,
    Close,
}

/// The outbox that messages are taken from, and the callback that observes them.
pub(crate) struct Source<'a> {
    pub(crate) outbox: &'a Outbox,
    pub(crate) on_take: &'a mut dyn FnMut(&[Prepared]),
    /// The translation for a peer that speaks another protocol.
    pub(crate) translate: Option<&'a mut Translate<'a>>,
}

/// State of the connection that the frames of a message depend on.
pub(crate) struct Layout<'a> {
    pub(crate) dialect: Dialect,
    /// The contexts of the connection.
    pub(crate) contexts: &'a mut Option<Box<Contexts>>,
}

impl Outbound {
    /// The writing side of a client, whose frames are masked.
    #[cfg(feature = "client")]
    pub(crate) fn client() -> Self {
        Self { role: Role::Client, ..Self::default() }
    }

    /// Compresses messages, if that was agreed.
    pub(crate) fn deflate(self, agreed: Option<Agreed>) -> Self {
        let with_context = agreed.is_some_and(|agreed| agreed.writes_with_context);
        Self { plan: agreed.map(|agreed| agreed.plan), with_context, ..self }
    }

    /// The compression of messages before they are queued in an outbox. With context only the order of writing
    /// decides about it.
    pub(crate) fn plan_ahead(&self) -> Option<Plan> {
        self.plan.filter(|_| !self.with_context)
    }

    /// Queues a message that was taken out of the outbox and still counts there.
    #[cfg(feature = "client")]
    pub(crate) fn taken(&mut self, message: Prepared, mut layout: Layout<'_>) {
        let weight = message.wire_len();
        let message = self.laid_out(message, &mut layout);
        self.items.push_back(Item::Message(message, Some(weight)));
    }

    /// Queues a control frame behind the message that is being written, and before all others. Beyond
    /// [`PONGS`] pongs a new pong replaces the last one, as RFC 6455, 5.5.3 allows. So the memory for a peer
    /// that sends pings and does not read is bounded.
    pub(crate) fn control(&mut self, frame: Bytes, kind: Control) {
        let frame = match self.role {
            Role::Server => frame,
            // A control frame is short, so its header has two bytes.
            Role::Client => masked(&frame, 2),
        };
        let begun = usize::from(self.written > 0);
        if kind == Control::Pong {
            // Pongs are adjacent: only pongs are queued in front of a message.
            let is_pong = |item: &&Item| matches!(item, Item::Control(_, Control::Pong));
            let waiting = self.items.iter().skip(begun).take_while(is_pong).count();
            let item = Item::Control(frame, kind);
            if waiting < PONGS {
                self.items.insert((begun + waiting).min(self.items.len()), item);
            } else if let Some(last) = self.items.get_mut(begun + waiting - 1) {
                *last = item;
            }
        } else {
            // A close frame is the last frame. Items whose writing has not begun are dropped.
            self.items.truncate(begun);
            self.items.push_back(Item::Control(frame, kind));
        }
    }

    /// Queues a packet that does not come from the outbox.
    pub(crate) fn packet(&mut self, packet: Prepared) {
        let packet = match self.role {
            Role::Server => packet,
            Role::Client => packet.into_masked(new_key),
        };
        self.items.push_back(Item::Message(packet, None));
    }

    /// Whether a packet that does not come from the outbox is queued.
    #[cfg(feature = "server")]
    pub(crate) fn has_packet(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Message(_, None)))
    }

    /// Writes until this queue and the outbox are empty, or the socket accepts no more. In the latter case
    /// the result is `Pending`, and the task is woken when the socket is writable.
    pub(crate) fn poll_flush<I: AsyncWrite + Unpin>(
        &mut self,
        io: &mut I,
        mut source: Option<Source<'_>>,
        mut layout: Layout<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            while !self.items.is_empty() {
                let pieces = self.items.iter().flat_map(Item::pieces);
                let written = ready!(poll_write(io, pieces, self.written, cx))?;
                self.advance(written, source.as_ref().map(|source| source.outbox));
            }
            self.items = VecDeque::new();
            let Some(source) = &mut source else { return Poll::Ready(Ok(())) };
            if !ready!(self.poll_batch(io, source, &mut layout, cx))? {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Writes a batch of messages of the outbox. This queue must be empty. Returns `false` if the outbox is
    /// empty. Bytes that the socket does not accept at once are queued here.
    fn poll_batch<I: AsyncWrite + Unpin>(
        &mut self,
        io: &mut I,
        source: &mut Source<'_>,
        layout: &mut Layout<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        if source.translate.is_some() {
            return self.poll_translated(io, source, cx);
        }
        let mut batch = BATCH_BUFFER.take();
        source.outbox.take(BATCH, &mut batch);
        if batch.is_empty() {
            BATCH_BUFFER.set(batch);
            return Poll::Ready(Ok(false));
        }
        (source.on_take)(&batch);
        let weight: usize = batch.iter().map(Prepared::wire_len).sum();
        let plain = self.role == Role::Server
            && (layout.dialect.is_plain() || batch.iter().all(Prepared::is_one_piece))
            && self.plan.is_none_or(|plan| !batch.iter().any(|message| message.may_deflate(plan)));
        let written = if plain {
            poll_write(io, batch.iter().flat_map(Prepared::frames), 0, cx)
        } else {
            Poll::Ready(Ok(0))
        };
        if plain && matches!(written, Poll::Ready(Ok(written)) if written == weight) {
            source.outbox.wrote(batch.len(), weight);
            batch.clear();
            BATCH_BUFFER.set(batch);
            return Poll::Ready(Ok(true));
        }
        for message in batch.drain(..) {
            let weight = message.wire_len();
            let message = self.laid_out(message, layout);
            self.items.push_back(Item::Message(message, Some(weight)));
        }
        BATCH_BUFFER.set(batch);
        let written = ready!(written)?;
        self.advance(written, Some(source.outbox));
        Poll::Ready(Ok(true))
    }

    /// Whether nothing is queued.
    #[cfg(feature = "server")]
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The frames of a message for this peer.
    fn laid_out(&self, message: Prepared, layout: &mut Layout<'_>) -> Prepared {
        let message = message.into_dialect(layout.dialect);
        let message = match self.plan {
            None => message,
            Some(plan) if self.with_context => {
                let contexts = layout.contexts.get_or_insert_default();
                let writing = contexts.writing.get_or_insert_with(|| Compressor::new(plan));
                message.deflated_with(plan, writing)
            }
            Some(plan) => message.deflated(plan),
        };
        match self.role {
            Role::Server => message,
            Role::Client => message.into_masked(new_key),
        }
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

fn masked(frame: &[u8], header: usize) -> Bytes {
    let mut out = Vec::new();
    let (header, payload) = frame.split_at(header.min(frame.len()));
    push_masked(&mut out, header, payload, new_key());
    out.into()
}

/// A masking key from the operating system, which returns many at a time. "The masking key needs to be
/// unpredictable." (RFC 6455, 5.3)
fn new_key() -> [u8; 4] {
    const KEYS: usize = 64;
    thread_local! {
        static FRESH: Cell<Vec<[u8; 4]>> = const { Cell::new(Vec::new()) };
    }
    let mut fresh = FRESH.take();
    if fresh.is_empty() {
        let mut bytes = [0; 4 * KEYS];
        // A zero key is valid. Without randomness from the operating system TLS is not secure either.
        let _ = getrandom::fill(&mut bytes);
        fresh.extend(bytes.chunks_exact(4).map(|key| [key[0], key[1], key[2], key[3]]));
    }
    let key = fresh.pop().unwrap_or_default();
    FRESH.set(fresh);
    key
}

/// Writes slices in one system call, without their first `skip` bytes. A write of zero bytes is an error.
fn poll_write<'a, I: AsyncWrite + Unpin>(
    io: &mut I,
    pieces: impl Iterator<Item = &'a [u8]>,
    mut skip: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let (mut count, mut total) = (0, 0);
    for piece in pieces {
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
    let written = if let [one] = slices {
        Pin::new(io).poll_write(cx, one)
    } else if total > FLAT && io.is_write_vectored() {
        Pin::new(io).poll_write_vectored(cx, slices)
    } else {
        let mut flat = FLAT_BUFFER.take();
        flat.clear();
        for slice in slices {
            if flat.len() + slice.len() > FLAT && !flat.is_empty() {
                break;
            }
            flat.extend_from_slice(slice);
        }
        let written = Pin::new(io).poll_write(cx, &flat);
        if flat.capacity() <= 2 * FLAT {
            FLAT_BUFFER.set(flat);
        }
        written
    };
    match ready!(written)? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(Ok(written)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::pong_frame;
    use crate::protocol::packet::Protocol;

    #[tokio::test]
    async fn every_ping_is_answered_unless_too_many_wait() {
        let dialect = Dialect { protocol: Protocol::V4, base64: false };
        let most: Vec<u8> = (0..15).chain([19]).collect();
        for (pings, answered) in [(10, (0..10).collect()), (20, most)] {
            let mut outbound = Outbound::default();
            outbound.packet(Prepared::text("a"));
            (0..pings).for_each(|ping: u8| outbound.control(pong_frame(&[ping]), Control::Pong));
            let mut wire = Vec::<u8>::new();
            let mut contexts = None;
            std::future::poll_fn(|cx| {
                let layout = Layout { dialect, contexts: &mut contexts };
                outbound.poll_flush(&mut wire, None, layout, cx)
            })
            .await
            .unwrap();
            let pongs = answered.iter().flat_map(|ping| [0x8a, 1, *ping]);
            assert_eq!(wire, pongs.chain(*b"\x81\x024a").collect::<Vec<u8>>());
        }
    }
}
