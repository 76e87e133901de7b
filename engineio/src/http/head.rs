//! The head of a request: request line and headers.
//!
//! The parser is strict where two readers could interpret one message differently (RFC 9112, 11.2), because a
//! proxy in front of the server is such a reader. Lines end with CRLF, a length consists of digits and
//! appears once, and no body is both chunked and counted. The parser is lenient where the official server is
//! and no harm follows: a target may contain invalid characters.

use std::borrow::Cow;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use thiserror::Error;

use super::body::Framing;
use super::invalid_origin::InvalidOrigin;
use super::list::has_token;

/// The largest head in bytes.
pub(crate) const MAX_HEAD: usize = 16 * 1024;
/// The largest number of headers.
const MAX_HEADERS: usize = 100;

/// Finds the end of a head as its bytes arrive. It reads each byte once.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    scanned: usize,
}

impl Scanner {
    /// The length of the head at the start of these bytes, once it is complete. `bytes` must begin with the
    /// bytes of the last call.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        // Other protocols, such as TLS, are refused at once instead of after a timeout.
        if bytes.first().is_some_and(|byte| *byte != b'\r' && !byte.is_ascii_graphic()) {
            return Err(HeadError::Malformed);
        }
        for at in memchr::memchr_iter(b'\n', bytes.get(self.scanned..).unwrap_or_default()) {
            let line = bytes.get(..self.scanned + at).unwrap_or_default();
            let Some(line) = line.strip_suffix(b"\r") else { return Err(HeadError::Malformed) };
            if line.ends_with(b"\r\n") {
                let len = self.scanned + at + 1;
                self.scanned = 0;
                return if len > MAX_HEAD { Err(HeadError::TooLarge) } else { Ok(Some(len)) };
            }
        }
        self.scanned = bytes.len();
        if bytes.len() > MAX_HEAD { Err(HeadError::TooLarge) } else { Ok(None) }
    }
}

/// A request up to its body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) parts: Parts,
    pub(crate) framing: Framing,
    /// Whether the client may send another request on this connection.
    pub(crate) keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
}

/// The reason why a head was refused. The connection is unusable after it, as the start of the next request
/// is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum HeadError {
    #[error("the head of the request is malformed")]
    Malformed,
    #[error(
        "the head of the request is larger than {MAX_HEAD} bytes, or has more than {MAX_HEADERS} headers"
    )]
    TooLarge,
    #[error("the request is for another version of HTTP")]
    Version,
    #[error("the body is in a transfer coding other than chunked")]
    Coding,
    #[error("the request expects something other than 100-continue")]
    Expectation,
}

impl HeadError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
        }
    }
}

impl Head {
    /// Parses a head that [`Scanner`] found.
    pub(crate) fn parse(head: &Bytes) -> Result<Self, HeadError> {
        // The scanner ensures a CR in front of each LF. A CR alone is part of the line, and an error in it.
        let end_of_line = memchr::memchr(b'\n', head).ok_or(HeadError::Malformed)?;
        let (method, uri, version) = request_line(head, end_of_line.saturating_sub(1))?;
        let lines = head.get(end_of_line + 1..).unwrap_or_default();
        let (headers, invalid_origin) = match headers(head, lines) {
            Ok(headers) => (headers, None),
            Err(error) => without_invalid_origin(lines).ok_or(error)?,
        };
        check_host(&headers, version)?;
        let framing = framing(&headers, version)?;
        let expects_continue = expects_continue(&headers, version)?;
        let keep_alive = match version {
            Version::HTTP_11 => !has_token(&headers, header::CONNECTION, "close"),
            _ => has_token(&headers, header::CONNECTION, "keep-alive"),
        };
        let (mut parts, ()) = Request::new(()).into_parts();
        (parts.method, parts.uri, parts.version, parts.headers) = (method, uri, version, headers);
        if let Some(origin) = invalid_origin {
            parts.extensions.insert(origin);
        }
        Ok(Self { parts, framing, keep_alive, expects_continue })
    }
}

fn request_line(head: &Bytes, end: usize) -> Result<(Method, Uri, Version), HeadError> {
    let line = head.get(..end).unwrap_or_default();
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(HeadError::Malformed);
    };
    let version = match version {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(HeadError::Version);
        }
        _ => return Err(HeadError::Malformed),
    };
    let method = Method::from_bytes(method).map_err(|_| HeadError::Malformed)?;
    let uri = match escaped(target)? {
        Cow::Borrowed(_) => Uri::from_maybe_shared(head.slice_ref(target)),
        Cow::Owned(target) => Uri::from_maybe_shared(Bytes::from(target)),
    };
    Ok((method, uri.map_err(|_| HeadError::Malformed)?, version))
}

