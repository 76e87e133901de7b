//! Handing JSON text on that refers to attachments: nothing of it changes but the numbers of its placeholders.

use bytes::Bytes;

use super::{Node, Tag, build};
use crate::attachments::{self, Form};
use crate::json::text::push_decimal;

/// Appends text that is known to be well-formed, one value or several with commas between, to the packet that is being
/// written, and leaves the attachments that it refers to with that packet.
pub(crate) fn forward(text: &[u8], attachments: &[Bytes], out: &mut Vec<u8>) {
    let (nodes, _) = build::build(text, attachments.len());
    renumber(text, 0..text.len(), &nodes, attachments, out);
}

/// The same for a part of a text whose nodes are known.
pub(super) fn renumber(
    text: &[u8],
    part: std::ops::Range<usize>,
    nodes: &[Node],
    attachments: &[Bytes],
    out: &mut Vec<u8>,
) {
    // An attachment that is referred to many times is sent once: otherwise a short text could cost any amount.
    let mut numbers: Vec<Option<u32>> = vec![None; attachments.len()];
    let mut copied = part.start;
    for node in nodes.iter().filter(|node| node.tag == Tag::Binary) {
        let known = numbers.get_mut(node.next as usize).zip(attachments.get(node.next as usize));
        // `build` marks only placeholders whose attachment is there.
        let Some((number, attachment)) = known else { continue };
        let number = *number.get_or_insert_with(|| match attachments::leave(attachment) {
            Some(Form::Placeholder(index)) => index as u32,
            // Not in a packet that is JSON text; then there is nothing to number.
            _ => node.next,
        });
        if number != node.next {
            out.extend_from_slice(text.get(copied..node.start as usize).unwrap_or_default());
            out.extend_from_slice(br#"{"_placeholder":true,"num":"#);
            push_decimal(out, number.into());
            out.push(b'}');
            copied = node.end as usize;
        }
    }
    out.extend_from_slice(text.get(copied..part.end).unwrap_or_default());
}
