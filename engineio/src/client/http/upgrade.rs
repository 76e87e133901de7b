//! Requests for another protocol: a WebSocket of a server, or a tunnel of a proxy.
//!
//! Such an exchange is one request without a body and the head of one response. It needs no HTTP library, and
//! no large buffers: thousands of connections that are opened at once would fragment the memory with theirs.

use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use super::stream::{Stream, with_scratch};
use crate::client::error::HttpError;
use crate::http::{BodyDecoder, Framing, list};

/// The longest head of a response.
const MAX_HEAD: usize = 16 * 1024;
/// The largest number of its headers.
const MAX_HEADERS: usize = 100;
/// The largest number of informational responses (1xx) in front of a response. Servers send one or two: `100
/// Continue`, `103 Early Hints`.
pub(super) const MAX_INFORMATIONAL: usize = 8;
/// The longest error body that is reported.
pub(crate) const MAX_ERROR: usize = 1024;

/// A response to a request for another protocol.
pub(crate) struct Upgraded {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The stream and the bytes behind the response, if the server accepted.
    pub(crate) stream: Option<(Stream, Bytes)>,
    /// The error body, if the server refused.
    pub(crate) body: Option<Arc<str>>,
}

/// Sends a request for another protocol.
pub(crate) async fn upgrade(mut stream: Stream, request: Request<()>) -> Result<Upgraded, HttpError> {
    send(&mut stream, &request).await.map_err(broken)?;
    let mut read = Vec::new();
    let mut informational = 0;
    let (status, headers) = loop {
        let Some((status, headers, len)) = parse(&read)? else {
            if more(&mut stream, &mut read).await.map_err(broken)? == 0 {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
            continue;
        };
        read.drain(..len);
        // "A client MUST be able to parse one or more 1xx responses received prior to a final response" (RFC
        // 9110, 15.2).
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            break (status, headers);
        }
        informational += 1;
        if informational > MAX_INFORMATIONAL {
            return Err(HttpError::TooManyInformational);
        }
    };
    let agreed = match *request.method() {
        Method::CONNECT => status.is_success(),
        _ => status == StatusCode::SWITCHING_PROTOCOLS,
    };
    if agreed {
        return Ok(Upgraded { status, headers, stream: Some((stream, read.into())), body: None });
    }
    let body = excerpt(&mut stream, read, framing(status, &headers)).await;
    Ok(Upgraded { status, headers, stream: None, body })
}

async fn send(stream: &mut Stream, request: &Request<()>) -> io::Result<()> {
    let mut head = String::new();
    // Writing to a string does not fail.
    let _ = write!(head, "{} {} HTTP/1.1\r\n", request.method(), request.uri());
    let mut head = head.into_bytes();
    for (name, value) in request.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await?;
    stream.flush().await
}

/// The head of a response and its length; `None` while it is incomplete.
fn parse(read: &[u8]) -> Result<Option<(StatusCode, HeaderMap, usize)>, HttpError> {
    let mut found = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut found);
    let len = match answer.parse(read) {
        Ok(httparse::Status::Partial) if read.len() <= MAX_HEAD => return Ok(None),
        Ok(httparse::Status::Complete(len)) if len <= MAX_HEAD => len,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(HttpError::TooLarge),
        Err(_) => return Err(HttpError::NotHttp),
    };
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(HttpError::NotHttp)?;
    let mut headers = HeaderMap::with_capacity(answer.headers.len());
    for header in answer.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| HttpError::NotHttp)?;
        let value = HeaderValue::from_bytes(header.value).map_err(|_| HttpError::NotHttp)?;
        headers.append(name, value);
    }
    Ok(Some((status, headers, len)))
}

/// The framing of a response's body. `None`: the body ends with the connection (RFC 9112, 6.3).
fn framing(status: StatusCode, headers: &HeaderMap) -> Option<Framing> {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Some(Framing::Length(0));
    }
    if let Some(codings) = headers.get_all(header::TRANSFER_ENCODING).iter().next_back() {
        let last = list::elements(codings.as_bytes()).last().unwrap_or_default();
        return last.eq_ignore_ascii_case(b"chunked").then_some(Framing::Chunked);
    }
    let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    Some(Framing::Length(length))
}

/// The body of an error response, if it is a short text.
async fn excerpt(stream: &mut Stream, mut read: Vec<u8>, framing: Option<Framing>) -> Option<Arc<str>> {
    let mut decoder = framing.map(BodyDecoder::new);
    let mut body = Vec::new();
    loop {
        match &mut decoder {
            Some(decoder) => {
                decoder.decode_into(&read, &mut body).ok()?;
                if decoder.is_done() {
                    break;
                }
            }
            None => body.append(&mut read),
        }
        read.clear();
        if body.len() > MAX_ERROR {
            return None;
        }
        if more(stream, &mut read).await.ok()? == 0 {
            if decoder.is_some() {
                return None;
            }
            break;
        }
    }
    shown(&body)
}

