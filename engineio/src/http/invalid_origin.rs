//! An `Origin` header with control characters. The official server answers such a request as one for a
//! session that it refuses, with code 3, and not as a request that is not HTTP.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderValue;

/// The `Origin` header of a request, with its control characters in percent-encoding. It is an extension of
/// the request.
///
/// The header itself has the same value. It is the origin of no page, so code that compares origins refuses
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidOrigin(pub(crate) String);

impl InvalidOrigin {
    /// Removes the first `Origin` header with a control character from the header lines of a request. `None`
    /// if there is none. A CR or NUL in it is not accepted: such values are "invalid and dangerous" (RFC
    /// 9110, 5.5).
    pub(super) fn take(lines: &[u8]) -> Option<(Self, Bytes)> {
        const NAME: &[u8] = b"origin:";
        let mut start = 0;
        while let Some(len) = memchr::memchr(b'\n', lines.get(start..)?) {
            let line = lines.get(start..start + len)?.strip_suffix(b"\r")?;
            let value = line.split_at_checked(NAME.len()).filter(|(name, _)| name.eq_ignore_ascii_case(NAME));
            if let Some((_, value)) = value.filter(|(_, value)| value.iter().any(is_control)) {
                if value.iter().any(|byte| matches!(byte, b'\r' | 0)) {
                    return None;
                }
                let rest = [lines.get(..start)?, lines.get(start + len + 1..)?].concat();
                return Some((Self(escaped(value)), rest.into()));
            }
            start += len + 1;
        }
        None
    }

    pub(super) fn to_value(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(&self.0).ok()
    }
}

fn is_control(byte: &u8) -> bool {
    byte.is_ascii_control() && *byte != b'\t'
}

fn escaped(value: &[u8]) -> String {
    value.trim_ascii().iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_graphic() {
            text.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_origin_with_control_characters_is_taken() {
        let (origin, rest) =
            InvalidOrigin::take(b"Host: a\r\nORIGIN: http://a\x01b\r\nX: y\r\n\r\n").unwrap();
        assert_eq!((origin.0.as_str(), &rest[..]), ("http://a%01b", &b"Host: a\r\nX: y\r\n\r\n"[..]));
        assert_eq!(origin.to_value().unwrap(), "http://a%01b");
        for lines in [
            &b"Host: a\r\nOrigin: http://a\r\n\r\n"[..],
            b"Host: a\x01\r\nOrigin: http://a\r\n\r\n",
            b"Origin: a\0b\r\n\r\n",
            b"Origin: a\rb\r\n\r\n",
            b"Origin",
            b"",
        ] {
            assert_eq!(InvalidOrigin::take(lines), None, "{lines:?}");
        }
    }
}
