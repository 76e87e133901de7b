//! JSON in parts, for programs that translate packets into another text format and back without decoding
//! them.
//!
//! ```
//! use socketio_parser::raw::{RawName, RawPacket, members};
//!
//! let packet = RawPacket::split(br#"2["say",{"n":1}]"#).expect("an event");
//! assert_eq!((packet.name.unwrap().as_json(), packet.args), (&br#""say""#[..], &br#"{"n":1}"#[..]));
//! assert_eq!(packet.encode("/chat")?, br#"2/chat,["say",{"n":1}]"#);
//!
//! let mut name = None;
//! members(br#"{"event": "say", "data": [1, 2]}"#, |key, value| {
//!     if key == br#""event""# {
//!         name = RawName::new(value);
//!     }
//! })?;
//! assert_eq!(name, packet.name);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::event::reserved;
use crate::json::scan;
use crate::limits::DEPTH_CEILING;
use crate::{DecodeError, EncodeError, Limits, PacketType, header};

/// Event name as JSON: a string without escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawName<'a>(&'a [u8]);

impl<'a> RawName<'a> {
    /// The name in a JSON value. `None` if the value is not a string, or has escapes.
    #[inline]
    pub fn new(json: &'a [u8]) -> Option<Self> {
        match json {
            [b'"', inside @ .., b'"'] if !inside.contains(&b'\\') => Some(Self(json)),
            _ => None,
        }
    }

    /// The JSON string, with its quotes.
    pub fn as_json(self) -> &'a [u8] {
        self.0
    }

    fn reserved(self) -> Option<&'static str> {
        reserved(self.0.get(1..self.0.len() - 1).unwrap_or_default())
    }
}

/// EVENT or ACK packet without attachments, as parts of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPacket<'a> {
    /// Event name; `None` in an acknowledgement.
    pub name: Option<RawName<'a>>,
    /// Acknowledgement id.
    pub ack_id: Option<u64>,
    /// Arguments as JSON, separated by commas.
    pub args: &'a [u8],
}

impl<'a> RawPacket<'a> {
    /// Splits the text of a packet that this crate has encoded; the arguments are not checked again. `None`
    /// for other types of packets, for packets with attachments, and for event names that are numbers or
    /// have escapes.
    #[inline]
    pub fn split(text: &'a [u8]) -> Option<Self> {
        let header = header::scan(text, &Limits::default()).ok()?;
        let list = text.get(header.payload..)?.strip_prefix(b"[")?.strip_suffix(b"]")?;
        let (name, args) = match header.kind {
            PacketType::Ack => (None, list),
            PacketType::Event => {
                let quote = list.get(1..)?.iter().position(|byte| *byte == b'"')?;
                let (name, args) = list.split_at(quote + 2);
                let args = if args.is_empty() { args } else { args.strip_prefix(b",")? };
                (Some(RawName::new(name)?), args)
            }
            _ => return None,
        };
        Some(Self { name, ack_id: header.ack_id, args })
    }

    /// Encodes the packet, in a buffer of exactly its size. The arguments must be JSON, as those of
    /// [`members`] are.
    #[inline]
    pub fn encode(&self, namespace: &str) -> Result<Vec<u8>, EncodeError> {
        if let Some(reserved) = self.name.and_then(RawName::reserved) {
            return Err(EncodeError::ReservedEvent(reserved));
        }
        let kind = if self.name.is_some() { PacketType::Event } else { PacketType::Ack };
        let name = self.name.map_or(&[][..], RawName::as_json);
        let comma: &[u8] = if name.is_empty() || self.args.is_empty() { b"" } else { b"," };
        let list = name.len() + comma.len() + self.args.len() + 2;
        let mut out = Vec::with_capacity(header::len(namespace, self.ack_id) + list);
        header::write(&mut out, kind, namespace, self.ack_id)?;
        out.push(b'[');
        out.extend_from_slice(name);
        out.extend_from_slice(comma);
        out.extend_from_slice(self.args);
        out.push(b']');
        Ok(out)
    }
}

