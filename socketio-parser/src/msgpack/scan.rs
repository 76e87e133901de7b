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
    let mut open: Vec<Open> = Vec::new();
    loop {
        let (token, next) = token(bytes, at).ok_or_else(|| malformed(at))?;
        // In a map keys and values take turns, keys first, so an even number is left where a key stands.
        let is_key = open.last().is_some_and(|open| open.map && open.left % 2 == 0);
        let (children, map) = match token {
            Token::Str(text) => {
                std::str::from_utf8(text).map_err(|_| DecodeError::Unicode)?;
                (0, false)
            }
            Token::Unsigned(_) | Token::Signed(_) => (0, false),
            // JavaScript makes strings of other keys too; no object that it encodes has any.
            _ if is_key => return Err(malformed(at)),
            Token::Array(length) => (u64::from(length), false),
            Token::Map(length) => (u64::from(length) * 2, true),
            _ => (0, false),
        };
        let container = matches!(token, Token::Array(_) | Token::Map(_));
        if container && depth as usize + open.len() >= max_depth as usize {
            return Err(DecodeError::Limit(Limit::Depth));
        }
        at = next;
        if let Some(open) = open.last_mut() {
            open.left -= 1;
        }
        if children > 0 {
            // Every value takes a byte at least: do not begin what cannot end.
            if children > (bytes.len() - at) as u64 {
                return Err(malformed(at));
            }
            open.push(Open { left: children, map });
        }
        while open.last().is_some_and(|open| open.left == 0) {
            open.pop();
        }
        if open.is_empty() {
            return Ok(at);
        }
    }
}

#[cold]
pub(super) fn malformed(at: usize) -> DecodeError {
    DecodeError::Msgpack { at: u32::try_from(at).unwrap_or(u32::MAX) }
}
