//! Validation of the placeholders in a binary packet: every placeholder refers to an existing attachment.
//!
//! An object is a placeholder if its `_placeholder` is `true`, whatever its other members are. It is replaced
//! as a whole, so placeholders nested in it do not count. The last of several equal keys decides, as with
//! `JSON.parse`.

use super::text::unescape_into;
use crate::DecodeError;

/// State of an object that is still open.
#[derive(Clone, Copy, Default)]
struct Object {
    is_object: bool,
    placeholder: bool,
    /// Whether `num` is an integer below the number of attachments.
    index: Option<u32>,
    /// Whether a nested placeholder refers to a missing attachment.
    broken: bool,
}

/// The key before a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Placeholder,
    Num,
    Other,
}

/// Checks `json`, which must be well-formed.
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

/// Stores the value of a key that identifies a placeholder. `None` stands for a value that is no number,
/// `true`, `false` or `null`.
fn note(object: &mut Object, key: Key, scalar: Option<&[u8]>, attachments: usize) {
    match key {
        Key::Placeholder => object.placeholder = scalar == Some(b"true"),
        Key::Num => object.index = scalar.and_then(|number| index(number, attachments)),
        Key::Other => {}
    }
}

/// The attachment index in `num`. An integer may be written in any notation, such as `1e0`.
pub(crate) fn index(number: &[u8], attachments: usize) -> Option<u32> {
    if let [digit @ b'0'..=b'9'] = number {
        let index = u32::from(digit - b'0');
        return ((index as usize) < attachments).then_some(index);
    }
    let value: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    // `attachments` is small enough for an exact float.
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

/// Position of the closing quote of a string whose content starts at `at`.
#[inline]
pub(crate) fn string_end(json: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Eight bytes at a time, as in `scan`; the remainder and escapes byte by byte.
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
            // The object is no placeholder, so `num` has no meaning.
            r#"["a",{"_placeholder":false,"num":9}]"#,
            r#"["a",{"_placeholder":"true","num":9}]"#,
            r#"["a",{"_placeholder":[true],"num":9}]"#,
            r#"["a","_placeholder",true,"num",9]"#,
            // The last of several equal keys decides.
            r#"["a",{"_placeholder":true,"_placeholder":1,"num":9}]"#,
            r#"["a",{"_placeholder":true,"num":9,"num":0}]"#,
            // The content of a placeholder is discarded.
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