/// Checks an object that is the whole text, and calls `member` with the key, in its quotes, and the value
/// of each member. The text must be UTF-8; this is not checked. As decoders do, it accepts numbers of any
/// size and unpaired surrogates.
///
/// An error is reported after the members before it. Deeper nesting than 1000 levels is an error.
#[inline]
pub fn members<'a>(text: &'a [u8], member: impl FnMut(&'a [u8], &'a [u8])) -> Result<(), DecodeError> {
    scan::object(text, DEPTH_CEILING, member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_split_and_encoded_again() {
        for (text, name, ack_id, args) in [
            (r#"2["a"]"#, Some(r#""a""#), None, ""),
            (r#"2/n,["a",{"b":"]"},"é"]"#, Some(r#""a""#), None, r#"{"b":"]"},"é""#),
            (r#"27["",null]"#, Some(r#""""#), Some(7), "null"),
            (r#"3/n,9007199254740991["a",1]"#, None, Some(9_007_199_254_740_991), r#""a",1"#),
            ("30[]", None, Some(0), ""),
        ] {
            let packet = RawPacket::split(text.as_bytes()).unwrap();
            assert_eq!(packet.name.map(RawName::as_json), name.map(str::as_bytes), "{text}");
            assert_eq!((packet.ack_id, packet.args), (ack_id, args.as_bytes()), "{text}");
            let again = packet.encode(if text.contains('/') { "/n" } else { "/" }).unwrap();
            assert_eq!((again.as_slice(), again.capacity()), (text.as_bytes(), text.len()));
        }
    }

    #[test]
    fn other_packets_are_not_split() {
        for text in [
            "",
            "2",
            "2[]",
            "2[",
            "2[1]",
            r#"2["]"#,
            r#"2["a]"#,
            r#"2["a\n"]"#,
            r#"2["a\"b",1]"#,
            r#"2["a"1]"#,
            r#"2["a" ,1]"#,
            "0",
            r#"0{"a":[]}"#,
            "1",
            "4[]",
            r#"51-["a",{"_placeholder":true,"num":0}]"#,
            "61-7[]",
            "3",
        ] {
            assert_eq!(RawPacket::split(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn reserved_names_and_invalid_headers_are_not_encoded() {
        let packet = RawPacket { name: RawName::new(br#""connect""#), ack_id: None, args: b"" };
        assert!(matches!(packet.encode("/"), Err(EncodeError::ReservedEvent("connect"))));
        let packet = RawPacket { name: None, ack_id: Some(u64::MAX), args: b"" };
        assert!(matches!(packet.encode("/"), Err(EncodeError::AckId)));
        assert!(matches!(
            RawPacket { ack_id: Some(1), ..packet }.encode("/a,b"),
            Err(EncodeError::Namespace)
        ));
    }

    #[test]
    fn members_are_slices_of_a_valid_object() {
        let utf8 = |bytes: &'static [u8]| std::str::from_utf8(bytes).unwrap();
        let list = |text: &'static str| {
            let mut list = Vec::new();
            members(text.as_bytes(), |key, value| list.push((utf8(key), utf8(value)))).map(|()| list)
        };
        assert_eq!(list(" {} ").unwrap(), []);
        assert_eq!(
            list("{\"a\" : -1.5e3 ,\n\"é\\\"\":[{\"a\":\"}\"}, 2],\"a\":\"\\ud800\"}").unwrap(),
            [(r#""a""#, "-1.5e3"), ("\"é\\\"\"", r#"[{"a":"}"}, 2]"#), (r#""a""#, r#""\ud800""#)]
        );
        for invalid in [
            "",
            "[]",
            "{",
            "{} 1",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":[}"#,
            r#"{"a":01}"#,
            r#"{a:1}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":nul}"#,
        ] {
            assert!(list(invalid).is_err(), "{invalid}");
        }
        let nested = |depth| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(members(nested(999).as_bytes(), |_, _| {}).is_ok());
        assert!(members(nested(1000).as_bytes(), |_, _| {}).is_err());
    }
}