/// The target, with percent-encoding of the characters that a URI may not contain. Some clients do not
/// encode. The official server answers `?transport=<x>` with an error for an unknown transport, and does not
/// close the connection.
///
/// A fragment is refused: [`Uri`] drops it, so the server would answer another target than the one that a
/// proxy has checked.
fn escaped(target: &[u8]) -> Result<Cow<'_, [u8]>, HeadError> {
    if target.iter().any(|byte| byte.is_ascii_control() || *byte == b'#') {
        return Err(HeadError::Malformed);
    }
    let foreign =
        |byte: &u8| matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80..);
    if !target.iter().any(foreign) {
        return Ok(Cow::Borrowed(target));
    }
    let mut escaped = Vec::with_capacity(target.len() + 16);
    for byte in target {
        if foreign(byte) {
            let hex = |digit: u8| {
                char::from_digit(digit.into(), 16).map_or(b'0', |hex| hex.to_ascii_uppercase() as u8)
            };
            escaped.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
        } else {
            escaped.push(*byte);
        }
    }
    Ok(Cow::Owned(escaped))
}

fn headers(head: &Bytes, lines: &[u8]) -> Result<HeaderMap, HeadError> {
    let mut found = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let found = match httparse::parse_headers(lines, &mut found) {
        Ok(httparse::Status::Complete((_, found))) => found,
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        Ok(httparse::Status::Partial) | Err(_) => return Err(HeadError::Malformed),
    };
    let mut headers = HeaderMap::with_capacity(found.len());
    for header in found {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| HeadError::Malformed)?;
        let value =
            HeaderValue::from_maybe_shared(head.slice_ref(header.value)).map_err(|_| HeadError::Malformed)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The headers of a request whose only fault is its origin.
fn without_invalid_origin(lines: &[u8]) -> Option<(HeaderMap, Option<InvalidOrigin>)> {
    let (origin, lines) = InvalidOrigin::take(lines)?;
    let mut headers = headers(&lines, &lines).ok()?;
    headers.append(header::ORIGIN, origin.to_value()?);
    Some((headers, Some(origin)))
}

/// "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a
/// Host header field and to any request message that contains more than one" (RFC 9112, 3.2).
fn check_host(headers: &HeaderMap, version: Version) -> Result<(), HeadError> {
    match headers.get_all(header::HOST).iter().count() {
        1 => Ok(()),
        0 if version == Version::HTTP_10 => Ok(()),
        _ => Err(HeadError::Malformed),
    }
}

fn framing(headers: &HeaderMap, version: Version) -> Result<Framing, HeadError> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let value = decimal(value.as_bytes()).ok_or(HeadError::Malformed)?;
        if length.is_some_and(|length| length != value) {
            return Err(HeadError::Malformed);
        }
        length = Some(value);
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(Framing::Length(length.unwrap_or(0))) };
    if length.is_some() || version != Version::HTTP_11 || codings.next().is_some() {
        return Err(HeadError::Malformed);
    }
    if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(HeadError::Coding);
    }
    Ok(Framing::Chunked)
}

