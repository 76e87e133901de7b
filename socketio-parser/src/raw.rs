//! Parts of JSON, for programs that translate packets into another text format and back without decoding arguments.
//!
//! ```
//! use socketio_parser::raw::{RawMessage, RawPacket, members};
//! use socketio_parser::{Limits, Payload};
//!
//! let packet = RawPacket::split(br#"2["say",{"n":1}]"#).expect("an event");
//! assert_eq!((packet.name, packet.args), (Some(&br#""say""#[..]), &br#"{"n":1}"#[..]));
//!
//! let text = br#"{"event": "say", "data": [1, 2]}"#;
//! let (mut name, mut data) = (None, None);
//! members(text, &Limits::default(), |key, value| match key {
//!     br#""event""# => name = Some(value),
//!     br#""data""# => data = Some(value),
//!     _ => {}
//! })?;
//! let packet = RawMessage::new(text, name, None, data)?.into_packet(bytes::Bytes::from_static(text), "/chat".into());
//! let Payload::Event(event) = packet.payload else { panic!("an event") };
//! assert_eq!((event.name(), event.args().as_bytes()), ("say", &b"[1, 2]"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use bytes::Bytes;

use crate::attachments::Attachments;
use crate::event::reserved;
use crate::header::{self, MAX_ACK_ID};
use crate::json::scan;
use crate::json::spans::{Span, Spans};
use crate::limits::Limit;
use crate::{DecodeError, Event, Limits, Namespace, Packet, PacketType, Parser, Payload, RawArgs};

/// EVENT or ACK packet without attachments, as parts of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPacket<'a> {
    /// Event name, a JSON string without escapes; `None` in an acknowledgement.
    pub name: Option<&'a [u8]>,
    /// Acknowledgement id.
    pub ack_id: Option<u64>,
    /// Arguments as JSON, separated by commas.
    pub args: &'a [u8],
}

impl<'a> RawPacket<'a> {
    /// Splits the text of a packet that this crate has encoded; the arguments are not checked again. `None` for
    /// other types of packets, for packets with attachments, and for event names that are numbers or have escapes.
    #[inline]
    pub fn split(text: &'a [u8]) -> Option<Self> {
        let header = header::scan(text, &Limits::default()).ok()?;
        let list = text.get(header.payload..)?.strip_prefix(b"[")?.strip_suffix(b"]")?;
        let (name, args) = match header.kind {
            PacketType::Ack => (None, list),
            PacketType::Event => {
                let inside = list.strip_prefix(b"\"")?;
                let end = inside.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
                let (name, args) =
                    list.split_at_checked(end + 2).filter(|(name, _)| name.ends_with(b"\""))?;
                (Some(name), if args.is_empty() { args } else { args.strip_prefix(b",")? })
            }
            _ => return None,
        };
        Some(Self { name, ack_id: header.ack_id, args })
    }
}

/// Position of a valid value in a text that [`members`] has checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawMember(Span);

impl RawMember {
    /// The value; empty for another text in which the position does not exist.
    pub fn of(self, text: &[u8]) -> &[u8] {
        self.0.of(text)
    }
}

/// Checks an object that is the whole text, and calls `member` with the key, in its quotes, and the value of each
/// member. The text must be UTF-8; this is not checked. As decoders do, it accepts numbers of any size and unpaired
/// surrogates.
///
/// The limits are those of a decoder, for an event with the object in place of its argument list. An error is
/// reported after the members before it.
#[inline]
pub fn members<'a>(
    text: &'a [u8],
    limits: &Limits,
    mut member: impl FnMut(&'a [u8], RawMember),
) -> Result<(), DecodeError> {
    if text.len() > limits.packet_bytes() {
        return Err(DecodeError::Limit(Limit::PacketBytes));
    }
    if limits.max_arguments < 2 {
        return Err(DecodeError::Limit(Limit::Arguments));
    }
    scan::object(text, limits, |key, value| member(key, RawMember(value)))
}

/// Event or acknowledgement in another text format, with at most one argument.
#[derive(Clone, Debug)]
pub struct RawMessage {
    is_event: bool,
    ack_id: Option<u64>,
    spans: Spans,
}

impl RawMessage {
    /// Takes the members of a text. Without a name it is an acknowledgement. The name of an event must be a string
    /// without escapes, and not a reserved one.
    #[inline]
    pub fn new(
        text: &[u8],
        name: Option<RawMember>,
        ack_id: Option<u64>,
        arg: Option<RawMember>,
    ) -> Result<Self, DecodeError> {
        if ack_id.is_some_and(|id| id > MAX_ACK_ID) {
            return Err(DecodeError::Limit(Limit::AckId));
        }
        let mut spans = Spans::default();
        if let Some(name) = name {
            match name.of(text) {
                [b'"', inside @ .., b'"'] if !inside.contains(&b'\\') => {
                    if reserved(inside).is_some() {
                        return Err(DecodeError::ReservedEvent);
                    }
                }
                _ => return Err(DecodeError::EventName),
            }
            spans.push(name.0);
        }
        if let Some(arg) = arg {
            spans.push(arg.0);
        }
        Ok(Self { is_event: name.is_some(), ack_id, spans })
    }

