//! UTF-8 text that shares the buffer in which it arrived.

use std::fmt;
use std::ops::Range;
use std::str::Utf8Error;

use bytes::{Buf, Bytes};

/// UTF-8 text in a shared buffer.
///
/// The bytes are checked once, at the creation of the value. A clone or a slice costs a reference count.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes);

impl Text {
    /// An empty text.
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// A text of static lifetime. No allocation.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Checks that the bytes are UTF-8 and keeps them, without a copy.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, Utf8Error> {
        std::str::from_utf8(&bytes)?;
        Ok(Self(bytes))
    }

    /// Keeps bytes that the caller has already checked.
    pub(crate) fn from_checked(bytes: Bytes) -> Self {
        debug_assert!(std::str::from_utf8(&bytes).is_ok());
        Self(bytes)
    }

    /// The length of the text in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The UTF-8 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The buffer, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The text as a string slice.
    ///
    /// Every call checks the whole text again: the crate has no unsafe code, and the standard library has no
    /// safe way to skip the check. Code that needs only bytes, such as a JSON parser, should use
    /// [`as_bytes`](Self::as_bytes). Code that needs the string several times should keep the slice.
    pub fn as_str(&self) -> &str {
        match std::str::from_utf8(&self.0) {
            Ok(text) => text,
            Err(_) => unreachable!("checked when the value was made"),
        }
    }

    /// A part of the text that shares its buffer. Both ends must be character boundaries.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        debug_assert!(self.is_boundary(range.start) && self.is_boundary(range.end));
        Self(self.0.slice(range))
    }

    /// The text without its first `len` bytes. Unlike a slice it keeps the same buffer handle, which saves a
    /// second reference. `len` must be a character boundary.
    pub(crate) fn skip(mut self, len: usize) -> Self {
        debug_assert!(self.is_boundary(len));
        self.0.advance(len);
        self
    }

    fn is_boundary(&self, index: usize) -> bool {
        // Only bytes of the form 10xxxxxx do not start a character.
        self.0.get(index).is_none_or(|byte| byte & 0xc0 != 0x80)
    }
}

impl TryFrom<Bytes> for Text {
    type Error = Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        Self::from_utf8(bytes)
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::from_static(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf8_becomes_text() {
        assert_eq!(Text::from_utf8(Bytes::from_static("h\u{20ac}".as_bytes())).unwrap(), "h\u{20ac}");
        for bytes in [&b"\xff"[..], b"a\xe2\x82", b"\xed\xa0\x80", b"\xc0\x80"] {
            assert!(Text::try_from(Bytes::from_static(bytes)).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn neither_making_nor_slicing_copies() {
        let owned = String::from("4h\u{20ac}llo");
        let at = owned.as_ptr();
        let text = Text::from(owned);
        assert_eq!(text.as_bytes().as_ptr(), at);
        let tail = text.slice(1..text.len());
        assert_eq!(tail, "h\u{20ac}llo");
        assert_eq!(tail.as_bytes().as_ptr(), at.wrapping_add(1));
        assert_eq!(Bytes::from(tail).as_ptr(), at.wrapping_add(1));
    }

    #[test]
    #[should_panic(expected = "is_boundary")]
    #[cfg(debug_assertions)]
    fn a_character_is_not_cut() {
        Text::from_static("\u{20ac}").slice(1..3);
    }

    #[test]
    fn prints_as_a_string_does() {
        let text = Text::from_static("say \"hi\"");
        assert_eq!(format!("{text}|{text:?}"), "say \"hi\"|\"say \\\"hi\\\"\"");
        assert!(Text::new().is_empty() && Text::default().is_empty());
    }
}
