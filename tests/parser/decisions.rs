//! Intentional differences from the official parser. README.md gives the reasons under the same names.

use socketio_parser::{DecodeError, Limit, PacketType, Parser};

use crate::packet::Message;

/// The decision by which our decoder refuses input that the official one accepts; `None` if there is no such
/// decision.
pub(crate) fn refusal(parser: Parser, error: DecodeError, messages: &[Message]) -> Option<&'static str> {
    let text = match messages.first() {
        Some(Message::Text(text)) => text.as_str(),
        _ => "",
    };
    if parser == Parser::Msgpack {
        return match error {
            DecodeError::Unicode => Some("M1-invalid-utf8"),
            // The official decoder accepted it, so it is well-formed; the only remaining reason is a key that
            // is not a string.
            DecodeError::Msgpack { .. } => Some("M2-keys"),
            DecodeError::EventName | DecodeError::ReservedEvent => Some("M3-event-names"),
            DecodeError::MsgpackId | DecodeError::Limit(Limit::AckId) => Some("B1-ack-id"),
            DecodeError::Shape(PacketType::Event | PacketType::Ack) => Some("M4-extension-as-arguments"),
            DecodeError::Limit(Limit::Depth) => Some("B2-depth"),
            _ => None,
        };
    }
    match error {
        DecodeError::AttachmentCount if !count(text).chars().all(|digit| digit.is_ascii_digit()) => {
            Some("J1-attachment-count")
        }
        DecodeError::HeaderSpace | DecodeError::Json { .. } if header_has_space(text) => {
            Some("J2-header-space")
        }
        DecodeError::Empty => Some("J3-packet-type"),
        DecodeError::UnknownType(_) if text.starts_with(js_space) => Some("J3-packet-type"),
        DecodeError::Placeholder if has_fraction(text) => Some("J4-fraction"),
        DecodeError::Unicode if text.contains("\\u") => Some("J5-unpaired-name"),
        DecodeError::Limit(Limit::AckId) => Some("B1-ack-id"),
        DecodeError::Limit(Limit::Depth) => Some("B2-depth"),
        _ => None,
    }
}

/// Whether the value of some key is a number between two attachments.
fn has_fraction(text: &str) -> bool {
    text.split(':').skip(1).any(|value| {
        let end = |c: char| !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'));
        let number = value.trim_start().split(end).next().unwrap_or_default();
        number.parse().is_ok_and(|number: f64| number > 0.0 && number.fract() != 0.0)
    })
}

/// The text in the place of the number of attachments.
fn count(text: &str) -> &str {
    text.get(1..).and_then(|rest| rest.split_once('-')).map_or("", |(count, _)| count)
}

/// The characters that JavaScript treats as white space and converts to the number 0.
fn js_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// Whether there is white space in the place of the ack id.
fn header_has_space(text: &str) -> bool {
    let mut rest = text.get(1..).unwrap_or_default();
    if text.starts_with(['5', '6']) {
        rest = rest.split_once('-').map_or("", |(_, rest)| rest);
    }
    if rest.starts_with('/') {
        rest = rest.split_once(',').map_or("", |(_, rest)| rest);
    }
    rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(js_space)
}