    /// The packet, as a decoder returns it. The arguments are slices of the text; nothing is copied. It must be the
    /// text of [`new`](Self::new), and UTF-8.
    #[inline]
    pub fn into_packet(self, text: Bytes, namespace: Namespace) -> Packet {
        let Self { is_event, ack_id, spans } = self;
        let args = RawArgs::new(text, spans, u8::from(is_event), Attachments::default(), Parser::Json);
        let payload = if is_event { Payload::Event(Event::plain(args)) } else { Payload::Ack(args) };
        Packet { namespace, ack_id, payload }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_split() {
        for (text, name, ack_id, args) in [
            (r#"2["a"]"#, Some(r#""a""#), None, ""),
            (r#"2/n,["a",{"b":"]"},"é"]"#, Some(r#""a""#), None, r#"{"b":"]"},"é""#),
            (r#"27["",null]"#, Some(r#""""#), Some(7), "null"),
            (r#"3/n,9007199254740991["a",1]"#, None, Some(9_007_199_254_740_991), r#""a",1"#),
            ("30[]", None, Some(0), ""),
        ] {
            let packet = RawPacket::split(text.as_bytes()).unwrap();
            assert_eq!(packet.name, name.map(str::as_bytes), "{text}");
            assert_eq!((packet.ack_id, packet.args), (ack_id, args.as_bytes()), "{text}");
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
            r#"2["a\"#,
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

    fn list(text: &'static str, limits: &Limits) -> Result<Vec<(&'static str, &'static str)>, DecodeError> {
        let utf8 = |bytes: &'static [u8]| std::str::from_utf8(bytes).unwrap();
        let mut list = Vec::new();
        members(text.as_bytes(), limits, |key, value| list.push((utf8(key), utf8(value.of(text.as_bytes())))))
            .map(|()| list)
    }

    #[test]
    fn members_are_slices_of_a_valid_object() {
        let list = |text| list(text, &Limits::default());
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
    }

    #[test]
    fn the_limits_are_those_of_a_decoder() {
        let limits = Limits { max_packet_bytes: 11, max_depth: 2, max_arguments: 2, ..Limits::default() };
        let limit = |text, limits: &Limits| match list(text, limits) {
            Err(DecodeError::Limit(limit)) => Some(limit),
            other => other.map(|_| None).unwrap(),
        };
        assert_eq!(limit(r#"{"a":[1,2]}"#, &limits), None);
        assert_eq!(limit(r#"{"a":[[1]]}"#, &limits), Some(Limit::Depth));
        assert_eq!(limit(r#"{"a":[1,23]}"#, &limits), Some(Limit::PacketBytes));
        assert_eq!(limit("{}", &Limits { max_depth: 0, ..limits }), Some(Limit::Depth));
        assert_eq!(limit("{}", &Limits { max_arguments: 1, ..limits }), Some(Limit::Arguments));
    }

    fn packet(text: &'static str, ack_id: Option<u64>) -> Result<Packet, DecodeError> {
        let (mut name, mut arg) = (None, None);
        members(text.as_bytes(), &Limits::default(), |key, value| match key {
            br#""name""# => name = Some(value),
            _ => arg = Some(value),
        })?;
        let message = RawMessage::new(text.as_bytes(), name, ack_id, arg)?;
        Ok(message.into_packet(text.into(), "/n".into()))
    }

    #[test]
    fn a_packet_of_members_is_that_of_a_decoder() {
        for (text, ack_id, same) in [
            (r#"{"name":"a"}"#, None, r#"2/n,["a"]"#),
            (r#"{"name":"é","arg":{"b": 1.0}}"#, Some(7), r#"2/n,7["é",{"b": 1.0}]"#),
            (r#"{"arg":[1, 2],"name":""}"#, None, r#"2/n,["",[1, 2]]"#),
            (r#"{"arg":null}"#, Some(0), "3/n,0[null]"),
            ("{}", Some(9_007_199_254_740_991), "3/n,9007199254740991[]"),
        ] {
            let packet = packet(text, ack_id).unwrap();
            let decoded = crate::Decoder::default().text(same.into()).unwrap().unwrap();
            assert_eq!(format!("{packet:?}"), format!("{decoded:?}"), "{text}");
            // The name and the arguments are forwarded as a list, wherever they stand in the text.
            let mut encoded = Vec::new();
            Parser::Json.encode_packet(&mut encoded, &packet).unwrap();
            assert_eq!(encoded, same.as_bytes());
        }
    }

    #[test]
    fn members_that_no_decoder_accepts_make_no_packet() {
        let error = |text, ack_id| packet(text, ack_id).unwrap_err();
        assert!(matches!(error(r#"{"name":"connect"}"#, None), DecodeError::ReservedEvent));
        assert!(matches!(error(r#"{"name":1}"#, None), DecodeError::EventName));
        assert!(matches!(error(r#"{"name":"a\n"}"#, None), DecodeError::EventName));
        assert!(matches!(error("{}", Some(1 << 53)), DecodeError::Limit(Limit::AckId)));
    }
}
