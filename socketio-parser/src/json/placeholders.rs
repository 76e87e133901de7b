//! Do the placeholders of a binary packet name attachments that exist?
//!
//! An object is a placeholder when its `_placeholder` is `true`, whatever else is in it; it is then replaced as a
//! whole, so what is nested in it does not count. As with `JSON.parse`, the last of several equal keys decides.

use super::text::unescape_into;
use crate::DecodeError;

/// What is known of an object that is still open.
#[derive(Clone, Copy, Default)]
struct Object {
    is_object: bool,
    placeholder: bool,
    /// `num` is a whole number below the number of attachments.
    index: Option<u32>,
    /// Something inside is a placeholder without an attachment.
    broken: bool,
}

/// What the key before a value was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Placeholder,
    Num,
    Other,
}

/// Checks `json`, which is known to be well-formed.
pub(crate) fn check(json: &[u8], attachments: usize) -> Result<(), DecodeError> {
    let mut open: Vec<Object> = Vec::with_capacity(8);
    let mut current = Object::default();
    let mut key = Key::Other;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'{' | b'[' => {
                note(&mut current, key, None, attachments);
                open.push(current);
                current = Object { is_object: byte == b'{', ..Object::default() };
                key = Key::Other;
                at += 1;
            }
            b'}' | b']' => {
                let broken = if current.placeholder { current.index.is_none() } else { current.broken };
                current = open.pop().unwrap_or_default();
                current.broken |= broken;
                key = Key::Other;
                at += 1;
            }
            b'"' => {
                let end = string_end(json, at + 1);
                let inside = json.get(at + 1..end).unwrap_or_default();
                at = end + 1;
                if current.is_object && next_is_colon(json, at) {
                    key = key_of(inside);
                } else {
                    note(&mut current, key, None, attachments);
                    key = Key::Other;
                }
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            _ => {
                let length =
                    json.get(at..).unwrap_or_default().iter().take_while(|byte| scalar(**byte)).count();
                let scalar = json.get(at..at + length).unwrap_or_default();
                note(&mut current, key, Some(scalar), attachments);
                key = Key::Other;
                at += length.max(1);
            }
        }
    }
    if current.broken { Err(DecodeError::Placeholder) } else { Ok(()) }
}

/// Remembers the value of a key that makes a placeholder. A value that is no number, `true`, `false` or `null`
/// comes as `None`.
fn note(object: &mut Object, key: Key, scalar: Option<&[u8]>, attachments: usize) {
    match key {
        Key::Placeholder => object.placeholder = scalar == Some(b"true"),
        Key::Num => object.index = scalar.and_then(|number| index(number, attachments)),
        Key::Other => {}
    }
}

/// The attachment that a `num` stands for. A whole number may be written in any way, `1e0` for instance.
pub(crate) fn index(number: &[u8], attachments: usize) -> Option<u32> {
    if let [digit @ b'0'..=b'9'] = number {
        let index = u32::from(digit - b'0');
        return ((index as usize) < attachments).then_some(index);
    }
    let value: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    // `attachments` is a small count; a float holds it exactly.
    let valid = value >= 0.0 && value < attachments as f64 && value.fract() == 0.0;
    valid.then_some(value as u32)
}

fn key_of(inside: &[u8]) -> Key {
    match inside {
        b"_placeholder" => Key::Placeholder,
        b"num" => Key::Num,
        _ if inside.contains(&b'\\') => {
            let mut plain = String::new();
            match unescape_into(inside, &mut plain).map(|()| plain.as_str()) {
                Some("_placeholder") => Key::Placeholder,
                Some("num") => Key::Num,
                _ => Key::Other,
            }
        }
        _ => Key::Other,
    }
}

/// Where the closing quote of a string is, whose inside begins at `at`.
#[inline]
pub(crate) fn string_end(json: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Eight bytes at a time, as in `scan`; what is left, and escapes, byte by byte.
    while let Some(chunk) = json.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let hits =
            ((quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash)) & (ONES << 7);
        if hits == 0 {
            at += 8;
            continue;
        }
        at += hits.trailing_zeros() as usize / 8;
        match json.get(at) {
            Some(b'\\') => at += 2,
            _ => return at,
        }
    }
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

fn next_is_colon(json: &[u8], at: usize) -> bool {
    let rest = json.get(at..).unwrap_or_default();
    rest.iter().find(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) == Some(&b':')
}

fn scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn every_placeholder_names_an_attachment() {
        for json in [
            r#"["a"]"#,
            r#"["a",{"_placeholder":true,"num":0}]"#,
            r#"["a",{"num":1,"_placeholder":true}]"#,
            r#"["a",{ "_placeholder" : true , "num" : 1 , "more":[1,{}] }]"#,
            r#"["a",{"_placeholder":true,"num":1e0}]"#,
            r#"["a",{"_placeholder":true,"num":-0}]"#,
            // No placeholder, so its number means nothing.
            r#"["a",{"_placeholder":false,"num":9}]"#,
            r#"["a",{"_placeholder":"true","num":9}]"#,
            r#"["a",{"_placeholder":[true],"num":9}]"#,
            r#"["a","_placeholder",true,"num",9]"#,
            // The last of several keys decides.
            r#"["a",{"_placeholder":true,"_placeholder":1,"num":9}]"#,
            r#"["a",{"_placeholder":true,"num":9,"num":0}]"#,
            // What is inside a placeholder is thrown away.
            r#"["a",{"_placeholder":true,"x":{"_placeholder":true,"num":9},"num":0}]"#,
            r#"["a","\"",{"_placeholder":true,"num":0}]"#,
        ] {
            assert!(check(json.as_bytes(), 2).is_ok(), "{json}");
        }
    }

    #[test]
    fn a_placeholder_without_an_attachment_is_found() {
        for json in [
            r#"["a",{"_placeholder":true}]"#,
            r#"["a",{"_placeholder":true,"num":2}]"#,
            r#"["a",{"_placeholder":true,"num":-1}]"#,
            r#"["a",{"_placeholder":true,"num":0.5}]"#,
            r#"["a",{"_placeholder":true,"num":1e308}]"#,
            r#"["a",{"_placeholder":true,"num":"0"}]"#,
            r#"["a",{"_placeholder":true,"num":null}]"#,
            r#"["a",{"_placeholder":true,"num":[0]}]"#,
            r#"["a",{"_placeholder":true,"num":{}}]"#,
            r#"["a",{"_placeholder":true,"num":0,"num":"splice"}]"#,
            r#"["a",{"_place\u0068older":true,"n\u0075m":7}]"#,
            r#"["a",[[{"b":{"_placeholder":true,"num":3}}]],{"_placeholder":true,"num":0}]"#,
        ] {
            assert!(check(json.as_bytes(), 2).is_err(), "{json}");
        }
    }
}
