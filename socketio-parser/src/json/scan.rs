//! The one pass over a packet's JSON: is it well-formed, how deep is it, where does each argument lie.
//!
//! It never recurses and never allocates for text that has up to three arguments. What it lets pass is the grammar
//! of RFC 8259, which is also what `JSON.parse` accepts: numbers of any size and unpaired surrogate escapes
//! are text like any other, and it is for the type that somebody asks for to say whether it can hold them.

use crate::json::spans::{Span, Spans};
use crate::limits::Limit;
use crate::{DecodeError, Limits};

/// What the first element of an argument list is, as far as an event name is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// There is none.
    Missing,
    /// A string without escapes: the span without its quotes is the name.
    Plain,
    /// A string with escapes.
    Escaped,
    Number,
    Other,
}

/// An argument list that was found well-formed.
#[derive(Debug)]
pub(crate) struct Array {
    pub(crate) spans: Spans,
    pub(crate) first: First,
}

/// Checks an array that fills `text` from `at` to its end.
pub(crate) fn array(text: &[u8], at: usize, limits: &Limits) -> Result<Array, DecodeError> {
    let mut scan = Scan::new(text, at, limits.depth());
    let mut spans = Spans::default();
    let mut first = First::Missing;
    if limits.depth() == 0 {
        return Err(DecodeError::Limit(Limit::Depth));
    }
    scan.expect(b'[')?;
    scan.space();
    if scan.peek() == Some(b']') {
        scan.at += 1;
    } else {
        loop {
            let start = scan.at;
            let escaped = scan.value(1)?;
            if spans.len() == 0 {
                first = match text.get(start) {
                    Some(b'"') if escaped => First::Escaped,
                    Some(b'"') => First::Plain,
                    Some(b'-' | b'0'..=b'9') => First::Number,
                    _ => First::Other,
                };
            }
            if spans.len() >= limits.max_arguments as usize {
                return Err(DecodeError::Limit(Limit::Arguments));
            }
            spans.push(Span { start: offset(start), end: offset(scan.at) });
            scan.space();
            match scan.peek() {
                Some(b',') => {
                    scan.at += 1;
                    scan.space();
                }
                Some(b']') => {
                    scan.at += 1;
                    break;
                }
                _ => return Err(scan.fault()),
            }
        }
    }
    scan.finish()?;
    Ok(Array { spans, first })
}

/// Checks a value that fills `text` from `at` to its end, and says where it lies.
pub(crate) fn single(text: &[u8], at: usize, limits: &Limits) -> Result<Span, DecodeError> {
    let mut scan = Scan::new(text, at, limits.depth());
    scan.space();
    let start = scan.at;
    scan.value(0)?;
    let end = scan.at;
    scan.finish()?;
    Ok(Span { start: offset(start), end: offset(end) })
}

/// Packets are never longer than `u32::MAX`: the decoder has checked.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    begin: usize,
    max_depth: u32,
    /// The high bits of every byte seen in strings. While it is zero the text is ASCII and needs no UTF-8 check.
    high: u64,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
const QUOTES: u64 = ONES * b'"' as u64;
const BACKSLASHES: u64 = ONES * b'\\' as u64;
const SPACES: u64 = ONES * b' ' as u64;

