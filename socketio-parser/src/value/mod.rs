//! A value of any shape, for applications that do not know its type in advance.
//!
//! A value is a list of nodes that point into the packet's text, not a tree: building it takes one or two
//! allocations of any size, and dropping it is as cheap. [`ValueRef`] is the view for navigation.

mod build;
mod convert;
mod forward;
mod serialize;
#[cfg(feature = "msgpack")]
mod transcode;
mod view;

use std::fmt;

use bytes::Bytes;

use crate::attachments::Attachments;

pub(crate) use forward::forward;
#[cfg(feature = "msgpack")]
pub(crate) use transcode::{to_msgpack, with_buffers};
pub use view::{Elements, Entries, Kind, ValueRef};

/// A value of any shape, which shares the buffer of its packet.
///
/// ```
/// use socketio_parser::{Decoder, Payload};
///
/// let packet = Decoder::default().text(r#"2["move",{"to":[3,-4.5],"by":"Zoé"}]"#.into())?.unwrap();
/// let Payload::Event(event) = packet.payload else { panic!("an event") };
///
/// let value = event.args().get(0).expect("an argument").value()?;
/// let value = value.view();
/// assert_eq!(value.get("by").as_str(), Some("Zoé"));
/// assert_eq!(value.get("to").at(1).as_f64(), Some(-4.5));
/// assert!(value.get("missing").get("missing").is_missing());
/// assert_eq!(value.entries().map(|(key, _)| key.to_owned()).collect::<Vec<_>>(), ["to", "by"]);
/// assert_eq!(value.as_json(), Some(r#"{"to":[3,-4.5],"by":"Zoé"}"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Value {
    text: Bytes,
    attachments: Attachments,
    nodes: Vec<Node>,
    unescaped: Unescaped,
}

/// Decoded content of the strings with escapes.
#[derive(Debug, Clone, Default)]
struct Unescaped {
    strings: String,
    /// End of each string in `strings`.
    ends: Vec<u32>,
}

impl Unescaped {
    fn get(&self, index: u32) -> Option<&str> {
        let index = index as usize;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.strings.get(start as usize..*self.ends.get(index)? as usize)
    }
}

/// Type of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    True,
    False,
    Number,
    /// The content of a string without escapes.
    Plain,
    /// The content of a string with escapes; `next` is its index in [`Unescaped`].
    Unescaped,
    /// The content of a string with an unpaired surrogate, which a Rust string cannot hold.
    Unpaired,
    Array,
    Object,
    /// A placeholder; `next` is the index of its attachment.
    Binary,
}

/// A position in the text. The children of a container follow it; in an object keys and values alternate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    tag: Tag,
    start: u32,
    end: u32,
    /// For a container: index of the node after its last child.
    next: u32,
}

impl Value {
    /// `text` must be one well-formed JSON value.
    pub(crate) fn from_json(text: Bytes, attachments: Attachments) -> Self {
        let (nodes, unescaped) = build::build(&text, attachments.len());
        Self { text, attachments, nodes, unescaped }
    }

    /// A view of the whole value.
    pub fn view(&self) -> ValueRef<'_> {
        ValueRef::new(self, 0)
    }

    /// A member of an object. The result is missing if the object has no such member or the value is no
    /// object.
    pub fn get(&self, key: &str) -> ValueRef<'_> {
        self.view().get(key)
    }

    /// An element of an array. The result is missing if the array has no such element or the value is no
    /// array.
    pub fn at(&self, index: usize) -> ValueRef<'_> {
        self.view().at(index)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.view(), f)
    }
}