/// The body of an error response, as text.
pub(crate) fn shown(body: &[u8]) -> Option<Arc<str>> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= MAX_ERROR)?.trim();
    (!text.is_empty()).then(|| text.into())
}

/// Reads once and returns the number of bytes. It holds no buffer while it waits.
async fn more(stream: &mut Stream, read: &mut Vec<u8>) -> io::Result<usize> {
    std::future::poll_fn(|cx| {
        with_scratch(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf))?;
            read.extend_from_slice(buf.filled());
            Poll::Ready(Ok(buf.filled().len()))
        })
    })
    .await
}

fn broken(error: io::Error) -> HttpError {
    HttpError::Io(Arc::new(error))
}

/// The checks of a fuzz target for the head of a response and the body behind it.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn check_answer(data: &[u8]) {
    for end in 0..=data.len() {
        let (read, behind) = data.split_at(end);
        let (status, headers, len) = match parse(read) {
            Ok(None) => continue,
            Ok(Some(answer)) => answer,
            Err(_) => {
                assert!(parse(data).is_err(), "an invalid head stays invalid with more bytes");
                return;
            }
        };
        assert_eq!(len, end, "the head ends with its last byte");
        let whole = parse(data).ok().flatten().map(|(status, headers, len)| (status, headers.len(), len));
        assert_eq!(whole, Some((status, headers.len(), len)));
        let Some(framing) = framing(status, &headers) else { return };
        let (mut at_once, mut slow) = (BodyDecoder::new(framing), BodyDecoder::new(framing));
        let (mut body, mut slow_body) = (Vec::new(), Vec::new());
        let read = at_once.decode_into(behind, &mut body);
        let slowly = behind.iter().try_for_each(|byte| slow.decode_into(&[*byte], &mut slow_body).map(drop));
        assert_eq!((read.is_ok(), &body, at_once.is_done()), (slowly.is_ok(), &slow_body, slow.is_done()));
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_complete_or_it_is_not() {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n";
        for end in 0..head.len() {
            assert!(parse(&head[..end]).unwrap().is_none());
        }
        let (status, headers, len) = parse(&[head, &b"\x81\x00"[..]].concat()).unwrap().unwrap();
        assert_eq!((status, len), (StatusCode::SWITCHING_PROTOCOLS, head.len()));
        assert_eq!(headers[header::SEC_WEBSOCKET_ACCEPT], "x");
    }

    #[test]
    fn what_is_too_large_or_no_head_is_refused() {
        let answer = |headers: &str| parse(format!("HTTP/1.1 200 OK\r\n{headers}").as_bytes());
        assert!(matches!(answer(&"a: b\r\n".repeat(MAX_HEADERS + 1)), Err(HttpError::TooLarge)));
        assert!(matches!(answer(&format!("a: {}", "b".repeat(MAX_HEAD))), Err(HttpError::TooLarge)));
        let long = format!("a: {}\r\n\r\n", "b".repeat(MAX_HEAD));
        assert!(matches!(answer(&long), Err(HttpError::TooLarge)));
        for text in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 99 no\r\n\r\n", "HTTP/1.1 200 OK\r\na b: c\r\n\r\n"]
        {
            assert!(matches!(parse(text.as_bytes()), Err(HttpError::NotHttp)), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn an_answer_is_the_same_byte_by_byte(behind in "[a-fA-F0-9:; \\r\\n]{0,80}", chunked in proptest::bool::ANY) {
            let coding = if chunked { "Transfer-Encoding: chunked\r\n\r\n" } else { "" };
            check_answer(format!("HTTP/1.1 400 Bad\r\n{coding}{behind}").as_bytes());
        }
    }

    #[test]
    fn where_a_body_ends() {
        for (head, expected) in [
            ("HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\n", Some(Framing::Length(5))),
            ("HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n", Some(Framing::Chunked)),
            ("HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: gzip\r\n\r\n", None),
            ("HTTP/1.1 400 Bad Request\r\n\r\n", None),
            ("HTTP/1.1 204 No Content\r\n\r\n", Some(Framing::Length(0))),
        ] {
            let (status, headers, _) = parse(head.as_bytes()).unwrap().unwrap();
            assert_eq!(framing(status, &headers), expected, "{head:?}");
        }
    }
}
