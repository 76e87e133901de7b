//! Entries of a stream: the fields `uid`, `nsp`, `type` and `data`.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use socketio_parser::Parser;
use socketio_parser::codec::{Reader, Writer, from_servers};

use crate::cluster::{Undefined, data, has_data, write_data};
use crate::error::{DecodeError, EncodeError};
use crate::limits::Limits;
use crate::message::Message;
use crate::wire::{self, Draft, Envelope, Head, Parts, Sender, check_size};

/// Base64 as Node.js reads it: with or without padding.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The fields of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The sender.
    pub uid: String,
    /// The namespace.
    pub nsp: String,
    /// The number of the message, in decimal.
    pub kind: String,
    /// JSON, or base64 of msgpack.
    pub data: Option<String>,
}

impl Entry {
    /// Names and values of the fields, in the order of the official adapter.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let data = self.data.as_deref().map(|data| ("data", data));
        [("uid", self.uid.as_str()), ("nsp", &self.nsp), ("type", &self.kind)].into_iter().chain(data)
    }
}

/// Makes an entry of a message. Data with binary data becomes base64 of msgpack, unless `only_plaintext` is
/// set: then it is written in JSON as Node.js writes a `Buffer` (option `onlyPlaintext`).
pub fn encode_entry(
    sender: Sender<'_>,
    namespace: &str,
    message: &Message,
    only_plaintext: bool,
    limits: &Limits,
) -> Result<Entry, EncodeError> {
    let data = if has_data(message) {
        let binary = !only_plaintext && message.has_binary();
        let mut out = Vec::with_capacity(256);
        let (parser, undefined) =
            if binary { (Parser::Msgpack, Undefined::Nil) } else { (Parser::Json, Undefined::Omitted) };
        let mut writer = Writer::new(parser, &mut out, limits.max_message_bytes);
        write_data(&mut writer, undefined, sender, namespace, message)?;
        wire::check_written(&out, limits)?;
        Some(if binary {
            BASE64.encode(&out)
        } else {
            // The text has event data that was checked when it was received, and our own.
            String::from_utf8(out)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        })
    } else {
        None
    };
    Ok(Entry {
        uid: sender.uid().to_owned(),
        nsp: namespace.to_owned(),
        kind: message.kind().to_string(),
        data,
    })
}

/// Reads the fields of an entry. Unknown fields are ignored.
pub fn decode_entry<K: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = (K, Bytes)>,
    limits: &Limits,
) -> Result<Envelope, DecodeError> {
    draft(fields, limits)?.finish(limits)
}

/// Reads the fields of an entry if `wanted` says so. Its event is not read before.
pub fn decode_entry_if<K: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = (K, Bytes)>,
    limits: &Limits,
    wanted: impl FnOnce(&Head<'_>) -> bool,
) -> Result<Option<Envelope>, DecodeError> {
    draft(fields, limits)?.finish_if(wanted, limits)
}

fn draft<K: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = (K, Bytes)>,
    limits: &Limits,
) -> Result<Draft, DecodeError> {
    let (mut uid, mut nsp, mut kind, mut content) = (None, None, None, Bytes::new());
    let text = |bytes: &Bytes, what| {
        std::str::from_utf8(bytes).map(Arc::<str>::from).map_err(|_| DecodeError::Type(what))
    };
    let number = |bytes: &Bytes| std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    for (name, value) in fields {
        match name.as_ref() {
            b"uid" => uid = Some(text(&value, "uid")?),
            b"nsp" => nsp = Some(text(&value, "nsp")?),
            b"type" => kind = Some(number(&value).ok_or(DecodeError::Type("type"))?),
            b"data" => content = value,
            _ => {}
        }
    }
    let kind: u32 = kind.ok_or(DecodeError::Missing("type"))?;
    check_size(&content, limits)?;
    let mut parts = Parts::default();
    if !content.is_empty() {
        let (parser, content) = if content.first() == Some(&b'{') {
            (Parser::Json, content)
        } else {
            let bytes = BASE64.decode(&content).map_err(|_| DecodeError::Base64)?;
            (Parser::Msgpack, from_servers(&bytes.into())?)
        };
        let mut reader = Reader::new(parser, &content, limits.max_depth)?;
        data(&mut reader, &mut parts, limits)?;
        reader.finish()?;
    }
    Ok(Draft { kind, from: uid, namespace: nsp, parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(kind: &str, data: &str) -> Result<Envelope, DecodeError> {
        let fields = [("type", kind), ("data", data), ("more", "\u{ff}")];
        decode_entry(
            fields.map(|(name, value)| (name, Bytes::copy_from_slice(value.as_bytes()))),
            &Limits::default(),
        )
    }

    #[test]
    fn wrong_entries_have_named_errors() {
        assert_eq!(decode("x", "{}").unwrap_err(), DecodeError::Type("type"));
        assert_eq!(decode("3", "{}").unwrap_err(), DecodeError::Missing("packet"));
        assert_eq!(decode("3", "").unwrap_err(), DecodeError::Missing("packet"));
        assert_eq!(decode("3", "!").unwrap_err(), DecodeError::Base64);
        assert_eq!(decode("99", "{}").unwrap_err(), DecodeError::UnknownType(99));
        assert!(matches!(decode("3", "{").unwrap_err(), DecodeError::Malformed(_)));
        assert!(decode_entry([("data", Bytes::new())], &Limits::default()).is_err());
        // Heartbeats have no data.
        assert!(matches!(decode("2", "").unwrap().message, Message::Heartbeat));
    }
}
