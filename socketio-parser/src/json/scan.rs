//! The single pass over a packet's JSON: well-formedness, depth, and the position of each argument.
//!
//! The scanner does not recurse, and does not allocate for text with up to three arguments. It accepts the
//! grammar of RFC 8259, as `JSON.parse` does. Numbers of any size and unpaired surrogate escapes pass; the
//! requested type decides later whether it can hold them.

use super::open::Open;
use super::tokens::{HIGH, escape, fraction, long, stops};
use crate::json::spans::{Span, Spans};
use crate::limits::Limit;
use crate::{DecodeError, Limits};

/// Kind of the first element of an argument list, as a possible event name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// The list is empty.
    Missing,
    /// A string without escapes. The span without its quotes is the name.
    Plain,
    /// A string with escapes.
    Escaped,
    Number,
    Other,
}

/// A well-formed argument list.
#[derive(Debug)]
pub(crate) struct Array {
    pub(crate) spans: Spans,
    pub(crate) first: First,
}

/// Checks an array that extends from `at` to the end of `text`.
#[inline(always)]
pub(crate) fn array(text: &[u8], at: usize, limits: &Limits) -> Result<Array, DecodeError> {
    let mut cursor = Cursor { text, at, high: 0 };
    let mut spans = Spans::default();
    let mut first = First::Missing;
    let depth = limits.depth();
    if depth == 0 {
        return Err(DecodeError::Limit(Limit::Depth));
    }
    cursor.expect(b'[')?;
    cursor.space();
    if cursor.peek() == b']' {
        cursor.at += 1;
    } else {
        loop {
            let start = cursor.at;
            let byte = cursor.peek();
            let escaped = cursor.value(1, depth)?;
            if spans.len() == 0 {
                first = match byte {
                    b'"' if escaped => First::Escaped,
                    b'"' => First::Plain,
                    b'-' | b'0'..=b'9' => First::Number,
                    _ => First::Other,
                };
            }
            if spans.len() >= limits.max_arguments as usize {
                return Err(DecodeError::Limit(Limit::Arguments));
            }
            spans.push(Span { start: offset(start), end: offset(cursor.at) });
            cursor.space();
            match cursor.peek() {
                b',' => {
                    cursor.at += 1;
                    cursor.space();
                }
                b']' => {
                    cursor.at += 1;
                    break;
                }
                _ => return Err(cursor.fault()),
            }
        }
    }
    cursor.finish(at)?;
    Ok(Array { spans, first })
}

/// Checks a value that extends from `at` to the end of `text`, and returns its position.
pub(crate) fn single(text: &[u8], at: usize, limits: &Limits) -> Result<Span, DecodeError> {
    let mut cursor = Cursor { text, at, high: 0 };
    cursor.space();
    let start = cursor.at;
    cursor.value(0, limits.depth())?;
    let end = cursor.at;
    cursor.finish(at)?;
    Ok(Span { start: offset(start), end: offset(end) })
}

/// Checks an object that is the whole text, and passes the key and the position of the value of each member on.
/// Does not check the text for UTF-8.
#[inline(always)]
pub(crate) fn object<'a>(
    text: &'a [u8],
    limits: &Limits,
    mut member: impl FnMut(&'a [u8], Span),
) -> Result<(), DecodeError> {
    let depth = limits.depth();
    if depth == 0 {
        return Err(DecodeError::Limit(Limit::Depth));
    }
    let mut cursor = Cursor { text, at: 0, high: 0 };
    cursor.space();
    cursor.expect(b'{')?;
    cursor.space();
    let mut more = cursor.peek() != b'}';
    while more {
        let key = cursor.at;
        cursor.expect(b'"')?;
        cursor.string()?;
        let key = text.get(key..cursor.at).unwrap_or_default();
        cursor.space();
        cursor.expect(b':')?;
        cursor.space();
        let value = cursor.at;
        cursor.value(1, depth)?;
        member(key, Span { start: offset(value), end: offset(cursor.at) });
        cursor.space();
        more = cursor.peek() == b',';
        if more {
            cursor.at += 1;
            cursor.space();
        }
    }
    cursor.expect(b'}')?;
    cursor.space();
    if cursor.at == text.len() { Ok(()) } else { Err(cursor.fault()) }
}

/// End of the value at `at`, which is inside `depth` containers. Does not check the text for UTF-8.
#[cfg(feature = "msgpack")]
pub(crate) fn end(text: &[u8], at: usize, depth: u32, max_depth: u32) -> Result<usize, DecodeError> {
    let mut cursor = Cursor { text, at, high: 0 };
    cursor.value(depth, max_depth)?;
    Ok(cursor.at)
}

/// End of the string at `at`, and whether it has escapes. Does not check the text for UTF-8.
#[cfg(feature = "msgpack")]
pub(crate) fn string(text: &[u8], at: usize) -> Result<(usize, bool), DecodeError> {
    let mut cursor = Cursor { text, at, high: 0 };
    cursor.expect(b'"')?;
    let is_escaped = cursor.string()?;
    Ok((cursor.at, is_escaped))
}

/// The decoder has checked that a packet is not longer than `u32::MAX`.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Position in the text.
///
/// Code that runs per byte is inlined into the two loops that own a cursor, so that the position stays in a
/// register. Rare cases take the cursor by value.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    /// The combined high bits of all bytes in strings. While they are zero the text is ASCII and needs no
    /// UTF-8 check.
    high: u64,
}

