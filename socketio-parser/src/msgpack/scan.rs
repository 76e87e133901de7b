//! Stepping over msgpack values, and checking them on the way: well-formed, UTF-8, not too deep.

use super::token::{Token, token};
use crate::DecodeError;
use crate::limits::Limit;

/// A container that is still open.
struct Open {
    /// How many values are still to come; keys count.
    left: u64,
    map: bool,
}

/// Where the value at `at` ends, which is `depth` containers deep. Never recurses.
pub(super) fn skip(bytes: &[u8], mut at: usize, depth: u32, max_depth: u32) -> Result<usize, DecodeError> {
    // The containers around the innermost one, which is `current`; outside of all there is one value.
    let mut outer: Vec<Open> = Vec::new();
    let mut current = Open { left: 1, map: false };
    loop {
        let (token, next) = token(bytes, at).ok_or_else(|| malformed(at))?;
        // In a map keys and values take turns, keys first, so an even number is left where a key stands.
        let is_key = current.map && current.left % 2 == 0;
        current.left -= 1;
        match token {
            // Most are short and ASCII, and a loop is quicker than a call.
            Token::Str(text) if text.len() <= 32 && text.iter().all(u8::is_ascii) => {}
            Token::Str(text) => {
                std::str::from_utf8(text).map_err(|_| DecodeError::Unicode)?;
            }
            Token::Unsigned(_) | Token::Signed(_) => {}
            // JavaScript makes strings of other keys too; no object that it encodes has any.
            _ if is_key => return Err(malformed(at)),
            Token::Array(length) | Token::Map(length) => {
                if depth as usize + outer.len() >= max_depth as usize {
                    return Err(DecodeError::Limit(Limit::Depth));
                }
                let map = matches!(token, Token::Map(_));
                let left = length * if map { 2 } else { 1 };
                // Every value takes a byte at least: do not begin what cannot end.
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
pub(super) fn malformed(at: usize) -> DecodeError {
    DecodeError::Msgpack { at: u32::try_from(at).unwrap_or(u32::MAX) }
}
