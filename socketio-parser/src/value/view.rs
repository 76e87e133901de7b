//! Navigation in a [`Value`].

use std::fmt;

use bytes::Bytes;

use super::forward::renumber;
use super::{Node, Tag, Value};
use crate::Binary;
use crate::attachments::Attachments;

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No value: the result of [`ValueRef::get`] and [`ValueRef::at`] for a missing member or element.
    Missing,
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number, of any size and precision.
    Number,
    /// A string.
    String,
    /// An attachment.
    Binary,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A view of a [`Value`] or of a part of it.
#[derive(Clone, Copy)]
pub struct ValueRef<'a> {
    value: &'a Value,
    node: Option<Node>,
    at: usize,
}

impl<'a> ValueRef<'a> {
    pub(super) fn new(value: &'a Value, at: usize) -> Self {
        Self { value, node: value.nodes.get(at).copied(), at }
    }

    fn missing(self) -> Self {
        Self { node: None, ..self }
    }

    /// Type of the value.
    pub fn kind(self) -> Kind {
        match self.node.map(|node| node.tag) {
            None => Kind::Missing,
            Some(Tag::Null) => Kind::Null,
            Some(Tag::True | Tag::False) => Kind::Bool,
            Some(Tag::Number) => Kind::Number,
            Some(Tag::Plain | Tag::Unescaped | Tag::Unpaired) => Kind::String,
            Some(Tag::Binary) => Kind::Binary,
            Some(Tag::Array) => Kind::Array,
            Some(Tag::Object) => Kind::Object,
        }
    }

    /// A member of an object. The result is missing if the object has no such member or the value is no
    /// object. Of several equal keys the last one counts, as with `JSON.parse`. The cost is linear in the
    /// size of the object; for many keys of a large object use [`entries`](Self::entries).
    pub fn get(self, key: &str) -> Self {
        let found = self.entries().filter(|(name, _)| *name == key).last();
        found.map_or(self.missing(), |(_, value)| value)
    }

    /// An element of an array. The result is missing if the array has no such element or the value is no
    /// array. The cost is linear in the index; for all elements use [`elements`](Self::elements).
    pub fn at(self, index: usize) -> Self {
        self.elements().nth(index).unwrap_or(self.missing())
    }

    /// Whether there is no value, not even `null`.
    pub fn is_missing(self) -> bool {
        self.node.is_none()
    }

    /// Whether the value is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The boolean; `None` for other types.
    pub fn as_bool(self) -> Option<bool> {
        match self.node?.tag {
            Tag::True => Some(true),
            Tag::False => Some(false),
            _ => None,
        }
    }

