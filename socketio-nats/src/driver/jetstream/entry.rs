//! Entries of streams as messages: a JSON object of the fields in one line, and behind its end the bytes of the field `data`.

use bytes::Bytes;
use serde_json::{Map, Value};

/// The field that is no part of the object.
const DATA: &str = "data";

/// The line of an entry, with its end if there is `data`, and that field.
pub(crate) fn encode<'a>(fields: &'a [(&'static str, Bytes)]) -> Result<(String, &'a [u8]), String> {
    let mut line = Map::new();
    let mut data = None;
    for (name, value) in fields {
        if *name == DATA {
            data = Some(&value[..]);
            continue;
        }
        let text =
            std::str::from_utf8(value).map_err(|_| format!("the field {name} of an entry is no text"))?;
        line.insert((*name).to_owned(), text.into());
    }
    let mut line = Value::Object(line).to_string();
    if data.is_some() {
        line.push('\n');
    }
    Ok((line, data.unwrap_or_default()))
}

/// The fields of an entry. A message of another format has none.
#[cfg(any(feature = "adapter", feature = "fuzzing", test))]
pub(crate) fn decode(message: &Bytes) -> Vec<(Bytes, Bytes)> {
    let end = message.iter().position(|byte| *byte == b'\n');
    let Ok(Value::Object(line)) = serde_json::from_slice(&message[..end.unwrap_or(message.len())]) else {
        return Vec::new();
    };
    let mut fields = Vec::with_capacity(line.len() + 1);
    for (name, value) in line {
        let Value::String(value) = value else { return Vec::new() };
        fields.push((Bytes::from(name), Bytes::from(value)));
    }
    fields.extend(end.map(|end| (Bytes::from_static(DATA.as_bytes()), message.slice(end + 1..))));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[(&'static str, Bytes)]) -> Bytes {
        let (line, data) = encode(fields).unwrap();
        [line.as_bytes(), data].concat().into()
    }

    #[test]
    fn fields_are_a_line_and_the_bytes_of_data() {
        let entry = [("nsp", "/\n\"".into()), ("data", Bytes::from_static(b"\xff\n{}")), ("uid", "é".into())];
        let message = message(&entry);
        assert_eq!(
            message,
            "{\"nsp\":\"/\\n\\\"\",\"uid\":\"é\"}\n"
                .as_bytes()
                .iter()
                .chain(b"\xff\n{}")
                .copied()
                .collect::<Bytes>()
        );
        let mut fields = decode(&message);
        fields.sort();
        let mut expected = entry.map(|(name, value)| (Bytes::from(name), value));
        expected.sort();
        assert_eq!(fields, expected);
        for fields in [vec![], vec![("a", Bytes::new())], vec![("data", Bytes::new())]] {
            let decoded = decode(&self::message(&fields));
            assert_eq!(
                decoded,
                fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<Vec<_>>()
            );
        }
        assert!(encode(&[("nsp", Bytes::from_static(b"\xff"))]).unwrap_err().contains("nsp"));
    }

    #[test]
    fn a_message_of_another_format_is_an_entry_without_fields() {
        let deep = "[".repeat(100_000);
        for message in ["", "\n", "x", "[]", "{\"a\":1}\nx", "{\"a\":\"b\"} {}\n", "{\"a\":", &deep] {
            assert!(decode(&Bytes::copy_from_slice(message.as_bytes())).is_empty(), "{message}");
        }
    }
}
