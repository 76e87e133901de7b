//! The body of a request or response: a number of bytes, or chunks (RFC 9112, 7.1).

use thiserror::Error;

/// The largest size of chunk extensions and trailers, which are skipped. No known client sends any.
const MAX_SKIPPED: usize = 16 * 1024;
/// The largest number of digits of a chunk length. A longer number could overflow.
const MAX_DIGITS: u8 = 15;

/// The framing of a body: how its end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// The body violates the chunked coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the body is malformed")]
pub(crate) struct MalformedBody;

/// Decodes one body as its bytes arrive.
#[derive(Debug)]
pub(crate) struct BodyDecoder {
    state: State,
    skipped: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// This many bytes are left.
    Rest(u64),
    /// The length of a chunk, in hexadecimal digits.
    Size {
        size: u64,
        digits: u8,
    },
    /// White space after the length. Only the end of the line or an extension may follow.
    SizeSpace {
        size: u64,
    },
    /// After the semicolon, up to the end of the line.
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    Chunk(u64),
    ChunkCr,
    ChunkLf,
    /// At the start of a trailer line, which may be the final empty line.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
    /// The body is malformed. This state is final, as the position in the stream is lost.
    Malformed,
}

impl BodyDecoder {
    pub(crate) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Rest(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
        };
        Self { state, skipped: 0 }
    }

    /// Whether the body is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The next piece of the body in these bytes, and the number of bytes consumed. An empty piece means that
    /// all bytes are consumed or that the body is complete.
    pub(crate) fn decode<'b>(&mut self, bytes: &'b [u8]) -> Result<(&'b [u8], usize), MalformedBody> {
        let mut used = 0;
        while let Some(&byte) = bytes.get(used) {
            if let State::Rest(left) | State::Chunk(left) = &mut self.state {
                let rest = bytes.get(used..).unwrap_or_default();
                let len = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= len as u64;
                self.state = match self.state {
                    State::Rest(0) => State::Done,
                    State::Chunk(0) => State::ChunkCr,
                    state => state,
                };
                return Ok((rest.get(..len).unwrap_or_default(), used + len));
            }
            if self.state == State::Done {
                break;
            }
            match self.step(byte) {
                Ok(state) => self.state = state,
                Err(malformed) => {
                    self.state = State::Malformed;
                    return Err(malformed);
                }
            }
            used += 1;
        }
        Ok((&[], used))
    }

    /// Appends the whole part of the body in these bytes, and returns the number of bytes consumed. One call
    /// avoids the cost per piece: a body in chunks of one byte has as many pieces as bytes.
    pub(crate) fn decode_into(&mut self, bytes: &[u8], body: &mut Vec<u8>) -> Result<usize, MalformedBody> {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty() && !self.is_done()) {
            let (piece, more) = self.decode(rest)?;
            body.extend_from_slice(piece);
            used += more;
        }
        Ok(used)
    }

    fn step(&mut self, byte: u8) -> Result<State, MalformedBody> {
        Ok(match (self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() && digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                State::Size { size: size * 16 + u64::from(digit), digits: digits + 1 }
            }
            (State::Size { size, digits: 1.. }, b'\r') => State::SizeLf { size },
            (State::Size { size, digits: 1.. } | State::SizeSpace { size }, b';') => {
                State::Extension { size }
            }
            (State::Size { size, digits: 1.. }, b' ' | b'\t') => State::SizeSpace { size },
            (state @ State::SizeSpace { .. }, b' ' | b'\t') => self.skip(state)?,
            (State::SizeSpace { size } | State::Extension { size }, b'\r') => State::SizeLf { size },
            // "Field values containing CR, LF, or NUL characters are invalid and dangerous" (RFC 9110, 5.5).
            // Other control characters are invalid too.
            (
                State::Extension { .. } | State::TrailerStart | State::Trailer,
                0..=8 | 10..=12 | 14..=31 | 127,
            ) => {
                return Err(MalformedBody);
            }
            (state @ State::Extension { .. }, _) => self.skip(state)?,
            (State::SizeLf { size: 0 }, b'\n') | (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::SizeLf { size }, b'\n') => State::Chunk(size),
            (State::ChunkCr, b'\r') => State::ChunkLf,
            (State::ChunkLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::Trailer, _) => self.skip(State::Trailer)?,
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(MalformedBody),
        })
    }

    fn skip(&mut self, state: State) -> Result<State, MalformedBody> {
        self.skipped += 1;
        if self.skipped > MAX_SKIPPED { Err(MalformedBody) } else { Ok(state) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a body that arrives in pieces of `step` bytes, with the bytes behind it.
    fn decode(framing: Framing, bytes: &[u8], step: usize) -> Result<(Vec<u8>, bool, usize), MalformedBody> {
        let mut decoder = BodyDecoder::new(framing);
        let (mut body, mut taken) = (Vec::new(), 0);
        for piece in bytes.chunks(step) {
            let mut piece = piece;
            while !piece.is_empty() && !decoder.is_done() {
                let (data, used) = decoder.decode(piece)?;
                body.extend_from_slice(data);
                taken += used;
                piece = &piece[used..];
            }
        }
        Ok((body, decoder.is_done(), taken))
    }

    #[test]
    fn so_many_bytes() {
        for step in 1..7 {
            assert_eq!(decode(Framing::Length(3), b"abcdef", step), Ok((b"abc".to_vec(), true, 3)));
            assert_eq!(decode(Framing::Length(9), b"abcdef", step), Ok((b"abcdef".to_vec(), false, 6)));
        }
        assert_eq!(decode(Framing::Length(0), b"abc", 1), Ok((Vec::new(), true, 0)));
    }

    #[test]
    fn chunks() {
        let text = b"3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: a\r\nb: c\r\n\r\nGET";
        for step in 1..text.len() {
            let all = Ok((b"abc0123456789".to_vec(), true, text.len() - 3));
            assert_eq!(decode(Framing::Chunked, text, step), all, "{step}");
        }
    }

    #[test]
    fn many_chunks_are_taken_at_once() {
        let text = [&b"1\r\na\r\n".repeat(1000)[..], b"0\r\n\r\nGET"].concat();
        let (mut decoder, mut body) = (BodyDecoder::new(Framing::Chunked), Vec::new());
        assert_eq!(decoder.decode_into(&text, &mut body), Ok(text.len() - 3));
        assert_eq!((body, decoder.is_done()), (vec![b'a'; 1000], true));
        assert_eq!(decoder.decode_into(b"GET", &mut Vec::new()), Ok(0));
        let mut decoder = BodyDecoder::new(Framing::Chunked);
        assert_eq!(decoder.decode_into(b"1\r\na\r\nx", &mut Vec::new()), Err(MalformedBody));
    }

    #[test]
    fn chunks_that_are_none() {
        for text in [
            "\r\n",
            ";\r\n",
            "g\r\n",
            "-1\r\n",
            "0x1\r\n",
            "1\n",
            "1;a\n",
            "1\r\nab",
            "1\r\na\n",
            "1\r\na\r\r",
            "0\r\na: b\n",
            "0\r\n\n",
            "0\r\n\r\r",
            "1\rx",
            "1 5\r\n",
            "1 a;b\r\n",
            "1;a\0b\r\n",
            "0\r\na: \u{1b}\r\n",
            "0\r\n\0",
            "ffffffffffffffff\r\n",
        ] {
            for step in 1..=text.len() {
                assert_eq!(decode(Framing::Chunked, text.as_bytes(), step), Err(MalformedBody), "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_skipped_has_a_limit() {
        let long = "a".repeat(MAX_SKIPPED);
        assert!(decode(Framing::Chunked, format!("1;{long}\r\na").as_bytes(), 100).is_ok());
        assert!(decode(Framing::Chunked, format!("1;{long}a\r\na").as_bytes(), 100).is_err());
        assert!(decode(Framing::Chunked, format!("1;{long}\r\na\r\n1;a\r\na").as_bytes(), 100).is_err());
        assert!(decode(Framing::Chunked, format!("0\r\n{long}a").as_bytes(), 100).is_err());
    }
}