impl<'a> Scan<'a> {
    fn new(text: &'a [u8], at: usize, max_depth: u32) -> Self {
        Self { text, at, begin: at, max_depth, high: 0 }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[cold]
    fn fault(&self) -> DecodeError {
        DecodeError::Json { at: offset(self.at) }
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Result<(), DecodeError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fault())
        }
    }

    #[inline(always)]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Only white space may follow; and what was skipped as the inside of strings must be UTF-8.
    #[inline]
    fn finish(&mut self) -> Result<(), DecodeError> {
        self.space();
        if self.at != self.text.len() {
            return Err(self.fault());
        }
        if self.high & HIGH != 0 {
            let json = self.text.get(self.begin..).unwrap_or_default();
            std::str::from_utf8(json).map_err(|_| DecodeError::Unicode)?;
        }
        Ok(())
    }

    /// Steps over one value that starts here, `depth` containers deep. For a string, says whether it has escapes.
    #[inline]
    fn value(&mut self, depth: u32) -> Result<bool, DecodeError> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string()
            }
            Some(b'{' | b'[') => self.container(depth).map(|()| false),
            _ => self.scalar().map(|()| false),
        }
    }

    /// Numbers, `true`, `false`, `null`.
    #[inline]
    fn scalar(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(self.fault()),
        }
    }

    /// An array or an object and everything in it, with one bit per open container.
    fn container(&mut self, base: u32) -> Result<(), DecodeError> {
        let mut open = Open::default();
        let mut depth = base;
        'value: loop {
            // A value starts here.
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.string()?;
                }
                Some(byte @ (b'{' | b'[')) => {
                    if depth >= self.max_depth {
                        return Err(DecodeError::Limit(Limit::Depth));
                    }
                    depth += 1;
                    self.at += 1;
                    open.push(depth, byte == b'{');
                    self.space();
                    if byte == b'{' {
                        if self.peek() != Some(b'}') {
                            self.key()?;
                            continue 'value;
                        }
                    } else if self.peek() != Some(b']') {
                        continue 'value;
                    }
                }
                _ => self.scalar()?,
            }
            // A value has ended here, or an empty container is about to.
            loop {
                let mut next = self.peek();
                if let Some(0..=b' ') = next {
                    self.space();
                    next = self.peek();
                }
                match next {
                    Some(b',') => {
                        self.at += 1;
                        self.space();
                        if open.in_object {
                            self.key()?;
                        }
                        continue 'value;
                    }
                    Some(b'}') if open.in_object => {}
                    Some(b']') if !open.in_object => {}
                    _ => return Err(self.fault()),
                }
                self.at += 1;
                depth -= 1;
                if depth == base {
                    return Ok(());
                }
                open.pop(depth);
            }
        }
    }

    /// An object's key, its colon and the space before the value.
    #[inline]
    fn key(&mut self) -> Result<(), DecodeError> {
        self.expect(b'"')?;
        self.string()?;
        if self.peek() != Some(b':') {
            self.space();
        }
        self.expect(b':')?;
        self.space();
        Ok(())
    }

    /// The rest of a string whose opening quote was taken. Says whether it has escapes.
    #[inline]
    fn string(&mut self) -> Result<bool, DecodeError> {
        let mut escaped = false;
        loop {
            match self.plain() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.fault()),
            }
        }
    }

    /// Steps over bytes that mean themselves, eight at a time, up to the quote, backslash or control character
    /// that ends them.
    #[inline(always)]
    fn plain(&mut self) -> Option<u8> {
        let mut rest = self.text.get(self.at..)?;
        let mut steps = 0u32;
        while let Some(chunk) = rest.first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            self.high |= word;
            // The classic test for a zero byte, after turning what is sought into zero. A borrow can only make
            // bytes above the first hit look like hits, and the first is the one that is used.
            let quote = word ^ QUOTES;
            let backslash = word ^ BACKSLASHES;
            let hits = ((quote.wrapping_sub(ONES) & !quote)
                | (backslash.wrapping_sub(ONES) & !backslash)
                | (word.wrapping_sub(SPACES) & !word))
                & HIGH;
            if hits != 0 {
                self.at += hits.trailing_zeros() as usize / 8;
                return self.peek();
            }
            self.at += 8;
            steps += 1;
            if steps == 4 {
                return self.long();
            }
            rest = &rest[8..];
        }
        self.tail()
    }

    /// As [`plain`](Self::plain), for strings that have shown to be long: blocks that the compiler turns into
    /// vector instructions.
    #[inline(never)]
    fn long(&mut self) -> Option<u8> {
        let mut rest = self.text.get(self.at..)?;
        while let Some(block) = rest.first_chunk::<64>() {
            let mut stop = 0u8;
            let mut high = 0u8;
            for &byte in block {
                stop |= u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < b' ');
                high |= byte;
            }
            self.high |= u64::from(high);
            if stop != 0 {
                break;
            }
            self.at += 64;
            rest = &rest[64..];
        }
        self.tail()
    }

    /// As [`plain`](Self::plain), byte by byte.
    #[inline]
    fn tail(&mut self) -> Option<u8> {
        loop {
            let byte = self.peek()?;
            self.high |= u64::from(byte);
            if byte == b'"' || byte == b'\\' || byte < b' ' {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    #[cold]
    fn escape(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                let digits = self.text.get(self.at + 1..self.at + 5);
                if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    self.at += 5;
                    Ok(())
                } else {
                    Err(self.fault())
                }
            }
            _ => Err(self.fault()),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<(), DecodeError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            // "Note that octal-like 010 is not a number": a leading zero stands alone.
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.fault()),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    #[inline(always)]
    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn some_digits(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            Some(b'0'..=b'9') => {
                self.digits();
                Ok(())
            }
            _ => Err(self.fault()),
        }
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Result<(), DecodeError> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.fault())
        }
    }
}

/// Which of the open containers are objects, one bit each.
#[derive(Default)]
struct Open {
    objects: [u64; 16],
    in_object: bool,
}

impl Open {
    /// `depth` is at most `DEPTH_CEILING`, which is less than the 1024 bits.
    #[inline(always)]
    fn push(&mut self, depth: u32, object: bool) {
        self.in_object = object;
        let word = &mut self.objects[(depth / 64) as usize % 16];
        let bit = 1 << (depth % 64);
        *word = if object { *word | bit } else { *word & !bit };
    }

    #[inline(always)]
    fn pop(&mut self, depth: u32) {
        self.in_object = self.objects[(depth / 64) as usize % 16] >> (depth % 64) & 1 == 1;
    }
}
