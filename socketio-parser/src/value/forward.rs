//! Forwarding of JSON text that refers to attachments. Only the numbers of its placeholders change.

use bytes::Bytes;

use super::{Node, Tag, build};
use crate::attachments::{self, Form};
use crate::json::text::push_decimal;

/// Appends well-formed text, one value or several with commas between, to the packet that is being written,
/// and moves the attachments that it refers to into that packet.
pub(crate) fn forward(text: &[u8], attachments: &[Bytes], out: &mut Vec<u8>) {
    let (nodes, _) = build::build(text, attachments.len());
    renumber(text, 0..text.len(), &nodes, attachments, out);
}

/// The same for the part of a text whose nodes are known.
pub(super) fn renumber(
    text: &[u8],
    part: std::ops::Range<usize>,
    nodes: &[Node],
    attachments: &[Bytes],
    out: &mut Vec<u8>,
) {
    // An attachment with several placeholders is sent once; otherwise a short text could cause an unbounded
    // amount of output.
    let mut numbers: Vec<Option<u32>> = vec![None; attachments.len()];
    let mut copied = part.start;
    for node in nodes.iter().filter(|node| node.tag == Tag::Binary) {
        let known = numbers.get_mut(node.next as usize).zip(attachments.get(node.next as usize));
        // `build` creates attachment nodes only for existing attachments.
        let Some((number, attachment)) = known else { continue };
        let number = *number.get_or_insert_with(|| match attachments::leave(attachment) {
            Some(Form::Placeholder(index)) => index as u32,
            // The packet that is being written is not JSON text, so placeholders have no numbers.
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
