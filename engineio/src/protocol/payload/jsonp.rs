//! The encoding of JSONP polling: payloads inside a script, and inside a form field.

use bytes::Bytes;

use crate::protocol::packet::ParseError;
use crate::protocol::percent;
use crate::protocol::text::Text;

/// The largest number of form fields that are read, as in the official server.
const MAX_FIELDS: usize = 1000;

/// Extracts the payload from a posted form: its field `d`.
///
/// Without that field, or with more than one, there is no payload. The official server ignores such a form
/// and responds as usual.
pub fn decode(form: &[u8]) -> Result<Option<Text>, ParseError> {
    let mut found = None;
    let fields = form.split(|&byte| byte == b'&').filter(|field| !field.is_empty());
    for field in fields.take(MAX_FIELDS) {
        let end = memchr::memchr(b'=', field).unwrap_or(field.len());
        if percent::decode_form(&field[..end]) == b"d" {
            let value = field.get(end + 1..).unwrap_or_default();
            if found.replace(value).is_some() {
                return Ok(None);
            }
        }
    }
    let Some(value) = found else { return Ok(None) };
    let text = unescape_newlines(percent::decode_form(value));
    Text::from_utf8(Bytes::from(text)).map(Some).map_err(|_| ParseError::Utf8)
}

/// Appends a script that calls the client's function with the payload, which is UTF-8.
///
/// Only the digits of the index, the request's parameter `j`, are used: the client chooses it, and it becomes
/// part of a script.
pub fn encode(index: &str, payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(payload.len() + payload.len() / 8 + 32);
    out.extend_from_slice(b"___eio[");
    out.extend(index.bytes().filter(u8::is_ascii_digit));
    out.extend_from_slice(b"](\"");
    escape(payload, out);
    out.extend_from_slice(b"\");");
}

/// Decodes `\n` and `\\n`. A browser changes the line ends of a form, so the client sends a line feed as
/// `\n`, and `\n` as `\\n`.
fn unescape_newlines(mut text: Vec<u8>) -> Vec<u8> {
    let Some(first) = memchr::memchr(b'\\', &text) else { return text };
    let (mut read, mut write) = (first, first);
    while let Some(&byte) = text.get(read) {
        let (skip, byte) = match &text[read..] {
            // The first backslash is removed; the second one and the letter are copied unchanged.
            [b'\\', b'\\', b'n', ..] => {
                text[write] = b'\\';
                write += 1;
                (3, b'n')
            }
            [b'\\', b'n', ..] => (2, b'\n'),
            _ => (1, byte),
        };
        text[write] = byte;
        write += 1;
        read += skip;
    }
    text.truncate(write);
    text
}

/// Escapes text for a string that is valid JSON and JavaScript.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    for (at, &byte) in text.iter().enumerate() {
        let unicode;
        let (replaced, escape): (usize, &[u8]) = match byte {
            b'"' => (1, b"\\\""),
            b'\\' => (1, b"\\\\"),
            b'\n' => (1, b"\\n"),
            b'\r' => (1, b"\\r"),
            b'\t' => (1, b"\\t"),
            0x08 => (1, b"\\b"),
            0x0c => (1, b"\\f"),
            0..0x20 => {
                let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
                unicode = [b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 0xf)];
                (1, &unicode)
            }
            // U+2028 and U+2029 end a line in JavaScript before ES2019, even inside a string.
            0xe2 if text[at..].starts_with("\u{2028}".as_bytes()) => (3, b"\\u2028"),
            0xe2 if text[at..].starts_with("\u{2029}".as_bytes()) => (3, b"\\u2029"),
            _ => continue,
        };
        out.extend_from_slice(&text[copied..at]);
        out.extend_from_slice(escape);
        copied = at + replaced;
    }
    out.extend_from_slice(&text[copied..]);
}
