//! Conversion of msgpack between the form of clients (notepack.io 2) and that of servers (notepack.io 3 and
//! `@msgpack/msgpack`).

use std::borrow::Cow;

use bytes::Bytes;

use crate::DecodeError;
use crate::msgpack::scan::malformed;
use crate::msgpack::ser;
use crate::msgpack::token::{Token, token};

/// The extension type of the timestamp in the msgpack specification.
const TIMESTAMP: i8 = -1;
const NANOSECONDS: i64 = 1_000_000;

/// Restores the form that clients read: dates as extensions of type 0, and only valid UTF-8.
///
/// `@msgpack/msgpack` writes an unpaired surrogate as three bytes that are not UTF-8; they become U+FFFD, as
/// in Node.js. A message without such values is returned as it is. The size of the result is at most three
/// times that of the message. The message may be any sequence of values; it is not checked otherwise.
pub fn from_servers(message: &Bytes) -> Result<Bytes, DecodeError> {
    let mut out: Vec<u8> = Vec::new();
    let (mut copied, mut at) = (0, 0);
    while at < message.len() {
        let (token, next) = token(message, at).ok_or_else(|| malformed(at))?;
        let mut replace = |write: &dyn Fn(&mut Vec<u8>)| {
            out.extend_from_slice(message.get(copied..at).unwrap_or_default());
            write(&mut out);
            copied = next;
        };
        match token {
            Token::Str(text) if text.len() <= 32 && text.is_ascii() => {}
            Token::Str(text) => {
                if let Cow::Owned(text) = String::from_utf8_lossy(text) {
                    replace(&|out| ser::string(out, &text));
                }
            }
            Token::Ext(TIMESTAMP, content) => {
                if let Some(milliseconds) = milliseconds(content) {
                    replace(&|out| {
                        out.extend_from_slice(&[0xd7, 0x00]);
                        out.extend_from_slice(&milliseconds.to_be_bytes());
                    });
                }
            }
            _ => {}
        }
        at = next;
    }
    if copied == 0 {
        return Ok(message.clone());
    }
    out.extend_from_slice(message.get(copied..).unwrap_or_default());
    Ok(out.into())
}

/// Appends well-formed values in the form for servers: standard timestamps, `undefined` as nil, an
/// `ArrayBuffer` as binary data.
pub(super) fn for_servers(values: &[u8], out: &mut Vec<u8>) {
    let (mut copied, mut at) = (0, 0);
    while let Some((token, next)) = token(values, at) {
        let mut replace = |write: &dyn Fn(&mut Vec<u8>)| {
            out.extend_from_slice(values.get(copied..at).unwrap_or_default());
            write(out);
            copied = next;
        };
        match token {
            Token::Undefined => replace(&|out| out.push(0xc0)),
            Token::Date(milliseconds) => replace(&|out| timestamp(milliseconds, out)),
            Token::Bin(content) if matches!(values.get(at), Some(0xc7..=0xc9)) => {
                replace(&|out| ser::binary(out, content));
            }
            _ => {}
        }
        at = next;
    }
    out.extend_from_slice(values.get(copied..).unwrap_or_default());
}

/// Whether there is binary data among well-formed values.
pub(super) fn has_binary(values: &[u8]) -> bool {
    let mut at = 0;
    while let Some((token, next)) = token(values, at) {
        if matches!(token, Token::Bin(_)) {
            return true;
        }
        at = next;
    }
    false
}