impl Cursor<'_> {
    /// The current byte. The end of the text reads as NUL, which is part of no JSON token.
    #[inline(always)]
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[cold]
    fn fault(&self) -> DecodeError {
        DecodeError::Json { at: offset(self.at) }
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Result<(), DecodeError> {
        if self.peek() == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fault())
        }
    }

    #[inline(always)]
    fn space(&mut self) {
        while self.peek() <= b' ' && matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// Only white space may follow. The content of strings was skipped, so it is checked for UTF-8 here.
    #[inline(always)]
    fn finish(&mut self, begin: usize) -> Result<(), DecodeError> {
        self.space();
        if self.at != self.text.len() {
            return Err(self.fault());
        }
        if self.high & HIGH != 0 {
            let json = self.text.get(begin..).unwrap_or_default();
            std::str::from_utf8(json).map_err(|_| DecodeError::Unicode)?;
        }
        Ok(())
    }

    /// Steps over the value at the cursor, inside `depth` containers. For a string, returns whether it has
    /// escapes.
    #[inline(always)]
    fn value(&mut self, depth: u32, max_depth: u32) -> Result<bool, DecodeError> {
        match self.peek() {
            b'"' => {
                self.at += 1;
                self.string()
            }
            b'{' | b'[' => {
                *self = container(*self, depth, max_depth)?;
                Ok(false)
            }
            _ => self.scalar().map(|()| false),
        }
    }

    /// Numbers, `true`, `false`, `null`.
    #[inline(always)]
    fn scalar(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(*b"true"),
            b'n' => self.word(*b"null"),
            // "false" has five letters; the first one was consumed before.
            b'f' => {
                self.at += 1;
                self.word(*b"alse")
            }
            _ => Err(self.fault()),
        }
    }

    /// The key of an object, its colon and the white space before the value.
    #[inline(always)]
    fn key(&mut self) -> Result<(), DecodeError> {
        self.expect(b'"')?;
        self.string()?;
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(())
    }

    /// The rest of a string after its opening quote. Returns whether it has escapes.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, DecodeError> {
        let mut escaped = false;
        loop {
            self.plain();
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(escaped);
                }
                b'\\' => {
                    escaped = true;
                    match escape(self.text, self.at) {
                        Ok(at) => self.at = at,
                        Err(at) => return Err(DecodeError::Json { at: offset(at) }),
                    }
                }
                _ => return Err(self.fault()),
            }
        }
    }

    /// Steps over literal bytes, eight at a time, up to the next quote, backslash or control character.
    #[inline(always)]
    fn plain(&mut self) {
        for _ in 0..4 {
            let Some(chunk) = self.text.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) else {
                break;
            };
            let word = u64::from_le_bytes(*chunk);
            self.high |= word;
            let stops = stops(word);
            if stops != 0 {
                self.at += stops.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        (self.at, self.high) = long(self.text, self.at, self.high);
    }

    #[inline(always)]
    fn number(&mut self) -> Result<(), DecodeError> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        match self.peek() {
            // RFC 8259 allows no digits after a leading zero: 010 is invalid.
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return Err(self.fault()),
        }
        // Most numbers are integers and end here.
        if matches!(self.peek(), b'.' | b'e' | b'E') {
            match fraction(self.text, self.at) {
                Ok(at) => self.at = at,
                Err(at) => return Err(DecodeError::Json { at: offset(at) }),
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn digits(&mut self) {
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
    }

    #[inline(always)]
    fn word(&mut self, word: [u8; 4]) -> Result<(), DecodeError> {
        let here = self.text.get(self.at..).and_then(|rest| rest.first_chunk::<4>());
        if here == Some(&word) {
            self.at += 4;
            Ok(())
        } else {
            Err(self.fault())
        }
    }
}

/// The array or object at the cursor with all its content, with one bit per open container.
#[inline(never)]
fn container<'a>(from: Cursor<'a>, base: u32, max_depth: u32) -> Result<Cursor<'a>, DecodeError> {
    let mut cursor = from;
    let mut open = Open::default();
    let mut depth = base;
    'value: loop {
        // Next: the start of a value.
        match cursor.peek() {
            b'"' => {
                cursor.at += 1;
                cursor.string()?;
            }
            byte @ (b'{' | b'[') => {
                if depth >= max_depth {
                    return Err(DecodeError::Limit(Limit::Depth));
                }
                depth += 1;
                cursor.at += 1;
                open.push(depth, byte == b'{');
                cursor.space();
                if byte == b'{' {
                    if cursor.peek() != b'}' {
                        cursor.key()?;
                        continue 'value;
                    }
                } else if cursor.peek() != b']' {
                    continue 'value;
                }
            }
            _ => cursor.scalar()?,
        }
        // Next: the end of a value, or of an empty container.
        loop {
            cursor.space();
            match cursor.peek() {
                b',' => {
                    cursor.at += 1;
                    cursor.space();
                    if open.in_object {
                        cursor.key()?;
                    }
                    continue 'value;
                }
                b'}' if open.in_object => {}
                b']' if !open.in_object => {}
                _ => return Err(cursor.fault()),
            }
            cursor.at += 1;
            depth -= 1;
            if depth == base {
                return Ok(cursor);
            }
            open.pop(depth);
        }
    }
}
