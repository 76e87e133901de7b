//! Percent-encoding of URLs, forms, queries and cookies.

#[cfg(any(feature = "server", feature = "client"))]
use std::fmt::Write as _;

/// Decodes `application/x-www-form-urlencoded`: `+` is a space, and a `%` without two hexadecimal digits is
/// kept.
pub(crate) fn decode_form(bytes: &[u8]) -> Vec<u8> {
    decode(bytes, b' ')
}

/// Decodes a part of a URL: `+` is itself, and a `%` without two hexadecimal digits is kept.
#[cfg(feature = "client")]
pub(crate) fn decode_component(bytes: &[u8]) -> Vec<u8> {
    decode(bytes, b'+')
}

fn decode(bytes: &[u8], plus: u8) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        decoded.push(match byte {
            b'+' => plus,
            b'%' => match hex_pair(tail) {
                Some(escaped) => {
                    rest = &tail[2..];
                    escaped
                }
                None => b'%',
            },
            other => other,
        });
    }
    decoded
}

/// Encodes all characters except those of ECMAScript's `encodeURIComponent`, as the official server does for
/// its cookies, and the official client for its queries.
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) fn encode_component(text: &str, encoded: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}
