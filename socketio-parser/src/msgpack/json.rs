//! Conversion of msgpack to JSON, for servers that use one encoding and clients that use the other.
//!
//! JSON has fewer types: `undefined` becomes `null` and is left out of objects, non-finite numbers become
//! `null`, dates become text. The result equals that of `JSON.stringify`.

use bytes::Bytes;

use super::date;
use super::token::{Token, token};
use crate::ValueError;
use crate::attachments::{Sink, leave, writing};
use crate::json::text::{push_buffer, push_decimal};
use crate::limits::DEPTH_CEILING;

/// The JSON text of a value, and its attachments.
pub(crate) fn to_json(value: &Bytes) -> Result<(Vec<u8>, Vec<Bytes>), ValueError> {
    let mut out = Vec::with_capacity(value.len() * 2);
    let (written, sink) = writing(Sink::Attachments(Vec::new()), || write_json(value, &mut out));
    written?;
    match sink {
        Some(Sink::Attachments(attachments)) => Ok((out, attachments)),
        _ => Ok((out, Vec::new())),
    }
}

/// Appends the JSON text of a value, and moves its binary data into the packet that is being written.
pub(crate) fn write_json(value: &Bytes, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let mut writer = Writer { value, at: 0, out };
    writer.value(0)
}

struct Writer<'a> {
    value: &'a Bytes,
    at: usize,
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    fn next(&mut self) -> Result<Token<'a>, ValueError> {
        let (token, next) = token(self.value, self.at).ok_or_else(ValueError::malformed)?;
        self.at = next;
        Ok(token)
    }

    fn value(&mut self, depth: u32) -> Result<(), ValueError> {
        let token = self.next()?;
        self.token(token, depth)
    }

    /// The recursion is as deep as the decoder's depth limit.
    fn token(&mut self, token: Token<'a>, depth: u32) -> Result<(), ValueError> {
        if depth > DEPTH_CEILING {
            return Err(ValueError::new("recursion limit exceeded"));
        }
        match token {
            Token::Nil | Token::Undefined => self.text(b"null"),
            Token::Bool(true) => self.text(b"true"),
            Token::Bool(false) => self.text(b"false"),
            Token::Unsigned(number) => push_decimal(self.out, number),
            Token::Signed(number) => self.signed(number),
            Token::Float(number) => self.print(&number)?,
            Token::Str(text) => self.string(text)?,
            Token::Bin(content) => self.binary(content)?,
            Token::Date(milliseconds) => self.print(&date::iso(milliseconds))?,
            Token::Ext(kind, content) => {
                self.text(b"[");
                self.signed(kind.into());
                self.text(b",");
                self.binary(content)?;
                self.text(b"]");
            }
            Token::Array(length) => {
                self.text(b"[");
                for index in 0..length {
                    if index > 0 {
                        self.text(b",");
                    }
                    self.value(depth + 1)?;
                }
                self.text(b"]");
            }
            Token::Map(length) => self.map(length, depth)?,
        }
        Ok(())
    }

    fn map(&mut self, length: u64, depth: u32) -> Result<(), ValueError> {
        self.text(b"{");
        let mut first = true;
        for _ in 0..length {
            let key = self.next()?;
            let value = self.next()?;
            if value == Token::Undefined {
                continue;
            }
            if !first {
                self.text(b",");
            }
            first = false;
            match key {
                Token::Str(key) => self.string(key)?,
                Token::Unsigned(key) => self.print(&key.to_string())?,
                Token::Signed(key) => self.print(&key.to_string())?,
                _ => return Err(ValueError::malformed()),
            }
            self.text(b":");
            self.token(value, depth + 1)?;
        }
        self.text(b"}");
        Ok(())
    }

    fn text(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn signed(&mut self, number: i64) {
        if number < 0 {
            self.text(b"-");
        }
        push_decimal(self.out, number.unsigned_abs());
    }

    fn string(&mut self, text: &[u8]) -> Result<(), ValueError> {
        let text = std::str::from_utf8(text).map_err(|_| ValueError::malformed())?;
        self.print(text)
    }

    fn print<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        serde_json::to_writer(&mut *self.out, value).map_err(ValueError::new)
    }

    fn binary(&mut self, content: &[u8]) -> Result<(), ValueError> {
        match leave(&self.value.slice_ref(content)) {
            Some(crate::attachments::Form::Placeholder(index)) => {
                self.text(b"{\"_placeholder\":true,\"num\":");
                push_decimal(self.out, index as u64);
                self.text(b"}");
                Ok(())
            }
            Some(crate::attachments::Form::Buffer) => {
                push_buffer(self.out, content);
                Ok(())
            }
            _ => Err(ValueError::new("binary data outside of a packet")),
        }
    }
}
