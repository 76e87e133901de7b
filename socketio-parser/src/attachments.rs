//! The binary messages that belong to a packet, and the scope in which a [`Binary`](crate::Binary) finds them.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::LocalKey;

use bytes::Bytes;

/// The attachments of a packet, in the order in which they came. Cloning shares them.
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

/// Where a `Binary` that is being deserialised finds its bytes.
pub(crate) enum Source {
    /// By the index in its placeholder.
    Attachments(Attachments),
    /// In the packet itself: a borrowed slice of it can be turned into a shared one.
    #[cfg(feature = "msgpack")]
    Packet(Bytes),
}

/// Where a `Binary` that is being serialised leaves its bytes.
pub(crate) enum Sink {
    /// Here, and a placeholder in the text.
    Attachments(Vec<Bytes>),
    /// In the packet itself.
    #[cfg(feature = "msgpack")]
    Packet,
}

thread_local! {
    // Every scope puts back what it found, so these are empty when the thread ends. Without anything to drop, they
    // need no destructor, and looking at them costs no check whether they still live.
    static SOURCE: RefCell<ManuallyDrop<Option<Source>>> = const { RefCell::new(ManuallyDrop::new(None)) };
    static SINK: RefCell<ManuallyDrop<Option<Sink>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Puts a value into its scope and gives back the one that was there.
#[inline]
fn swap<T>(scope: &'static LocalKey<RefCell<ManuallyDrop<Option<T>>>>, value: Option<T>) -> Option<T> {
    scope.with(|cell| ManuallyDrop::into_inner(cell.replace(ManuallyDrop::new(value))))
}

/// Runs `parse` with `source` in scope. Scopes may be nested; the former one comes back even if `parse` panics.
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

/// Runs `serialise` with a sink in scope, and gives the sink back filled.
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

/// What [`take`] and [`leave`] found.
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

/// The same bytes, without a copy if they lie in the packet that is being read.
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

/// How a `Binary` has to write itself.
pub(crate) enum Form {
    /// As a placeholder with this index.
    Placeholder(usize),
    /// As bytes.
    #[cfg(feature = "msgpack")]
    Inline,
}

/// Leaves bytes with the packet that is being written.
pub(crate) fn leave(bytes: &Bytes) -> Option<Form> {
    let put = |sink: &RefCell<ManuallyDrop<Option<Sink>>>| match &mut **sink.borrow_mut() {
        None => None,
        Some(Sink::Attachments(list)) => {
            list.push(bytes.clone());
            Some(Form::Placeholder(list.len() - 1))
        }
        #[cfg(feature = "msgpack")]
        Some(Sink::Packet) => Some(Form::Inline),
    };
    SINK.with(put)
}

/// Whether what is being serialised on this thread becomes JSON text.
pub(crate) fn writing_json() -> bool {
    let look =
        |sink: &RefCell<ManuallyDrop<Option<Sink>>>| matches!(&**sink.borrow(), Some(Sink::Attachments(_)));
    SINK.with(look)
}

/// Whether a packet that is being written on this thread has attachments already.
pub(crate) fn written() -> usize {
    let look = |sink: &RefCell<ManuallyDrop<Option<Sink>>>| match &**sink.borrow() {
        Some(Sink::Attachments(list)) => list.len(),
        _ => 0,
    };
    SINK.with(look)
}
