//! The reader: a cursor over one message in either encoding.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use crate::attachments::Attachments;
use crate::json::scan;
use crate::json::spans::Span;
use crate::json::text::{unescape_into, unescape_lossy};
use crate::limits::{DEPTH_CEILING, Limit};
use crate::msgpack::scan::{malformed, skip};
use crate::msgpack::token::{Token, token};
use crate::value::Kind;
use crate::{DecodeError, Parser, RawValue};

/// A cursor over the values of one message. Each call reads the next value and checks it; what is skipped is
/// checked too. Nothing is allocated by a length that the message claims, and the nesting is limited.
///
/// ```
/// use bytes::Bytes;
/// use socketio_parser::codec::Reader;
/// use socketio_parser::{DecodeError, Parser};
///
/// let json = Bytes::from_static(br#"{"uid":"n1","ignored":[{}],"rooms":["a",7]}"#);
/// let msgpack = Bytes::from_static(b"\x82\xa3uid\xa2n1\xa5rooms\x92\xa1a\x07");
/// for (parser, message) in [(Parser::Json, json), (Parser::Msgpack, msgpack)] {
///     let mut reader = Reader::new(parser, &message, 100)?;
///     let (mut uid, mut rooms) = (None, Vec::new());
///     reader.members(|reader, key| -> Result<(), DecodeError> {
///         match key {
///             "uid" => uid = reader.text()?,
///             "rooms" => {
///                 reader.elements(|reader| -> Result<(), DecodeError> {
///                     rooms.push(reader.range()?.len());
///                     Ok(())
///                 })?;
///             }
///             _ => reader.skip()?,
///         }
///         Ok(())
///     })?;
///     reader.finish()?;
///     assert_eq!((uid.as_deref(), rooms.len()), (Some("n1"), 2));
/// }
/// # Ok::<(), DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a Bytes,
    /// The same as text, if it is JSON.
    text: &'a str,
    at: usize,
    /// End of the last value that was read, without the white space after it.
    end: usize,
    depth: u32,
    max_depth: u32,
    parser: Parser,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a message. `max_depth` is the maximum nesting of arrays and objects; larger
    /// values than 1000 have no effect.
    pub fn new(parser: Parser, bytes: &'a Bytes, max_depth: u32) -> Result<Self, DecodeError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(DecodeError::Limit(Limit::PacketBytes));
        }
        let text = match parser {
            Parser::Json => std::str::from_utf8(bytes).map_err(|_| DecodeError::Unicode)?,
            Parser::Msgpack => "",
        };
        let mut reader =
            Self { bytes, text, at: 0, end: 0, depth: 0, max_depth: max_depth.min(DEPTH_CEILING), parser };
        reader.space();
        Ok(reader)
    }

    /// Encoding of the message.
    pub fn parser(&self) -> Parser {
        self.parser
    }

    /// Type of the next value; `Missing` at the end of the message, for `undefined`, and for a byte that
    /// starts no value. A date of msgpack counts as a string, an extension as an array.
    pub fn kind(&self) -> Kind {
        match self.parser {
            Parser::Json => match self.peek() {
                b'n' => Kind::Null,
                b't' | b'f' => Kind::Bool,
                b'-' | b'0'..=b'9' => Kind::Number,
                b'"' => Kind::String,
                b'[' => Kind::Array,
                b'{' => Kind::Object,
                _ => Kind::Missing,
            },
            Parser::Msgpack => match token(self.bytes, self.at).map(|(token, _)| token) {
                None | Some(Token::Undefined) => Kind::Missing,
                Some(Token::Nil) => Kind::Null,
                Some(Token::Bool(_)) => Kind::Bool,
                Some(Token::Unsigned(_) | Token::Signed(_) | Token::Float(_)) => Kind::Number,
                Some(Token::Str(_) | Token::Date(_)) => Kind::String,
                Some(Token::Bin(_)) => Kind::Binary,
                Some(Token::Array(_) | Token::Ext(..)) => Kind::Array,
                Some(Token::Map(_)) => Kind::Object,
            },
        }
    }

    /// Steps over a value and returns its position.
    pub fn range(&mut self) -> Result<Range<usize>, DecodeError> {
        let start = self.at;
        self.at = match self.parser {
            Parser::Json => scan::end(self.bytes, start, self.depth, self.max_depth)?,
            Parser::Msgpack => skip(self.bytes, start, self.depth, self.max_depth)?,
        };
        self.end = self.at;
        self.space();
        Ok(start..self.end)
    }

    /// Steps over a value.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        self.range().map(drop)
    }

    /// Steps over a value and returns its bytes, which share the message.
    pub fn slice(&mut self) -> Result<Bytes, DecodeError> {
        self.range().map(|range| self.bytes.slice(range))
    }

    /// Steps over a value and returns it undecoded.
    pub fn raw(&mut self) -> Result<RawValue, DecodeError> {
        let start = self.at;
        self.skip()?;
        Ok(self.since(start))
    }

    /// Position of the next value.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Number of bytes from this position to the end of the message.
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// The value from this position to the end of the last value that was read, undecoded: a value whose
    /// members were read is available as a whole without a second pass.
    pub fn since(&self, position: usize) -> RawValue {
        // The message is not longer than `u32::MAX`.
        let span = Span { start: position as u32, end: self.end as u32 };
        RawValue::new(self.bytes, span, Attachments::default(), self.parser)
    }

    /// Reads a string; `None` for other types. An unpaired surrogate becomes U+FFFD.
    pub fn text(&mut self) -> Result<Option<Cow<'a, str>>, DecodeError> {
        if self.parser == Parser::Json {
            if self.peek() != b'"' {
                return self.skip().map(|()| None);
            }
            return self.json_text().map(Some);
        }
        let bytes: &'a [u8] = self.bytes;
        let range = self.range()?;
        match token(bytes, range.start) {
            Some((Token::Str(text), _)) => {
                std::str::from_utf8(text).map(Cow::Borrowed).map(Some).map_err(|_| DecodeError::Unicode)
            }
            _ => Ok(None),
        }
    }

    /// Reads the JSON string at the cursor, with the white space after it.
    fn json_text(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let start = self.at;
        let (end, is_escaped) = scan::string(self.bytes, start)?;
        (self.at, self.end) = (end, end);
        self.space();
        // Both ends are quotes.
        let inside = self.text.get(start + 1..end - 1).unwrap_or_default();
        Ok(if is_escaped { Cow::Owned(unescape(inside)) } else { Cow::Borrowed(inside) })
    }

    /// Reads a number as JavaScript does; `None` for other types.
    pub fn number(&mut self) -> Result<Option<f64>, DecodeError> {
        let kind = self.kind();
        let range = self.range()?;
        Ok(match self.parser {
            _ if kind != Kind::Number => None,
            Parser::Json => std::str::from_utf8(&self.bytes[range]).ok().and_then(|text| text.parse().ok()),
            Parser::Msgpack => match token(self.bytes, range.start) {
                Some((Token::Unsigned(number), _)) => Some(number as f64),
                Some((Token::Signed(number), _)) => Some(number as f64),
                Some((Token::Float(number), _)) => Some(number),
                _ => None,
            },
        })
    }

    /// Reads a value as JavaScript converts it to a boolean.
    pub fn truthy(&mut self) -> Result<bool, DecodeError> {
        match self.kind() {
            Kind::Bool => {
                let range = self.range()?;
                Ok(matches!(self.bytes[range], [0xc3] | [b't', ..]))
            }
            Kind::Number => Ok(self.number()?.is_some_and(|number| number != 0.0 && !number.is_nan())),
            Kind::String => Ok(self.text()?.is_none_or(|text| !text.is_empty())),
            kind => self.skip().map(|()| !matches!(kind, Kind::Missing | Kind::Null)),
        }
    }

    /// Calls `each` at the value of each member of an object, with the key. A value that `each` does not read
    /// is skipped. Of several equal keys each is passed, in order. Returns `false` for other types, after
    /// stepping over the value.
    pub fn members<E: From<DecodeError>>(
        &mut self,
        mut each: impl FnMut(&mut Self, &str) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.kind() != Kind::Object {
            self.skip()?;
            return Ok(false);
        }
        let length = self.enter()?;
        let mut index = 0;
        while self.more(length, index, b'}')? {
            let key = self.key()?;
            let value = self.at;
            each(self, &key)?;
            if self.at == value {
                self.skip()?;
            }
            index += 1;
        }
        self.depth -= 1;
        self.end = self.at;
        self.space();
        Ok(true)
    }

    /// Calls `each` at each element of an array. An element that `each` does not read is skipped. Returns
    /// `false` for other types, after stepping over the value.
    pub fn elements<E: From<DecodeError>>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<bool, E> {
        let is_list = match self.parser {
            Parser::Json => self.peek() == b'[',
            Parser::Msgpack => matches!(token(self.bytes, self.at), Some((Token::Array(_), _))),
        };
        if !is_list {
            self.skip()?;
            return Ok(false);
        }
        let length = self.enter()?;
        let mut index = 0;
        while self.more(length, index, b']')? {
            let value = self.at;
            each(self)?;
            if self.at == value {
                self.skip()?;
            }
            index += 1;
        }
        self.depth -= 1;
        self.end = self.at;
        self.space();
        Ok(true)
    }

    /// Checks that the message ends here.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.fault()) }
    }

    /// Steps over the start of a container; returns the number of its entries for msgpack.
    fn enter(&mut self) -> Result<u64, DecodeError> {
        if self.depth >= self.max_depth {
            return Err(DecodeError::Limit(Limit::Depth));
        }
        self.depth += 1;
        match self.parser {
            Parser::Json => {
                self.at += 1;
                self.space();
                Ok(0)
            }
            Parser::Msgpack => match token(self.bytes, self.at) {
                Some((Token::Array(length) | Token::Map(length), next)) => {
                    self.at = next;
                    Ok(length)
                }
                _ => Err(self.fault()),
            },
        }
    }

    /// Whether the container has another entry. Steps over the separator before it, or over the end.
    fn more(&mut self, length: u64, index: u64, end: u8) -> Result<bool, DecodeError> {
        if self.parser == Parser::Msgpack {
            return Ok(index < length);
        }
        match self.peek() {
            byte if byte == end => {
                self.at += 1;
                Ok(false)
            }
            b',' if index > 0 => {
                self.at += 1;
                self.space();
                // The end is no value, so a comma before it is an error.
                if self.peek() == end { Err(self.fault()) } else { Ok(true) }
            }
            _ if index == 0 => Ok(true),
            _ => Err(self.fault()),
        }
    }

    fn key(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let bytes: &'a [u8] = self.bytes;
        if self.parser == Parser::Msgpack {
            let Some((token, next)) = token(bytes, self.at) else { return Err(self.fault()) };
            let key = match token {
                Token::Str(key) => Cow::Borrowed(std::str::from_utf8(key).map_err(|_| DecodeError::Unicode)?),
                Token::Unsigned(key) => Cow::Owned(key.to_string()),
                Token::Signed(key) => Cow::Owned(key.to_string()),
                _ => return Err(self.fault()),
            };
            self.at = next;
            return Ok(key);
        }
        if self.peek() != b'"' {
            return Err(self.fault());
        }
        let key = self.json_text()?;
        if self.peek() != b':' {
            return Err(self.fault());
        }
        self.at += 1;
        self.space();
        Ok(key)
    }

    /// The current byte of a JSON text; NUL at its end, which is part of no token.
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        if self.parser == Parser::Json {
            while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
                self.at += 1;
            }
        }
    }

    #[cold]
    fn fault(&self) -> DecodeError {
        match self.parser {
            Parser::Json => DecodeError::Json { at: u32::try_from(self.at).unwrap_or(u32::MAX) },
            Parser::Msgpack => malformed(self.at),
        }
    }
}

/// The content of a JSON string with escapes.
fn unescape(inside: &str) -> String {
    let mut out = String::new();
    match unescape_into(inside.as_bytes(), &mut out) {
        Some(()) => out,
        None => unescape_lossy(inside.as_bytes()),
    }
}
