//! Attachments: the binary messages of a packet, and the scope in which a [`Binary`](crate::Binary) finds
//! them.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::LocalKey;

use bytes::Bytes;

/// The attachments of a packet in the order of arrival. A clone shares them.
#[derive(Debug, Clone, Default)]
pub struct Attachments(Option<Arc<Vec<Bytes>>>);

impl From<Vec<Bytes>> for Attachments {
    fn from(list: Vec<Bytes>) -> Self {
        Self(if list.is_empty() { None } else { Some(Arc::new(list)) })
    }
}

impl Deref for Attachments {
    type Target = [Bytes];

    fn deref(&self) -> &[Bytes] {
        self.0.as_deref().map(Vec::as_slice).unwrap_or_default()
    }
}

/// Source of the bytes of a `Binary` during deserialization.
pub(crate) enum Source {
    /// By the index in the placeholder.
    Attachments(Attachments),
    /// In the packet itself: a borrowed slice can be converted into a shared one.
    #[cfg(feature = "msgpack")]
    Packet(Bytes),
}

/// Destination of the bytes of a `Binary` during serialization.
pub(crate) enum Sink {
    /// This list, with a placeholder in the text.
    Attachments(Vec<Bytes>),
    /// In the packet itself.
    #[cfg(feature = "msgpack")]
    Packet,
    /// In JSON text, as Node.js writes a `Buffer`.
    #[cfg(feature = "msgpack")]
    Buffers,
}

thread_local! {
    // Every scope restores the former value, so the cells are empty when the thread ends. `ManuallyDrop`
    // needs no destructor, so an access does not check whether the thread-local is still alive.
    static SOURCE: RefCell<ManuallyDrop<Option<Source>>> = const { RefCell::new(ManuallyDrop::new(None)) };
    static SINK: RefCell<ManuallyDrop<Option<Sink>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Enters a scope and returns the former value.
#[inline]
fn swap<T>(scope: &'static LocalKey<RefCell<ManuallyDrop<Option<T>>>>, value: Option<T>) -> Option<T> {
    scope.with(|cell| ManuallyDrop::into_inner(cell.replace(ManuallyDrop::new(value))))
}

/// Runs `parse` with `source` in scope. Scopes may be nested; the former one is restored even if `parse`
/// panics.
#[inline]
pub(crate) fn reading<R>(source: Source, parse: impl FnOnce() -> R) -> R {
    struct Restore(Option<Source>);
    impl Drop for Restore {
        fn drop(&mut self) {
            swap(&SOURCE, self.0.take());
        }
    }
    let _restore = Restore(swap(&SOURCE, Some(source)));
    parse()
}

/// Runs `serialise` with a sink in scope, and returns the filled sink.
#[inline]
pub(crate) fn writing<R>(sink: Sink, serialise: impl FnOnce() -> R) -> (R, Option<Sink>) {
    struct Restore(Option<Sink>);
    impl Drop for Restore {
        fn drop(&mut self) {
            swap(&SINK, self.0.take());
        }
    }
    let mut restore = Restore(swap(&SINK, Some(sink)));
    let result = serialise();
    let filled = swap(&SINK, restore.0.take());
    std::mem::forget(restore);
    (result, filled)
}

/// Result of [`take`] and [`leave`].
pub(crate) enum Found<T> {
    /// No packet is being read or written on this thread.
    NoScope,
    /// The packet has no such attachment.
    Missing,
    Here(T),
}

/// The attachment with this index.
pub(crate) fn take(index: usize) -> Found<Bytes> {
    let look = |source: &RefCell<ManuallyDrop<Option<Source>>>| match &**source.borrow() {
        None => Found::NoScope,
        Some(Source::Attachments(list)) => list.get(index).cloned().map_or(Found::Missing, Found::Here),
        #[cfg(feature = "msgpack")]
        Some(Source::Packet(_)) => Found::Missing,
    };
    SOURCE.with(look)
}

/// All attachments of the packet that is being read on this thread.
pub(crate) fn in_scope() -> Attachments {
    let look = |source: &RefCell<ManuallyDrop<Option<Source>>>| match &**source.borrow() {
        Some(Source::Attachments(list)) => list.clone(),
        _ => Attachments::default(),
    };
    SOURCE.with(look)
}

/// The same bytes; without a copy if they lie in the packet that is being read.
pub(crate) fn share(slice: &[u8]) -> Bytes {
    #[cfg(feature = "msgpack")]
    {
        let look = |source: &RefCell<ManuallyDrop<Option<Source>>>| match &**source.borrow() {
            Some(Source::Packet(packet)) => {
                let inside = packet.as_ref().as_ptr_range();
                let wanted = slice.as_ptr_range();
                let lies_in = inside.start <= wanted.start && wanted.end <= inside.end;
                lies_in.then(|| packet.slice_ref(slice))
            }
            _ => None,
        };
        if let Some(shared) = SOURCE.with(look) {
            return shared;
        }
    }
    Bytes::copy_from_slice(slice)
}

/// Representation of a `Binary` that is being serialized.
pub(crate) enum Form {
    /// As a placeholder with this index.
    Placeholder(usize),
    /// As bytes.
    #[cfg(feature = "msgpack")]
    Inline,
    /// As an object with the bytes as numbers.
    #[cfg(feature = "msgpack")]
    Buffer,
}

/// Adds bytes to the packet that is being written.
pub(crate) fn leave(bytes: &Bytes) -> Option<Form> {
    let put = |sink: &RefCell<ManuallyDrop<Option<Sink>>>| match &mut **sink.borrow_mut() {
        None => None,
        Some(Sink::Attachments(list)) => {
            list.push(bytes.clone());
            Some(Form::Placeholder(list.len() - 1))
        }
        #[cfg(feature = "msgpack")]
        Some(Sink::Packet) => Some(Form::Inline),
        #[cfg(feature = "msgpack")]
        Some(Sink::Buffers) => Some(Form::Buffer),
    };
    SINK.with(put)
}

/// Whether the serializer on this thread writes JSON text.
pub(crate) fn writing_json() -> bool {
    let look =
        |sink: &RefCell<ManuallyDrop<Option<Sink>>>| matches!(&**sink.borrow(), Some(Sink::Attachments(_)));
    SINK.with(look)
}

/// Whether the packet that is being written on this thread already has attachments.
pub(crate) fn written() -> usize {
    let look = |sink: &RefCell<ManuallyDrop<Option<Sink>>>| match &**sink.borrow() {
        Some(Sink::Attachments(list)) => list.len(),
        _ => 0,
    };
    SINK.with(look)
}
