//! The request that opened a session, copied out of the HTTP server's buffers.
//!
//! A header value of `http` is a slice of hyper's read buffer, and keeps 16 KiB in memory. A session keeps
//! its request for its whole life, so the parts are copied into one allocation of exact size.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::extensions::KeptExtensions;
use super::query::Query;
use crate::server::http::peer_addr::{PeerAddr, Secure};

/// The request that opened a session.
#[derive(Clone)]
pub struct RequestHead {
    /// The target, then the name and value of each header, each with its length in front.
    text: Box<[u8]>,
    target_len: u32,
    query: Query,
    peer: Option<SocketAddr>,
    extensions: Option<Arc<Extensions>>,
    translated: bool,
    secure: bool,
    received: SystemTime,
}

/// The bytes in front of each header: the lengths of its name and value.
const LENGTHS: usize = 6;

impl RequestHead {
    /// Copies the parts of a request that a session keeps.
    fn new(uri: &Uri, headers: &HeaderMap, query: Query, peer: Option<SocketAddr>) -> Self {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let len =
            headers.iter().map(|(name, value)| LENGTHS + name.as_str().len() + value.len()).sum::<usize>();
        let mut text = Vec::with_capacity(target.len() + len);
        text.extend_from_slice(target.as_bytes());
        for (name, value) in headers {
            // hyper limits a header name to 64 KiB and the head to less than 4 GiB; longer ones are not kept.
            let (Ok(name_len), Ok(value_len)) =
                (u16::try_from(name.as_str().len()), u32::try_from(value.len()))
            else {
                continue;
            };
            text.extend_from_slice(&name_len.to_ne_bytes());
            text.extend_from_slice(&value_len.to_ne_bytes());
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(value.as_bytes());
        }
        Self {
            target_len: u32::try_from(target.len()).unwrap_or(0),
            text: text.into_boxed_slice(),
            query,
            peer,
            extensions: None,
            translated: false,
            secure: false,
            received: SystemTime::now(),
        }
    }

    /// The head of a request whose query has been parsed, with the extensions that a session keeps.
    pub(crate) fn of(parts: &Parts, query: Query, kept: &KeptExtensions) -> Self {
        let head = Self::new(&parts.uri, &parts.headers, query, PeerAddr::of(&parts.extensions));
        let secure = parts.extensions.get::<Secure>().is_some();
        Self { extensions: kept.copy(&parts.extensions), secure, ..head }
    }

    /// Marks the request as one of a client that speaks another protocol.
    pub(crate) fn into_translated(self) -> Self {
        Self { translated: true, ..self }
    }

    /// Whether [`open_translated`](crate::Server::open_translated) opened the session: the client speaks
    /// another protocol than Engine.IO.
    pub fn is_translated(&self) -> bool {
        self.translated
    }

    /// The path and query as received.
    pub fn target(&self) -> &str {
        std::str::from_utf8(&self.text[..self.target_len as usize]).unwrap_or_default()
    }

    /// The decoded query parameters.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The first value of a header; `name` in lower case. `None` also if the value is not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers().find(|(found, _)| *found == name)?;
        std::str::from_utf8(value).ok()
    }

    /// All headers in the order of the request, with names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = &self.text[self.target_len as usize..];
        std::iter::from_fn(move || {
            let (name_len, tail) = rest.split_first_chunk::<2>()?;
            let (value_len, tail) = tail.split_first_chunk::<4>()?;
            let (name, tail) = tail.split_at_checked(usize::from(u16::from_ne_bytes(*name_len)))?;
            let (value, tail) = tail.split_at_checked(u32::from_ne_bytes(*value_len) as usize)?;
            rest = tail;
            Some((std::str::from_utf8(name).unwrap_or_default(), value))
        })
    }

    /// The headers as a map, for code that wants `http`'s types.
    pub fn header_map(&self) -> HeaderMap {
        self.headers()
            .filter_map(|(name, value)| {
                Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value).ok()?))
            })
            .collect()
    }

    /// The extension of this type, which a layer in front of the server added to the request. `None` also if
    /// sessions do not keep the type: see [`Server::keep_extension`](crate::Server::keep_extension).
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.extensions.as_ref()?.get()
    }

    /// The peer's address, if the server knows it.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Whether the client's connection uses TLS, as far as the server knows: see [`Secure`].
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The time when the request arrived.
    pub fn received(&self) -> SystemTime {
        self.received
    }

    /// A handshake is always a GET.
    pub fn method(&self) -> Method {
        Method::GET
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers (cookies, tokens) and the query (session id) must not appear in a log.
        f.debug_struct("RequestHead").field("peer", &self.peer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_target_and_headers_in_order() {
        let uri = Uri::from_static("http://host/engine.io/?EIO=4&a=b");
        let mut headers = HeaderMap::new();
        headers.append("x-one", HeaderValue::from_static("1"));
        headers.append("cookie", HeaderValue::from_static("a=b"));
        headers.append("x-one", HeaderValue::from_static("2"));
        let head = RequestHead::new(&uri, &headers, Query::from(&uri), None);
        assert_eq!(head.target(), "/engine.io/?EIO=4&a=b");
        assert_eq!(head.query().get("a"), Some("b"));
        assert_eq!(head.header("x-one"), Some("1"));
        assert_eq!(head.header("missing"), None);
        assert_eq!(head.header_map(), headers);
    }

    #[test]
    fn debug_shows_no_secrets() {
        let uri = Uri::from_static("/engine.io/?token=secret");
        let head = RequestHead::new(&uri, &HeaderMap::new(), Query::from(&uri), None);
        assert!(!format!("{head:?}").contains("secret"));
    }
}