/// Digits only; `str::parse` would accept a sign.
fn decimal(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn expects_continue(headers: &HeaderMap, version: Version) -> Result<bool, HeadError> {
    match headers.get(header::EXPECT) {
        // "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that
        // expectation."
        Some(_) if version == Version::HTTP_10 => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(HeadError::Expectation),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Head, HeadError> {
        Head::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn with(headers: &str) -> Result<Head, HeadError> {
        head(&format!("POST /engine.io/ HTTP/1.1\r\nHost: a\r\n{headers}\r\n"))
    }

    #[test]
    fn the_end_of_a_head_is_found_however_it_arrives() {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
        for first in 0..text.len() {
            let mut scanner = Scanner::default();
            let early = scanner.scan(&text[..first]).unwrap();
            assert_eq!(early, (first >= text.len() - 4).then_some(text.len() - 4));
            if early.is_none() {
                assert_eq!(scanner.scan(text).unwrap(), Some(text.len() - 4));
            }
        }
    }

    #[test]
    fn what_cannot_become_a_head_is_refused_at_once() {
        for text in ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n\n", "\n", "\u{16}\u{3}\u{1}", " GET"] {
            assert_eq!(Scanner::default().scan(text.as_bytes()), Err(HeadError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_large_head_is_refused_with_and_without_an_end() {
        let long = "a".repeat(MAX_HEAD);
        assert_eq!(Scanner::default().scan(format!("GET /{long}").as_bytes()), Err(HeadError::TooLarge));
        assert_eq!(
            Scanner::default().scan(format!("GET /{long}\r\n\r\n").as_bytes()),
            Err(HeadError::TooLarge)
        );
        let many = "a: b\r\n".repeat(MAX_HEADERS);
        assert_eq!(with(&many).unwrap_err(), HeadError::TooLarge);
    }

    #[test]
    fn a_head_is_taken_apart() {
        let head = head(concat!(
            "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\n",
            "x-two:  2 \r\nEmpty:\r\n\r\n"
        ))
        .unwrap();
        assert_eq!(head.parts.method, Method::GET);
        assert_eq!(head.parts.uri, "/engine.io/?EIO=4&transport=polling");
        assert_eq!(head.parts.headers["x-two"], "1");
        assert_eq!(head.parts.headers.get_all("x-two").iter().nth(1).unwrap(), "2");
        assert_eq!(head.parts.headers["empty"], "");
        assert_eq!((head.framing, head.keep_alive, head.expects_continue), (Framing::Length(0), true, false));
    }

    #[test]
    fn what_no_target_may_have_is_read_as_if_it_were_encoded() {
        let head = head("GET /?transport=<a>\"{|}é HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!(head.parts.uri.query().unwrap(), "transport=%3Ca%3E%22%7B%7C%7D%C3%A9");
        assert!(!head.keep_alive);
    }

    #[test]
    fn request_lines_that_are_none() {
        for line in [
            "GET /",
            "GET / HTTP/1.1 ",
            "GET  / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "G<T / HTTP/1.1",
            "GET /\u{7f} HTTP/1.1",
            "GET /\0 HTTP/1.1",
            "GET /a#b HTTP/1.1",
            "GET /# HTTP/1.1",
            "GET http://a/?b#c HTTP/1.1",
            "GET / http/1.1",
            "GET / HTTP/1.1\rXA: b",
            "GET / HTTP/1.1\r\r",
            " GET / HTTP/1.1",
            "GET",
            "",
        ] {
            assert_eq!(
                head(&format!("{line}\r\nHost: a\r\n\r\n")).unwrap_err(),
                HeadError::Malformed,
                "{line:?}"
            );
        }
        assert_eq!(head("PRI * HTTP/2.0\r\n\r\n").unwrap_err(), HeadError::Version);
    }

    #[test]
    fn headers_that_are_none() {
        for line in ["a b: c", "a : b", ": b", "a", " a: b", "a: b\r\n c", "a: \0", "a: \u{1}"] {
            assert_eq!(with(&format!("{line}\r\n")).unwrap_err(), HeadError::Malformed, "{line:?}");
        }
    }

    #[test]
    fn one_host() {
        assert_eq!(head("GET / HTTP/1.1\r\n\r\n").unwrap_err(), HeadError::Malformed);
        assert_eq!(with("Host: b\r\n").unwrap_err(), HeadError::Malformed);
        assert!(head("GET / HTTP/1.0\r\n\r\n").is_ok());
    }

    /// RFC 9112, 6.3 and 11.2: messages that a proxy could interpret differently.
    #[test]
    fn a_body_has_one_end() {
        let framing = |headers: &str| with(headers).map(|head| head.framing);
        assert_eq!(framing("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Content-Length: 5\r\nContent-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        for headers in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ] {
            assert_eq!(framing(headers), Err(HeadError::Malformed), "{headers:?}");
        }
        for headers in ["Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: identity\r\n"] {
            assert_eq!(framing(headers), Err(HeadError::Coding), "{headers:?}");
        }
        let old = head("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(old.unwrap_err(), HeadError::Malformed);
    }

    #[test]
    fn how_a_connection_goes_on() {
        let keeps = |text: &str| head(text).unwrap().keep_alive;
        assert!(keeps("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n"));
        assert!(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
    }

    #[test]
    fn expectations() {
        assert!(with("Expect: 100-Continue\r\n").unwrap().expects_continue);
        assert_eq!(with("Expect: tea\r\n").unwrap_err(), HeadError::Expectation);
        assert!(!head("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").unwrap().expects_continue);
    }
}