/// The time of a timestamp in milliseconds, as a JavaScript `Date` holds it. A time beyond the range of a
/// `Date` stays beyond it.
fn milliseconds(content: &[u8]) -> Option<i64> {
    let (seconds, nanoseconds) = if let Ok(seconds) = <[u8; 4]>::try_from(content) {
        (i64::from(u32::from_be_bytes(seconds)), 0)
    } else if let Ok(both) = <[u8; 8]>::try_from(content) {
        // 30 bits of nanoseconds, then 34 bits of seconds.
        let both = u64::from_be_bytes(both);
        ((both & 0x3_ffff_ffff) as i64, (both >> 34) as i64)
    } else if let (12, Some((nanoseconds, seconds))) = (content.len(), content.split_first_chunk::<4>()) {
        let seconds = seconds.first_chunk::<8>()?;
        (i64::from_be_bytes(*seconds), i64::from(u32::from_be_bytes(*nanoseconds)))
    } else {
        return None;
    };
    Some(seconds.saturating_mul(1000).saturating_add(nanoseconds / NANOSECONDS))
}

/// Appends a timestamp in the shortest of its three forms.
fn timestamp(milliseconds: i64, out: &mut Vec<u8>) {
    let seconds = milliseconds.div_euclid(1000);
    // Below 10^9, so it fits into 30 bits.
    let nanoseconds = milliseconds.rem_euclid(1000) * NANOSECONDS;
    match (u32::try_from(seconds), nanoseconds) {
        (Ok(seconds), 0) => {
            out.extend_from_slice(&[0xd6, 0xff]);
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        _ if (0..1 << 34).contains(&seconds) => {
            out.extend_from_slice(&[0xd7, 0xff]);
            out.extend_from_slice(&(((nanoseconds as u64) << 34) | seconds as u64).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[0xc7, 12, 0xff]);
            out.extend_from_slice(&(nanoseconds as u32).to_be_bytes());
            out.extend_from_slice(&seconds.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_every_form() {
        for (milliseconds, standard) in [
            (1000, &b"\xd6\xff\0\0\0\x01"[..]),
            (1_709_210_096_789, b"\xd7\xff\xbc\x1c\xbd\0\x65\xe0\x79\xf0"),
            (-1, b"\xc7\x0c\xff\x3b\x8b\x87\xc0\xff\xff\xff\xff\xff\xff\xff\xff"),
            ((1 << 34) * 1000 + 5, b"\xc7\x0c\xff\0\x4c\x4b\x40\0\0\0\x04\0\0\0\0"),
        ] {
            let legacy = [&[0xd7, 0][..], &i64::to_be_bytes(milliseconds)].concat();
            let mut out = Vec::new();
            for_servers(&legacy, &mut out);
            assert_eq!(out, standard, "{milliseconds}");
            assert_eq!(from_servers(&Bytes::from(out)).unwrap(), legacy, "{milliseconds}");
        }
        // A time that no Date can hold, and lengths that no timestamp has.
        let far = Bytes::from_static(b"\xc7\x0c\xff\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
        assert_eq!(from_servers(&far).unwrap(), [&[0xd7, 0][..], &i64::MAX.to_be_bytes()].concat());
        for other in [&b"\xd4\xff\0"[..], b"\xc7\x03\xff\0\0\0", b"\xc7\0\xff"] {
            assert_eq!(from_servers(&Bytes::from_static(other)).unwrap(), other);
        }
    }

    #[test]
    fn values_of_one_side_only() {
        let mut out = Vec::new();
        for_servers(b"\x93\xd4\0\0\xc7\x02\0ab\xa1x", &mut out);
        assert_eq!(out, b"\x93\xc0\xc4\x02ab\xa1x");
        let surrogate = Bytes::from_static(b"\x92\xa3\xed\xa0\x80\x01");
        let replaced = [&b"\x92\xa9"[..], "\u{fffd}\u{fffd}\u{fffd}".as_bytes(), b"\x01"].concat();
        assert_eq!(from_servers(&surrogate).unwrap(), replaced);
        assert!(from_servers(&Bytes::from_static(b"\x92\xc1")).is_err());
        assert!(
            has_binary(b"\x92\x01\xc4\x00")
                && has_binary(b"\xc7\x01\0a")
                && !has_binary(b"\x92\x01\xa2\xc4\x01")
        );
    }
}
