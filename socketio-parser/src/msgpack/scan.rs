//! Skipping and validation of msgpack values: well-formedness, UTF-8, depth.

use super::token::{Token, token};
use crate::DecodeError;
use crate::limits::Limit;

/// A container that is still open.
struct Open {
    /// Number of missing values, keys included.
    left: u64,
    map: bool,
}

/// End of the value at `at`, which is inside `depth` containers. Does not recurse.
pub(crate) fn skip(bytes: &[u8], mut at: usize, depth: u32, max_depth: u32) -> Result<usize, DecodeError> {
    // The containers around the innermost one, which is `current`. Outside of all containers exactly one
    // value is expected.
    let mut outer: Vec<Open> = Vec::new();
    let mut current = Open { left: 1, map: false };
    loop {
        let (token, next) = token(bytes, at).ok_or_else(|| malformed(at))?;
        // In a map keys and values alternate, keys first, so the remaining number is even before a key.
        let is_key = current.map && current.left % 2 == 0;
        current.left -= 1;
        match token {
            // Most keys are short ASCII, and a loop is faster than a call.
            Token::Str(text) if text.len() <= 32 && text.iter().all(u8::is_ascii) => {}
            Token::Str(text) => {
                std::str::from_utf8(text).map_err(|_| DecodeError::Unicode)?;
            }
            Token::Unsigned(_) | Token::Signed(_) => {}
            // JavaScript converts other keys to strings; the keys of an encoded object are always strings.
            _ if is_key => return Err(malformed(at)),
            Token::Array(length) | Token::Map(length) => {
                if depth as usize + outer.len() >= max_depth as usize {
                    return Err(DecodeError::Limit(Limit::Depth));
                }
                let map = matches!(token, Token::Map(_));
                let left = length * if map { 2 } else { 1 };
                // Every value takes at least one byte, so a larger count cannot be satisfied.
                if left > (bytes.len() - next) as u64 {
                    return Err(malformed(at));
                }
                outer.push(std::mem::replace(&mut current, Open { left, map }));
            }
            _ => {}
        }
        at = next;
        while current.left == 0 {
            match outer.pop() {
                Some(around) => current = around,
                None => return Ok(at),
            }
        }
    }
}

#[cold]
pub(crate) fn malformed(at: usize) -> DecodeError {
    DecodeError::Msgpack { at: u32::try_from(at).unwrap_or(u32::MAX) }
}
