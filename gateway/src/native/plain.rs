//! Translation of plain messages, whose parts are used as they are. These are most messages.
//!
//! A plain message has no attachments, no `args`, and no escapes in its event name and its keys. A packet of it equals
//! that of [`message`](super::message), which encodes a packet for the decoder, and which translates and refuses
//! all others.

use engineio::Prepared;
use socketio_parser::Limits;
use socketio_parser::raw::{RawMessage, RawPacket, members};
use socketio_server::OFFSET_TAG;

use super::message::{MAX_ID, Outgoing};

/// Maximum number of bytes that a plain message has beside its event name and its data. The packet keeps the whole
/// text in memory, and these bytes do not count as its own.
const MAX_REST: usize = 64;

/// Reads a message of the client. `None` if it is not plain, or not valid.
pub(super) fn read(text: &[u8], limits: &Limits) -> Option<RawMessage> {
    let (mut event, mut data, mut id, mut is_plain) = (None, None, None, true);
    let checked = members(text, limits, |key, value| {
        let field = match key {
            br#""event""# => &mut event,
            br#""data""# => &mut data,
            br#""id""# => &mut id,
            br#""args""# | br#""attachments""# => return is_plain = false,
            other => return is_plain &= !other.contains(&b'\\'),
        };
        // A field that is there twice is an error.
        is_plain &= field.replace(value).is_none();
    });
    checked.ok()?;
    let ack_id = match id {
        Some(id) => Some(integer(id.of(text))?),
        None => None,
    };
    let data = data.filter(|data| data.of(text) != b"null");
    let used = [event, data].into_iter().flatten().map(|member| member.of(text).len()).sum::<usize>();
    if !is_plain || text.len() > used + MAX_REST || (event.is_none() && ack_id.is_none()) {
        return None;
    }
    RawMessage::new(text, event, ack_id, data).ok()
}

/// An acknowledgement id in JSON.
fn integer(json: &[u8]) -> Option<u64> {
    let digits = json.iter().all(u8::is_ascii_digit).then_some(json)?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|id| *id <= MAX_ID)
}

/// Translates a packet of the server. `None` if it is not plain.
pub(super) fn from_packet(message: &Prepared) -> Option<Outgoing<'_>> {
    let packet = RawPacket::split(message.only_text()?)?;
    // The tag has the number of arguments, so that they need not be counted. 0 is also that of other messages.
    let is_counted = message.tag() > 0 || packet.args.is_empty();
    let outgoing = is_counted.then(|| Outgoing::plain(&packet, message.tag() & !OFFSET_TAG))?;
    Some(if message.tag() & OFFSET_TAG == 0 { outgoing } else { outgoing.without_offset() })
}

#[cfg(test)]
mod tests {
    use engineio::TextBuf;
    use socketio_parser::Decoder;

    use super::super::message;
    use super::*;

    #[test]
    fn a_packet_of_a_plain_message_is_that_of_the_decoder() {
        for (native, is_plain) in [
            (r#"{"event":"a"}"#, true),
            (r#"{"event":"a","data":null,"from":"me"}"#, true),
            (r#" { "data" : [1, {"b": "\n"}] , "event" : "é" } "#, true),
            (r#"{"event":"a","data":1e999,"id":9007199254740991}"#, true),
            (r#"{"id":0,"data":"\ud800"}"#, true),
            (r#"{"event":"a","args":[1,2]}"#, false),
            (r#"{"event":"a\n"}"#, false),
            (r#"{"\u0065vent":"a"}"#, false),
            (r#"{"event":null,"id":1}"#, false),
            (r#"{"event":"a","id":null}"#, false),
            (r#"{"event":"a","attachments":0}"#, false),
            // Invalid messages.
            ("", false),
            ("[]", false),
            ("{}", false),
            (r#"{"data":1}"#, false),
            (r#"{"event":1}"#, false),
            (r#"{"event":"connect"}"#, false),
            (r#"{"event":"a","data":1,"data":1}"#, false),
            (r#"{"event":"a","id":-1}"#, false),
            (r#"{"event":"a","id":1.0}"#, false),
            (r#"{"event":"a","id":9007199254740992}"#, false),
            (r#"{"event":"a","data":{]}"#, false),
            (r#"{"event":"a"} x"#, false),
        ] {
            let message = read(native.as_bytes(), &Limits::default());
            assert_eq!(message.is_some(), is_plain, "{native}");
            let Some(message) = message else { continue };
            let packet = message.into_packet(native.into(), "/n".into());
            let (encoded, attachments) = message::to_packet(native, "/n").unwrap();
            let decoded = Decoder::default().text(encoded.into()).unwrap().unwrap();
            assert_eq!((format!("{packet:?}"), attachments), (format!("{decoded:?}"), 0));
        }
    }

    /// The packet keeps the text in memory, which is counted without unused members and white space.
    #[test]
    fn a_message_with_much_unused_text_is_not_plain() {
        for (rest, is_plain) in [(0, true), (36, true), (37, false)] {
            let rest = "x".repeat(rest);
            let native = format!(r#"{{"event":"a","data":[1],"rest":"{rest}"}}"#);
            assert_eq!(read(native.as_bytes(), &Limits::default()).is_some(), is_plain, "{native}");
        }
    }

    #[test]
    fn packets_with_a_number_of_arguments_are_plain() {
        for (packet, arguments, native) in [
            (r#"2["a"]"#, 0, Some(r#"{"event":"a"}"#)),
            (r#"2/n,7["a",[1,2]]"#, 1, Some(r#"{"event":"a","id":7,"data":[1,2]}"#)),
            (r#"2["a",[1,2]]"#, 0, None),
            (r#"2["a",1,2]"#, 2, Some(r#"{"event":"a","args":[1,2]}"#)),
            (r#"37[]"#, 0, Some(r#"{"id":7}"#)),
            (r#"37[null]"#, 1, Some(r#"{"id":7,"data":null}"#)),
            (r#"2["a\n",1]"#, 1, None),
            (r#"0{"sid":"a"}"#, 0, None),
            (r#"2["a","1-0"]"#, OFFSET_TAG | 1, Some(r#"{"event":"a"}"#)),
            (r#"2["a",[1,","],"1-0"]"#, OFFSET_TAG | 2, Some(r#"{"event":"a","data":[1,","]}"#)),
            (r#"2["a","1-0","1-0"]"#, OFFSET_TAG | 2, Some(r#"{"event":"a","data":"1-0"}"#)),
            (r#"2["a",1,"",""]"#, OFFSET_TAG | 3, Some(r#"{"event":"a","args":[1,""]}"#)),
        ] {
            let message = Prepared::text(packet).with_tag(arguments);
            let written = from_packet(&message).map(|outgoing| {
                let mut text = Vec::new();
                outgoing.write(&mut text);
                String::from_utf8(text).unwrap()
            });
            assert_eq!(written.as_deref(), native, "{packet}");
        }
        let mut binary = TextBuf::with_capacity(0);
        binary.buffer().extend_from_slice(br#"51-["a",{"_placeholder":true,"num":0}]"#);
        assert!(from_packet(&binary.finish_with(["x".into()]).with_tag(1)).is_none());
    }
}
