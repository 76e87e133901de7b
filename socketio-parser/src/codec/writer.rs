//! The writer: a structure in either encoding, around the bytes of an event.

use serde::Serialize;

use super::dialect;
use crate::attachments::{Sink, writing};
use crate::msgpack::{json, ser};
use crate::value;
use crate::{EncodeError, Event, Parser, RawValue};

/// Writes one message in either encoding. Objects and arrays are announced with their length, which the
/// caller must keep, as msgpack has it in front.
///
/// ```
/// use socketio_parser::codec::Writer;
/// use socketio_parser::{Event, Limits, Parser};
///
/// let event = Event::from_json_array(r#"["news",1.50]"#.into(), Vec::new(), &Limits::default())?;
/// let write = |parser| {
///     let mut out = Vec::new();
///     let mut writer = Writer::new(parser, &mut out, 1000);
///     writer.object(2);
///     writer.key("uid").text("n1");
///     writer.key("data").event(&event)?;
///     writer.end_object();
///     Ok::<_, socketio_parser::EncodeError>(out)
/// };
/// assert_eq!(write(Parser::Json)?, br#"{"uid":"n1","data":["news",1.50]}"#);
/// assert_eq!(write(Parser::Msgpack)?, b"\x82\xa3uid\xa2n1\xa4data\x92\xa4news\xcb\x3f\xf8\0\0\0\0\0\0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    parser: Parser,
    max_bytes: usize,
    /// Whether the next value or key of a JSON text needs a comma before it.
    comma: bool,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`. An event or value that would make it longer than `max_bytes` is an
    /// error; the limit exists because one attachment of a client may stand at many places of its event.
    pub fn new(parser: Parser, out: &'a mut Vec<u8>, max_bytes: usize) -> Self {
        Self { out, parser, max_bytes, comma: false }
    }

    /// Starts an object with this number of members.
    pub fn object(&mut self, length: usize) {
        match self.parser {
            Parser::Json => self.open(b'{'),
            Parser::Msgpack => ser::map_header(self.out, length),
        }
    }

    /// Ends an object.
    pub fn end_object(&mut self) {
        self.close(b'}');
    }

    /// Starts an array with this number of elements.
    pub fn array(&mut self, length: usize) {
        match self.parser {
            Parser::Json => self.open(b'['),
            Parser::Msgpack => ser::array_header(self.out, length),
        }
    }

    /// Ends an array.
    pub fn end_array(&mut self) {
        self.close(b']');
    }

    /// The key of a member. The next call writes its value.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.text(key);
        if self.parser == Parser::Json {
            self.out.push(b':');
            self.comma = false;
        }
        self
    }

    /// A string.
    pub fn text(&mut self, text: &str) {
        self.separate();
        match self.parser {
            Parser::Json => crate::json::text::push_string(self.out, text),
            Parser::Msgpack => ser::string(self.out, text),
        }
    }

    /// A non-negative integer.
    pub fn number(&mut self, number: u64) {
        self.separate();
        match self.parser {
            Parser::Json => crate::json::text::push_decimal(self.out, number),
            Parser::Msgpack => ser::unsigned(self.out, number),
        }
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        self.separate();
        match self.parser {
            Parser::Json => self.out.extend_from_slice(if value { b"true" } else { b"false" }),
            Parser::Msgpack => self.out.push(if value { 0xc3 } else { 0xc2 }),
        }
    }

    /// `null`.
    pub fn null(&mut self) {
        self.separate();
        match self.parser {
            Parser::Json => self.out.extend_from_slice(b"null"),
            Parser::Msgpack => self.out.push(0xc0),
        }
    }

    /// A value of a serializable type.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.separate();
        let out = &mut *self.out;
        match self.parser {
            Parser::Json => writing(Sink::Buffers, || serde_json::to_writer(out, value)).0?,
            Parser::Msgpack => writing(Sink::Packet, || ser::to_writer(out, value)).0?,
        }
        self.check()
    }

    /// A received value, in the encoding of this message.
    pub fn raw(&mut self, value: &RawValue) -> Result<(), EncodeError> {
        self.separate();
        self.values(value.parser(), value.as_bytes(), value)?;
        self.check()
    }

    /// An event as an array: its name, then its arguments.
    pub fn event(&mut self, event: &Event) -> Result<(), EncodeError> {
        let all = event.args().with_name();
        self.array(all.len());
        match (all.parser(), self.parser) {
            (Parser::Msgpack, Parser::Json) => {
                for (at, arg) in all.iter().enumerate() {
                    match event.name() {
                        // Numbers that JSON does not have. They would become null, which is no name of an event.
                        name @ ("NaN" | "Infinity" | "-Infinity") if at == 0 => self.text(name),
                        _ => self.raw(&arg.to_owned())?,
                    }
                }
            }
            (Parser::Json, Parser::Json) => {
                value::with_buffers(all.as_bytes(), all.attachments(), self.out, self.max_bytes)?;
            }
            (Parser::Json, Parser::Msgpack) => {
                value::to_msgpack(all.as_bytes(), all.attachments(), self.out, self.max_bytes)?;
            }
            (Parser::Msgpack, Parser::Msgpack) => dialect::for_servers(all.as_bytes(), self.out),
        }
        self.end_array();
        self.check()
    }

    fn values(&mut self, from: Parser, bytes: &[u8], value: &RawValue) -> Result<(), EncodeError> {
        match (from, self.parser) {
            (Parser::Json, Parser::Json) => {
                value::with_buffers(bytes, value.attachments(), self.out, self.max_bytes)
            }
            (Parser::Json, Parser::Msgpack) => {
                value::to_msgpack(bytes, value.attachments(), self.out, self.max_bytes)
            }
            (Parser::Msgpack, Parser::Msgpack) => {
                dialect::for_servers(bytes, self.out);
                Ok(())
            }
            (Parser::Msgpack, Parser::Json) => {
                let out = &mut *self.out;
                Ok(writing(Sink::Buffers, || json::write_json(value.as_bytes(), out)).0?)
            }
        }
    }

    fn check(&self) -> Result<(), EncodeError> {
        if self.out.len() > self.max_bytes { Err(EncodeError::TooLarge(self.max_bytes)) } else { Ok(()) }
    }

    fn open(&mut self, bracket: u8) {
        self.separate();
        self.out.push(bracket);
        self.comma = false;
    }

    fn close(&mut self, bracket: u8) {
        if self.parser == Parser::Json {
            self.out.push(bracket);
            self.comma = true;
        }
    }

    fn separate(&mut self) {
        if self.parser == Parser::Json {
            if self.comma {
                self.out.push(b',');
            }
            self.comma = true;
        }
    }
}

impl Event {
    /// Whether there is binary data among the arguments.
    pub fn has_binary(&self) -> bool {
        match self.args().parser() {
            Parser::Json => !self.args().attachments().is_empty(),
            Parser::Msgpack => dialect::has_binary(self.args().as_bytes()),
        }
    }
}

impl RawValue {
    /// Whether there is binary data in the value. A value of a JSON packet counts as binary if the packet has
    /// attachments.
    pub fn has_binary(&self) -> bool {
        match self.parser() {
            Parser::Json => !self.attachments().is_empty(),
            Parser::Msgpack => dialect::has_binary(self.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Limits;

    fn event(text: &'static str, attachments: &[&'static [u8]]) -> Event {
        let attachments = attachments.iter().map(|bytes| Bytes::from_static(bytes)).collect();
        Event::from_json_array(text.into(), attachments, &Limits::default()).unwrap()
    }

    fn write(parser: Parser, event: &Event, max: usize) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        Writer::new(parser, &mut out, max).event(event).map(|()| out)
    }

    #[test]
    fn an_event_in_all_encodings() {
        let sent = event(
            r#"["a",{"x":{"_placeholder":true,"num":1}},[-1,"\ud800é\n"],{"_placeholder":true,"num":0},18446744073709551616]"#,
            &[b"\x01\xff", b""],
        );
        let json = write(Parser::Json, &sent, 1000).unwrap();
        assert_eq!(
            std::str::from_utf8(&json).unwrap(),
            r#"["a",{"x":{"type":"Buffer","data":[]}},[-1,"\ud800é\n"],{"type":"Buffer","data":[1,255]},18446744073709551616]"#
        );
        let msgpack = write(Parser::Msgpack, &sent, 1000).unwrap();
        let expected = b"\x95\xa1a\x81\xa1x\xc4\0\x92\xff\xa6\xef\xbf\xbd\xc3\xa9\n\xc4\x02\x01\xff\xcb\x43\xf0\0\0\0\0\0\0";
        assert_eq!(msgpack, expected);
        let back = Event::from_msgpack_array(msgpack.clone().into(), &Limits::default()).unwrap();
        assert!(sent.has_binary() && back.has_binary());
        assert_eq!(write(Parser::Msgpack, &back, 1000).unwrap(), msgpack);
        assert_eq!(
            std::str::from_utf8(&write(Parser::Json, &back, 1000).unwrap()).unwrap(),
            "[\"a\",{\"x\":{\"type\":\"Buffer\",\"data\":[]}},[-1,\"\u{fffd}é\\n\"],{\"type\":\"Buffer\",\"data\":[1,255]},1.8446744073709552e+19]"
        );
    }

    #[test]
    fn a_name_that_is_no_number_of_json_is_a_text() {
        let names = [
            (&b"\x92\xcb\x7f\xf8\0\0\0\0\0\0\x01"[..], r#"["NaN",1]"#),
            (b"\x92\xcb\xff\xf0\0\0\0\0\0\0\x01", r#"["-Infinity",1]"#),
            (b"\x92\xa3NaN\x01", r#"["NaN",1]"#),
            (b"\x92\x07\xcb\x7f\xf8\0\0\0\0\0\0", "[7,null]"),
        ];
        for (msgpack, json) in names {
            let event = Event::from_msgpack_array(Bytes::from_static(msgpack), &Limits::default()).unwrap();
            let written = write(Parser::Json, &event, 100).unwrap();
            assert_eq!(String::from_utf8_lossy(&written), json);
            let again = Event::from_json_array(written.into(), Vec::new(), &Limits::default()).unwrap();
            assert_eq!(again.name(), event.name());
        }
    }

    /// A few bytes per placeholder could otherwise become a whole attachment each.
    #[test]
    fn many_placeholders_of_one_attachment_are_limited() {
        let placeholders = vec![r#"{"_placeholder":true,"num":0}"#; 100].join(",");
        let text = format!(r#"["a",{placeholders}]"#);
        let attachment = Bytes::from(vec![7; 10_000]);
        let event = Event::from_json_array(text.into(), vec![attachment], &Limits::default()).unwrap();
        for parser in [Parser::Json, Parser::Msgpack] {
            assert!(matches!(write(parser, &event, 100_000), Err(EncodeError::TooLarge(100_000))));
            assert!(write(parser, &event, 10_000_000).is_ok());
        }
    }

    #[test]
    fn separators() {
        let mut out = Vec::new();
        let mut writer = Writer::new(Parser::Json, &mut out, 1000);
        writer.object(3);
        writer.key("a").array(2);
        writer.number(1);
        writer.object(0);
        writer.end_object();
        writer.end_array();
        writer.key("b").null();
        writer.key("\"").value(&[true]).unwrap();
        writer.end_object();
        assert_eq!(out, br#"{"a":[1,{}],"b":null,"\"":[true]}"#);
    }
}
