//! Building the nodes of well-formed JSON text.

use super::{Node, Tag, Unescaped};
use crate::json::placeholders::{index, string_end};
use crate::json::text::unescape_into;

/// The nodes of a text, and the decoded content of its strings with escapes.
pub(super) fn build(text: &[u8], attachments: usize) -> (Vec<Node>, Unescaped) {
    // Typical JSON needs one node per eight bytes. Further nodes grow on demand, so that one long string does
    // not reserve a multiple of its size.
    let mut nodes: Vec<Node> = Vec::with_capacity((text.len() / 8 + 2).min(8192));
    let mut unescaped = Unescaped::default();
    let mut open: Vec<u32> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                let start = at + 1;
                let end = string_end(text, start);
                nodes.push(string(text, start, end, &mut unescaped));
                at = end + 1;
            }
            b'{' | b'[' => {
                open.push(nodes.len() as u32);
                let tag = if byte == b'{' { Tag::Object } else { Tag::Array };
                nodes.push(Node { tag, start: at as u32, end: 0, next: 0 });
                at += 1;
            }
            b'}' | b']' => {
                at += 1;
                if let Some(container) = open.pop() {
                    close(text, &mut nodes, container as usize, at as u32, attachments, &unescaped);
                }
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            _ => {
                let start = at;
                at += 1;
                while let Some(b'0'..=b'9' | b'a'..=b'z' | b'E' | b'.' | b'-' | b'+') = text.get(at) {
                    at += 1;
                }
                let tag = match byte {
                    b't' => Tag::True,
                    b'f' => Tag::False,
                    b'n' => Tag::Null,
                    _ => Tag::Number,
                };
                nodes.push(Node { tag, start: start as u32, end: at as u32, next: 0 });
            }
        }
    }
    (nodes, unescaped)
}

fn string(text: &[u8], start: usize, end: usize, unescaped: &mut Unescaped) -> Node {
    let inside = text.get(start..end).unwrap_or_default();
    if !inside.contains(&b'\\') {
        return Node { tag: Tag::Plain, start: start as u32, end: end as u32, next: 0 };
    }
    let from = unescaped.strings.len();
    let (start, end) = (start as u32, end as u32);
    if unescape_into(inside, &mut unescaped.strings).is_none() {
        unescaped.strings.truncate(from);
        return Node { tag: Tag::Unpaired, start, end, next: 0 };
    }
    let index = unescaped.ends.len() as u32;
    // Decoded text is shorter than escaped text, which fits into 32 bits.
    unescaped.ends.push(unescaped.strings.len() as u32);
    Node { tag: Tag::Unescaped, start, end, next: index }
}

/// Completes a container. A placeholder becomes the attachment that it refers to.
fn close(
    text: &[u8],
    nodes: &mut Vec<Node>,
    container: usize,
    end: u32,
    attachments: usize,
    unescaped: &Unescaped,
) {
    let next = nodes.len() as u32;
    if let Some(node) = nodes.get_mut(container) {
        node.end = end;
        node.next = next;
        if attachments == 0 || node.tag != Tag::Object {
            return;
        }
    }
    if let Some(index) = placeholder(text, nodes, container, attachments, unescaped) {
        nodes.truncate(container + 1);
        if let Some(node) = nodes.get_mut(container) {
            (node.tag, node.next) = (Tag::Binary, index);
        }
    }
}

fn placeholder(
    text: &[u8],
    nodes: &[Node],
    container: usize,
    attachments: usize,
    unescaped: &Unescaped,
) -> Option<u32> {
    let (mut placeholder, mut num) = (false, None);
    let mut at = container + 1;
    while let (Some(key), Some(value)) = (nodes.get(at), nodes.get(at + 1)) {
        let range = key.start as usize..key.end as usize;
        let name = match key.tag {
            Tag::Plain => text.get(range).unwrap_or_default(),
            Tag::Unescaped => unescaped.get(key.next).unwrap_or_default().as_bytes(),
            _ => &[],
        };
        match name {
            b"_placeholder" => placeholder = value.tag == Tag::True,
            b"num" => {
                let number = text.get(value.start as usize..value.end as usize).unwrap_or_default();
                num = if value.tag == Tag::Number { index(number, attachments) } else { None };
            }
            _ => {}
        }
        at = match value.tag {
            Tag::Array | Tag::Object => value.next as usize,
            _ => at + 2,
        };
    }
    if placeholder { num } else { None }
}
