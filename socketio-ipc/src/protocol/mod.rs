//! Messages between processes and the broker. No I/O.
//!
//! A frame is its length, in four bytes, and a message: a byte for its kind, and its parts. Numbers have eight bytes, the
//! first one is the most significant; texts and bytes have their length in front, in four bytes.

mod cursor;
mod question;
mod reply;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use socketio_cluster::streams::EntryId;
use thiserror::Error;

pub(crate) use self::question::{Question, fields, read_fields};
pub(crate) use self::reply::{Listed, Reply, StoredEntry};

/// Maximum size of a frame. What the broker keeps of a stream fits into one.
pub(crate) const MAX_FRAME: usize = 160 << 20;

/// The other side does not keep to the protocol.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    /// A frame is too large.
    #[error("a frame has more than {MAX_FRAME} bytes")]
    TooLarge,
    /// A message cannot be read.
    #[error("a message cannot be read")]
    Malformed,
}

/// Takes the next complete frame out of received bytes.
pub(crate) fn next_frame(received: &mut BytesMut) -> Result<Option<Bytes>, ProtocolError> {
    let Some(length) = received.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_FRAME {
        return Err(ProtocolError::TooLarge);
    }
    if received.len() < 4 + length {
        return Ok(None);
    }
    received.advance(4);
    Ok(Some(received.split_to(length).freeze()))
}

/// Appends a frame, whose message `write` appends. `false` if it is too large, and then nothing is appended.
pub(crate) fn frame(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) -> bool {
    let start = out.len();
    out.put_u32(0);
    write(out);
    let length = out.len() - start - 4;
    match u32::try_from(length) {
        Ok(number) if length <= MAX_FRAME => {
            out[start..start + 4].copy_from_slice(&number.to_be_bytes());
            true
        }
        _ => {
            out.truncate(start);
            false
        }
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    // Longer ones do not fit into a frame, which is refused then.
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn put_id(out: &mut BytesMut, id: EntryId) {
    out.put_u64(id.milliseconds);
    out.put_u64(id.sequence);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_when_they_are_complete() {
        let mut out = BytesMut::new();
        assert!(frame(&mut out, |out| out.put_slice(b"one")));
        assert!(frame(&mut out, |_| {}));
        let mut received = BytesMut::new();
        let mut frames = Vec::new();
        for byte in out {
            received.put_u8(byte);
            frames.extend(next_frame(&mut received).unwrap());
        }
        assert_eq!(frames, [&b"one"[..], b""]);
        let mut large = BytesMut::from(&(MAX_FRAME as u32 + 1).to_be_bytes()[..]);
        assert_eq!(next_frame(&mut large), Err(ProtocolError::TooLarge));
    }
}
