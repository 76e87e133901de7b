//! JSON text for other servers: as msgpack, and with binary data inside the text.
//!
//! Both forms hold the content of an attachment once per placeholder, so a short text could cause an
//! unbounded amount of output. The size is therefore checked before anything is written.

use bytes::Bytes;

use super::{Node, Tag, Unescaped, build};
use crate::EncodeError;
use crate::json::text::{push_buffer, unescape_lossy};
use crate::msgpack::ser;

/// A text with its nodes.
struct Text<'a> {
    text: &'a [u8],
    attachments: &'a [Bytes],
    nodes: Vec<Node>,
    unescaped: Unescaped,
}

/// Appends well-formed text, one value or several with commas between, as msgpack.
///
/// Numbers are written as JavaScript writes them, but integers up to 64 bits stay exact. An unpaired
/// surrogate becomes U+FFFD.
pub(crate) fn to_msgpack(
    text: &[u8],
    attachments: &[Bytes],
    out: &mut Vec<u8>,
    max_bytes: usize,
) -> Result<(), EncodeError> {
    let text = Text::new(text, attachments);
    text.check(1, out.len(), max_bytes)?;
    let mut at = 0;
    while at < text.nodes.len() {
        at = text.write(at, out);
    }
    Ok(())
}

/// Appends well-formed text, one value or several with commas between, with its attachments as Node.js writes
/// a `Buffer`.
pub(crate) fn with_buffers(
    text: &[u8],
    attachments: &[Bytes],
    out: &mut Vec<u8>,
    max_bytes: usize,
) -> Result<(), EncodeError> {
    if attachments.is_empty() {
        out.extend_from_slice(text);
        return Ok(());
    }
    let text = Text::new(text, attachments);
    // Up to three digits and a comma for each byte, and the object around them.
    text.check(4, out.len(), max_bytes)?;
    let mut copied = 0;
    for node in text.nodes.iter().filter(|node| node.tag == Tag::Binary) {
        out.extend_from_slice(text.text.get(copied..node.start as usize).unwrap_or_default());
        push_buffer(out, text.attachment(node));
        copied = node.end as usize;
    }
    out.extend_from_slice(text.text.get(copied..).unwrap_or_default());
    Ok(())
}

impl<'a> Text<'a> {
    fn new(text: &'a [u8], attachments: &'a [Bytes]) -> Self {
        let (nodes, unescaped) = build::build(text, attachments.len());
        Self { text, attachments, nodes, unescaped }
    }

    fn attachment(&self, node: &Node) -> &'a [u8] {
        // `build` creates attachment nodes only for existing attachments.
        self.attachments.get(node.next as usize).map(|bytes| &bytes[..]).unwrap_or_default()
    }

    /// Checks an upper bound of the output: each byte of the text takes at most one, apart from numbers, and
    /// each attachment is written once per placeholder.
    fn check(&self, factor: usize, written: usize, max_bytes: usize) -> Result<(), EncodeError> {
        let binary = self.nodes.iter().filter(|node| node.tag == Tag::Binary);
        let binary = binary.map(|node| self.attachment(node).len().saturating_mul(factor).saturating_add(32));
        let size = binary.fold(written.saturating_add(self.text.len()), usize::saturating_add);
        if size > max_bytes { Err(EncodeError::TooLarge(max_bytes)) } else { Ok(()) }
    }

    fn slice(&self, node: &Node) -> &'a [u8] {
        self.text.get(node.start as usize..node.end as usize).unwrap_or_default()
    }

    /// Index of the node after the value at `at`.
    fn after(&self, at: usize) -> usize {
        match self.nodes.get(at) {
            Some(Node { tag: Tag::Array | Tag::Object, next, .. }) => *next as usize,
            _ => at + 1,
        }
    }

    /// Number of values between two nodes: elements, or keys and values.
    fn count(&self, mut at: usize, end: usize) -> usize {
        let mut count = 0;
        while at < end {
            at = self.after(at);
            count += 1;
        }
        count
    }

    /// Writes the value at a node and returns the index of the node after it. The recursion is as deep as the
    /// decoder's depth limit.
    fn write(&self, at: usize, out: &mut Vec<u8>) -> usize {
        let Some(node) = self.nodes.get(at) else { return self.nodes.len() };
        match node.tag {
            Tag::Null => out.push(0xc0),
            Tag::False => out.push(0xc2),
            Tag::True => out.push(0xc3),
            Tag::Number => number(self.slice(node), out),
            Tag::Plain => ser::string(out, std::str::from_utf8(self.slice(node)).unwrap_or_default()),
            Tag::Unescaped => ser::string(out, self.unescaped.get(node.next).unwrap_or_default()),
            Tag::Unpaired => ser::string(out, &unescape_lossy(self.slice(node))),
            Tag::Binary => ser::binary(out, self.attachment(node)),
            Tag::Array | Tag::Object => {
                let end = node.next as usize;
                let count = self.count(at + 1, end);
                if node.tag == Tag::Array {
                    ser::array_header(out, count);
                } else {
                    ser::map_header(out, count / 2);
                }
                let mut child = at + 1;
                while child < end {
                    child = self.write(child, out);
                }
                return end.max(at + 1);
            }
        }
        at + 1
    }
}

fn number(text: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(text).unwrap_or_default();
    if let Ok(number) = text.parse() {
        ser::unsigned(out, number);
    } else if let Ok(number) = text.parse() {
        ser::signed(out, number);
    } else {
        ser::float(out, text.parse().unwrap_or(f64::NAN));
    }
}
