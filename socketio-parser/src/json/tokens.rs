//! Parts of JSON tokens: the search for the end of a string; and long strings, escapes and fractions, which are rare
//! and stay out of the scanner's hot loops.

const ONES: u64 = 0x0101_0101_0101_0101;
/// The high bit of each of eight bytes.
pub(super) const HIGH: u64 = 0x8080_8080_8080_8080;
const QUOTES: u64 = ONES * b'"' as u64;
const BACKSLASHES: u64 = ONES * b'\\' as u64;
const SPACES: u64 = ONES * b' ' as u64;

/// The high bit of each quote, backslash and control character among eight bytes. Only the first one is certain.
#[inline(always)]
pub(super) fn stops(word: u64) -> u64 {
    // The classic zero-byte test, after an XOR that turns the sought byte into zero. A borrow can produce false hits
    // only above the first hit.
    let quote = word ^ QUOTES;
    let backslash = word ^ BACKSLASHES;
    ((quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(SPACES) & !word))
        & HIGH
}

/// The rest of a long string, or of one near the end of the text: first in blocks that the compiler
/// vectorizes, then byte by byte. Returns the position of the stop byte and the combined high bits.
#[inline(never)]
pub(super) fn long(text: &[u8], mut at: usize, mut high: u64) -> (usize, u64) {
    while let Some(block) = text.get(at..).and_then(|rest| rest.first_chunk::<64>()) {
        let mut stop = 0u8;
        let mut seen = 0u8;
        for &byte in block {
            stop |= u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < b' ');
            seen |= byte;
        }
        if stop != 0 {
            break;
        }
        high |= u64::from(seen);
        at += 64;
    }
    while let Some(&byte) = text.get(at) {
        if byte == b'"' || byte == b'\\' || byte < b' ' {
            break;
        }
        high |= u64::from(byte);
        at += 1;
    }
    (at, high)
}

/// Appends a text up to the first word with a byte that cannot stand in quotes. Returns whether that is all of it.
/// Copies of a fixed length need no call, and most texts are short.
#[cfg(feature = "msgpack")]
pub(super) fn push_plain(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let end = out.len() + text.len();
    let mut rest = text;
    while let Some((word, more)) = rest.split_first_chunk::<8>() {
        if stops(u64::from_le_bytes(*word)) != 0 {
            return false;
        }
        out.extend_from_slice(word);
        rest = more;
    }
    match text.last_chunk::<8>() {
        // The last word overlaps the one before it.
        Some(word) => {
            out.truncate(end - word.len());
            out.extend_from_slice(word);
            stops(u64::from_le_bytes(*word)) == 0
        }
        None => rest.iter().all(|&byte| {
            out.push(byte);
            !(byte == b'"' || byte == b'\\' || byte < b' ')
        }),
    }
}

/// An escape sequence, from its backslash. Returns the position after it, or the position of the error.
#[cold]
pub(super) fn escape(text: &[u8], at: usize) -> Result<usize, usize> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let digits = text.get(at + 2..at + 6);
            if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                Ok(at + 6)
            } else {
                Err(at)
            }
        }
        _ => Err(at),
    }
}

/// The fraction and the exponent of a number. Returns the position after them, or the position of the error.
#[inline(never)]
pub(super) fn fraction(text: &[u8], mut at: usize) -> Result<usize, usize> {
    let digits = |mut at: usize| {
        let start = at;
        while text.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        if at > start { Ok(at) } else { Err(at) }
    };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = digits(at)?;
    }
    Ok(at)
}
