//! The header before the payload: `<type>[<attachments>-][<namespace>,][<ack id>]`.

use std::ops::Range;

use crate::json::text::push_decimal;
use crate::limits::Limit;
use crate::{DecodeError, EncodeError, Limits, PacketType};

/// The largest safe integer of JavaScript, 2^53 - 1.
pub(crate) const MAX_ACK_ID: u64 = (1 << 53) - 1;

/// The header of a received packet.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) kind: PacketType,
    /// Number of attachments; 0 for types without attachments.
    pub(crate) attachments: u32,
    /// Position of the namespace, unless it is the default one.
    pub(crate) namespace: Option<Range<usize>>,
    pub(crate) ack_id: Option<u64>,
    /// Start of the payload; the end of the text if there is none.
    pub(crate) payload: usize,
}

/// Reads the header of a text packet.
#[inline]
pub(crate) fn scan(text: &[u8], limits: &Limits) -> Result<Header, DecodeError> {
    let &digit = text.first().ok_or(DecodeError::Empty)?;
    let kind = PacketType::from_digit(digit).ok_or(DecodeError::UnknownType(digit))?;
    let mut at = 1;
    let mut attachments = 0;
    if kind.has_attachments() {
        (attachments, at) = attachment_count(text, at, limits)?;
    }
    let mut namespace = None;
    if text.get(at) == Some(&b'/') {
        // The name ends at a comma or at the end of the packet.
        let rest = text.get(at..).unwrap_or_default();
        let searched = rest.get(..=limits.max_namespace_bytes).unwrap_or(rest);
        let length = match searched.iter().position(|&byte| byte == b',') {
            Some(comma) => comma,
            None if searched.len() == rest.len() && rest.len() <= limits.max_namespace_bytes => rest.len(),
            None => return Err(DecodeError::Limit(Limit::NamespaceBytes)),
        };
        if length > 1 {
            namespace = Some(at..at + length);
        }
        at = (at + length + 1).min(text.len());
    }
    let mut ack_id = None;
    if let Some(b'0'..=b'9') = text.get(at) {
        let mut id = 0u64;
        while let Some(&digit @ b'0'..=b'9') = text.get(at) {
            id = id * 10 + u64::from(digit - b'0');
            if id > MAX_ACK_ID {
                return Err(DecodeError::Limit(Limit::AckId));
            }
            at += 1;
        }
        ack_id = Some(id);
    }
    if text.get(at).is_some_and(u8::is_ascii_whitespace) {
        return Err(DecodeError::HeaderSpace);
    }
    Ok(Header { kind, attachments, namespace, ack_id, payload: at })
}

/// The digits up to the dash.
fn attachment_count(text: &[u8], mut at: usize, limits: &Limits) -> Result<(u32, usize), DecodeError> {
    let start = at;
    let mut count = 0u32;
    while let Some(&digit @ b'0'..=b'9') = text.get(at) {
        count = count.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
        at += 1;
    }
    if at == start || text.get(at) != Some(&b'-') || count == 0 {
        return Err(DecodeError::AttachmentCount);
    }
    if count > limits.max_attachments {
        return Err(DecodeError::Limit(Limit::Attachments));
    }
    Ok((count, at + 1))
}

/// Writes a header without attachments.
pub(crate) fn write(
    out: &mut Vec<u8>,
    kind: PacketType,
    namespace: &str,
    ack_id: Option<u64>,
) -> Result<(), EncodeError> {
    if !namespace.starts_with('/') || namespace.contains(',') {
        return Err(EncodeError::Namespace);
    }
    check_ack_id(ack_id)?;
    out.push(kind.digit());
    if namespace != "/" {
        out.extend_from_slice(namespace.as_bytes());
        out.push(b',');
    }
    if let Some(id) = ack_id {
        push_decimal(out, id);
    }
    Ok(())
}

/// Rewrites the header that starts at `start` for a packet with attachments. The header contains their
/// number, which is known only after the payload.
pub(crate) fn announce(out: &mut Vec<u8>, start: usize, attachments: usize) {
    if attachments == 0 {
        return;
    }
    let end = out.len();
    push_decimal(out, attachments as u64);
    out.push(b'-');
    let length = out.len() - end;
    if let Some(tail) = out.get_mut(start..) {
        // EVENT 2 becomes BINARY_EVENT 5, ACK 3 becomes BINARY_ACK 6.
        tail[0] += 3;
        tail[1..].rotate_right(length);
    }
}

/// Rejects an id that a JavaScript peer cannot represent.
pub(crate) fn check_ack_id(ack_id: Option<u64>) -> Result<(), EncodeError> {
    match ack_id {
        Some(id) if id > MAX_ACK_ID => Err(EncodeError::AckId),
        _ => Ok(()),
    }
}