    /// The string; `None` for other types, and for a string with an unpaired surrogate, which a Rust string
    /// cannot hold.
    pub fn as_str(self) -> Option<&'a str> {
        let node = self.node?;
        let range = node.start as usize..node.end as usize;
        match node.tag {
            Tag::Plain => std::str::from_utf8(self.value.text.get(range)?).ok(),
            Tag::Unescaped => self.value.unescaped.get(node.next),
            _ => None,
        }
    }

    /// The number as written; `None` for other types.
    pub fn as_number(self) -> Option<&'a str> {
        let node = self.node.filter(|node| node.tag == Tag::Number)?;
        std::str::from_utf8(self.value.text.get(node.start as usize..node.end as usize)?).ok()
    }

    /// The number, if it was written as an integer and is in range.
    pub fn as_i64(self) -> Option<i64> {
        self.as_number()?.parse().ok()
    }

    /// The number, if it was written as an integer without a sign and is in range.
    pub fn as_u64(self) -> Option<u64> {
        self.as_number()?.parse().ok()
    }

    /// The number, rounded to a double as in JavaScript; `None` for other types.
    pub fn as_f64(self) -> Option<f64> {
        self.as_number()?.parse().ok()
    }

    /// The bytes of an attachment; `None` for other types.
    pub fn as_binary(self) -> Option<Binary> {
        self.as_bytes().cloned().map(Binary)
    }

    pub(super) fn as_bytes(self) -> Option<&'a Bytes> {
        let node = self.node.filter(|node| node.tag == Tag::Binary)?;
        self.value.attachments.get(node.next as usize)
    }

    /// Number of elements of an array or members of an object; 0 for other types. The cost is linear.
    pub fn len(self) -> usize {
        match self.kind() {
            Kind::Array => self.elements().count(),
            Kind::Object => self.members().count(),
            _ => 0,
        }
    }

    /// Whether an array or object is empty, or the value has another type.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The elements of an array; empty for other types.
    pub fn elements(self) -> Elements<'a> {
        Elements(self.children(Tag::Array))
    }

    /// The keys and values of an object in their written order; empty for other types. Keys with an unpaired
    /// surrogate are left out.
    pub fn entries(self) -> Entries<'a> {
        Entries(self.members())
    }

    /// The JSON text, byte for byte as received; `None` for a missing value. Attachments inside it are
    /// placeholders. An attachment itself has no text.
    pub fn as_json(self) -> Option<&'a str> {
        let node = self.node?;
        let (start, end) = (node.start as usize, node.end as usize);
        let range = match node.tag {
            Tag::Plain | Tag::Unescaped | Tag::Unpaired => start.checked_sub(1)?..end + 1,
            Tag::Binary => return None,
            _ => start..end,
        };
        std::str::from_utf8(self.value.text.get(range)?).ok()
    }

    /// Converts to a serde_json value. Fails for values that serde_json cannot hold: numbers beyond the range
    /// of a double, unpaired surrogates, attachments, more than 128 levels.
    pub fn to_json(self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(self)
    }

    /// The JSON text; of an attachment its placeholder.
    pub(super) fn text(self) -> Option<&'a str> {
        match self.node? {
            Node { tag: Tag::Binary, start, end, .. } => {
                std::str::from_utf8(self.value.text.get(start as usize..end as usize)?).ok()
            }
            _ => self.as_json(),
        }
    }

    /// The attachments to which the placeholders of the text refer.
    pub(super) fn attachments(self) -> &'a Attachments {
        &self.value.attachments
    }

    pub(super) fn members(self) -> Members<'a> {
        Members(self.children(Tag::Object))
    }

    /// The JSON text with its attachments moved to the packet that is being written, and renumbered for it;
    /// `None` if the text refers to no attachment.
    pub(super) fn renumbered(self) -> Option<String> {
        let node = self.node?;
        let end = match node.tag {
            Tag::Array | Tag::Object => node.next as usize,
            _ => self.at + 1,
        };
        let nodes = self.value.nodes.get(self.at..end)?;
        if !nodes.iter().any(|node| node.tag == Tag::Binary) {
            return None;
        }
        let mut text = Vec::new();
        let part = node.start as usize..node.end as usize;
        renumber(&self.value.text, part, nodes, &self.value.attachments, &mut text);
        String::from_utf8(text).ok()
    }

    fn children(self, of: Tag) -> Children<'a> {
        let end = match self.node {
            Some(node) if node.tag == of => node.next as usize,
            _ => 0,
        };
        Children { value: self.value, at: self.at + 1, end }
    }
}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Missing => f.write_str("missing"),
            Kind::Binary => fmt::Debug::fmt(&self.as_binary().unwrap_or_default(), f),
            Kind::Array => f.debug_list().entries(self.elements()).finish(),
            Kind::Object => f.debug_map().entries(self.entries()).finish(),
            Kind::String => match self.as_str() {
                Some(string) => fmt::Debug::fmt(string, f),
                None => f.write_str(self.as_json().unwrap_or_default()),
            },
            _ => f.write_str(self.as_json().unwrap_or_default()),
        }
    }
}

#[derive(Debug, Clone)]
struct Children<'a> {
    value: &'a Value,
    at: usize,
    end: usize,
}

impl<'a> Iterator for Children<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<ValueRef<'a>> {
        if self.at >= self.end {
            return None;
        }
        let child = ValueRef::new(self.value, self.at);
        self.at = match child.node?.tag {
            Tag::Array | Tag::Object => child.node?.next as usize,
            _ => self.at + 1,
        };
        Some(child)
    }
}

/// The elements of an array.
#[derive(Debug, Clone)]
pub struct Elements<'a>(Children<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<ValueRef<'a>> {
        self.0.next()
    }
}

/// Keys and values as nodes, before the keys become strings.
#[derive(Debug, Clone)]
pub(super) struct Members<'a>(Children<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (ValueRef<'a>, ValueRef<'a>);

    fn next(&mut self) -> Option<(ValueRef<'a>, ValueRef<'a>)> {
        Some((self.0.next()?, self.0.next()?))
    }
}

/// The keys and values of an object.
#[derive(Debug, Clone)]
pub struct Entries<'a>(Members<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, ValueRef<'a>);

    fn next(&mut self) -> Option<(&'a str, ValueRef<'a>)> {
        loop {
            let (key, value) = self.0.next()?;
            if let Some(key) = key.as_str() {
                return Some((key, value));
            }
        }
    }
}
