//! The head of a response.

use http::{HeaderMap, Method, Response, StatusCode, Version, header};

use super::date;

/// The interim response to a client that waits for it before it sends a body.
pub(crate) fn continue_100() -> &'static [u8] {
    b"HTTP/1.1 100 Continue\r\n\r\n"
}

/// The state of the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    KeepAlive,
    Close,
    /// The connection stops using HTTP.
    Upgrade,
}

/// The framing of a response's body: how the client finds its end (RFC 9112, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    Length(u64),
    /// By chunks, which HTTP/1.0 does not support.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// Appends the head of a response. Returns whether a body follows: "the server MUST NOT send content" with
/// some responses (RFC 9110, 6.4.1 and 9.3.2).
pub(crate) fn encode<B>(
    response: &Response<B>,
    body: BodyEnd,
    request: (&Method, Version),
    after: After,
    out: &mut Vec<u8>,
) -> bool {
    let (method, version) = request;
    let status = response.status();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        // This function writes the headers of the connection and the length itself. An upgrade has its own
        // `Connection`.
        let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::DATE];
        if after == After::Upgrade || !framing.contains(name) {
            line(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    let bodiless = status.is_informational() || status == StatusCode::NO_CONTENT;
    match body {
        _ if bodiless => {}
        BodyEnd::Length(len) => {
            let len = announced(response.headers(), method, status, len);
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(len.to_string().as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        BodyEnd::Chunked => line(out, b"transfer-encoding", b"chunked"),
        BodyEnd::Close => {}
    }
    match after {
        After::Close => line(out, b"connection", b"close"),
        After::KeepAlive if version == Version::HTTP_10 => line(out, b"connection", b"keep-alive"),
        After::KeepAlive | After::Upgrade => {}
    }
    out.extend_from_slice(b"date: ");
    date::write(out);
    out.extend_from_slice(b"\r\n\r\n");
    !bodiless && status != StatusCode::NOT_MODIFIED && method != Method::HEAD
}

/// The announced length. A response to HEAD or with 304 may announce the length of the response that it
/// represents.
fn announced(headers: &HeaderMap, method: &Method, status: StatusCode, body_len: u64) -> u64 {
    let stands_for_another = method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    let said = || headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    (stands_for_another && body_len == 0).then(said).flatten().unwrap_or(body_len)
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn answer(
        response: &Response<()>,
        len: u64,
        request: (&Method, Version),
        after: After,
    ) -> (String, bool) {
        let mut out = Vec::new();
        let body = encode(response, BodyEnd::Length(len), request, after, &mut out);
        let text = String::from_utf8(out).unwrap();
        let (head, date) = text.split_at(text.find("date: ").unwrap());
        assert!(date.ends_with(" GMT\r\n\r\n"));
        (head.to_owned(), body)
    }

    const GET: (&Method, Version) = (&Method::GET, Version::HTTP_11);

    #[test]
    fn an_answer_with_a_body() {
        let mut response = Response::new(());
        response.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
        // Only the server sets the length and the `Connection` header.
        response.headers_mut().insert("content-length", HeaderValue::from_static("7"));
        response.headers_mut().insert("connection", HeaderValue::from_static("close"));
        let expected = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n";
        assert_eq!(answer(&response, 2, GET, After::KeepAlive), (expected.to_owned(), true));
        let (head, _) = answer(&response, 2, GET, After::Close);
        assert_eq!(head, format!("{expected}connection: close\r\n"));
        let (head, _) = answer(&response, 2, (&Method::GET, Version::HTTP_10), After::KeepAlive);
        assert_eq!(head, format!("{expected}connection: keep-alive\r\n"));
    }

    #[test]
    fn answers_without_a_body() {
        let mut response = Response::new(());
        let (head, body) = answer(&response, 5, (&Method::HEAD, Version::HTTP_11), After::KeepAlive);
        assert_eq!((head.as_str(), body), ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", false));
        *response.status_mut() = StatusCode::NO_CONTENT;
        assert_eq!(
            answer(&response, 0, GET, After::KeepAlive),
            ("HTTP/1.1 204 No Content\r\n".to_owned(), false)
        );
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert("content-length", HeaderValue::from_static("99"));
        let (head, body) = answer(&response, 0, GET, After::KeepAlive);
        assert_eq!((head.as_str(), body), ("HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n", false));
    }

    #[test]
    fn a_body_of_unknown_length() {
        for (end, line) in [(BodyEnd::Chunked, "transfer-encoding: chunked\r\n"), (BodyEnd::Close, "")] {
            let mut out = Vec::new();
            assert!(encode(&Response::new(()), end, GET, After::KeepAlive, &mut out));
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with(&format!("HTTP/1.1 200 OK\r\n{line}date: ")), "{text}");
        }
    }

    #[test]
    fn an_upgrade_keeps_its_headers() {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("connection", HeaderValue::from_static("Upgrade"));
        let expected = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n";
        assert_eq!(answer(&response, 0, GET, After::Upgrade), (expected.to_owned(), false));
    }
}
