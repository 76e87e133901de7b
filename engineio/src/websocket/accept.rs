//! The opening handshake of a WebSocket: the valid requests and their responses (RFC 6455, section 4.2).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};

use super::extensions::is_token_byte;
use super::key::answer_to;
use super::negotiation::accept_as_server;
use crate::deflate::{Agreed, PerMessageDeflate};
use crate::http::list::{elements, has_token};

/// The only final version of the WebSocket protocol.
const VERSION: &str = "13";

/// The reason why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AcceptError {
    /// The method is not GET.
    #[error("a WebSocket handshake is a GET request")]
    Method,
    /// HTTP/1.0 has no upgrades, and HTTP/2 has another mechanism.
    #[error("a WebSocket handshake needs HTTP/1.1")]
    HttpVersion,
    /// `Upgrade` does not name the protocol, or `Connection` does not name `Upgrade`.
    #[error("the request does not ask for an upgrade to WebSocket")]
    NoUpgrade,
    /// `Sec-WebSocket-Version` is not 13.
    #[error("only version 13 of the WebSocket protocol is supported")]
    ProtocolVersion,
    /// `Sec-WebSocket-Key` is not 16 bytes in base64.
    #[error("missing or invalid Sec-WebSocket-Key")]
    Key,
    /// `Sec-WebSocket-Protocol` is not a list of different tokens.
    #[error("invalid Sec-WebSocket-Protocol")]
    Subprotocol,
    /// The offers of permessage-deflate are invalid, or none suits the settings.
    #[error("invalid or unacceptable Sec-WebSocket-Extensions")]
    Extensions,
}

impl AcceptError {
    /// The status of the response.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ProtocolVersion => StatusCode::UPGRADE_REQUIRED,
            Self::HttpVersion | Self::NoUpgrade | Self::Key | Self::Subprotocol | Self::Extensions => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    /// The response.
    pub(crate) fn into_response(self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = self.status();
        match self {
            Self::Method => {
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            // "The server MUST [...] send an appropriate HTTP error code (such as 426 Upgrade Required) and a
            // |Sec-WebSocket-Version| header field indicating the version(s) the server is capable of
            // understanding."
            Self::ProtocolVersion => {
                response
                    .headers_mut()
                    .insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
            }
            _ => {}
        }
        response
    }
}

/// Whether a request is for a WebSocket, valid or not: for services that answer such requests on paths of their own.
pub fn is_websocket_request(headers: &HeaderMap) -> bool {
    has_token(headers, header::UPGRADE, "websocket")
}

/// The response that accepts a request as a WebSocket.
///
/// It selects the first subprotocol that the client offers, as the official server does: browsers fail the
/// connection if no offer is selected. With settings for it, it accepts permessage-deflate; other extensions are
/// declined, as the response does not contain them.
pub(crate) fn accept(
    request: &Parts,
    deflate: Option<PerMessageDeflate>,
) -> Result<(Response<()>, Option<Agreed>), AcceptError> {
    if request.method != Method::GET {
        return Err(AcceptError::Method);
    }
    if request.version != Version::HTTP_11 {
        return Err(AcceptError::HttpVersion);
    }
    let headers = &request.headers;
    if !is_websocket_request(headers) || !has_token(headers, &header::CONNECTION, "upgrade") {
        return Err(AcceptError::NoUpgrade);
    }
    if only(headers, &header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version.as_bytes() != VERSION.as_bytes())
    {
        return Err(AcceptError::ProtocolVersion);
    }
    let key = only(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
    let key = key.ok_or(AcceptError::Key)?;
    let subprotocol = first_subprotocol(headers)?;
    let deflate = match deflate {
        Some(settings) => accept_as_server(settings, headers).map_err(|_| AcceptError::Extensions)?,
        None => None,
    };

    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept_key(key.as_bytes())?);
    if let Some(subprotocol) = subprotocol {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    let Some((agreed, extension)) = deflate else { return Ok((response, None)) };
    let extension = HeaderValue::try_from(extension).map_err(|_| AcceptError::Extensions)?;
    answer.insert(header::SEC_WEBSOCKET_EXTENSIONS, extension);
    Ok((response, Some(agreed)))
}

fn accept_key(key: &[u8]) -> Result<HeaderValue, AcceptError> {
    // Base64 is always a header value.
    HeaderValue::try_from(answer_to(key)).map_err(|_| AcceptError::Key)
}

/// Whether the key is base64 of 16 bytes. Excess bits of the last character are ignored, as in `ws`: the key
/// is never decoded.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==").is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_digit))
}

/// The value of a header that must not be repeated.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn first_subprotocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, AcceptError> {
    // The offers are compared with each other, so their number is limited; no client sends many.
    const MAX_OFFERS: usize = 64;
    let mut offers: Vec<&[u8]> = Vec::new();
    for line in headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
        for offer in elements(line.as_bytes()) {
            if !is_token(offer) || offers.contains(&offer) || offers.len() == MAX_OFFERS {
                return Err(AcceptError::Subprotocol);
            }
            offers.push(offer);
        }
    }
    offers
        .first()
        .map(|offer| HeaderValue::from_bytes(offer).map_err(|_| AcceptError::Subprotocol))
        .transpose()
}

/// Whether the bytes are a token of HTTP (RFC 9110, section 5.6.2).
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn accept(request: &Parts) -> Result<Response<()>, AcceptError> {
        super::accept(request, None).map(|(response, _)| response)
    }

    /// The request of RFC 6455, section 1.3, without its subprotocols.
    fn request(change: impl FnOnce(&mut Parts)) -> Parts {
        let request = Request::get("/chat")
            .header("Host", "server.example.com")
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Version", "13");
        let mut parts = request.body(()).unwrap().into_parts().0;
        change(&mut parts);
        parts
    }

    fn with(name: &'static str, values: &[&'static str]) -> Parts {
        request(|parts| {
            parts.headers.remove(name);
            for value in values {
                parts.headers.append(name, HeaderValue::from_static(value));
            }
        })
    }

    #[test]
    fn answers_the_example_of_the_rfc() {
        let response = accept(&request(|_| {})).unwrap();
        assert_eq!(response.status(), 101);
        let headers = response.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let headers: Vec<_> = headers.collect();
        assert_eq!(
            headers,
            [
                ("upgrade", "websocket"),
                ("connection", "Upgrade"),
                ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ]
        );
    }

    #[test]
    fn upgrade_and_connection_are_lists_in_any_case() {
        for (name, values) in [
            ("connection", &["keep-alive, Upgrade"][..]),
            ("connection", &["keep-alive", "UPGRADE"]),
            ("connection", &["upgrade ,\tkeep-alive"]),
            ("upgrade", &["WebSocket"]),
            ("upgrade", &["h2c, websocket"]),
            ("upgrade", &["h2c", "websocket"]),
        ] {
            assert!(accept(&with(name, values)).is_ok(), "{name}: {values:?}");
        }
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        for (name, values, error) in [
            ("connection", &[][..], AcceptError::NoUpgrade),
            ("connection", &["keep-alive"], AcceptError::NoUpgrade),
            ("connection", &["upgraded"], AcceptError::NoUpgrade),
            ("upgrade", &[], AcceptError::NoUpgrade),
            ("upgrade", &["h2c"], AcceptError::NoUpgrade),
            ("upgrade", &["websocket2"], AcceptError::NoUpgrade),
            ("sec-websocket-version", &[], AcceptError::ProtocolVersion),
            ("sec-websocket-version", &["8"], AcceptError::ProtocolVersion),
            ("sec-websocket-version", &["13", "13"], AcceptError::ProtocolVersion),
            ("sec-websocket-version", &["13, 8"], AcceptError::ProtocolVersion),
            ("sec-websocket-key", &[], AcceptError::Key),
            ("sec-websocket-key", &[""], AcceptError::Key),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZQ"], AcceptError::Key),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZ==="], AcceptError::Key),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZSE="], AcceptError::Key),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25-ZQ=="], AcceptError::Key),
            (
                "sec-websocket-key",
                &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="],
                AcceptError::Key,
            ),
        ] {
            assert_eq!(accept(&with(name, values)).err(), Some(error), "{name}: {values:?}");
        }
        assert_eq!(accept(&request(|parts| parts.method = Method::POST)).err(), Some(AcceptError::Method));
        for version in [Version::HTTP_10, Version::HTTP_2] {
            let refused = accept(&request(|parts| parts.version = version));
            assert_eq!(refused.err(), Some(AcceptError::HttpVersion));
        }
    }

    #[test]
    fn a_refusal_says_what_would_be_taken() {
        let response = AcceptError::ProtocolVersion.into_response();
        assert_eq!(response.status(), 426);
        assert_eq!(response.headers()["sec-websocket-version"], "13");
        let response = AcceptError::Method.into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &HeaderValue::from_static("GET"))
        );
        assert_eq!(AcceptError::Key.into_response().status(), 400);
    }

    #[test]
    fn the_first_subprotocol_is_taken() {
        let accepted = |values: &[&'static str]| {
            let response = accept(&with("sec-websocket-protocol", values))?;
            Ok(response
                .headers()
                .get("sec-websocket-protocol")
                .map(|value| value.to_str().unwrap().to_owned()))
        };
        assert_eq!(accepted(&[]), Ok(None));
        assert_eq!(accepted(&["chat, superchat"]), Ok(Some("chat".to_owned())));
        assert_eq!(accepted(&["a.b!", "chat"]), Ok(Some("a.b!".to_owned())));
        for values in [&[""][..], &["a,"], &["a,,b"], &["a, a"], &["a", "a"], &["a b"], &["a;b"], &["\"a\""]]
        {
            assert_eq!(accepted(values), Err(AcceptError::Subprotocol), "{values:?}");
        }
    }

    #[test]
    fn extensions_are_declined() {
        for offer in ["permessage-deflate; client_max_window_bits", "permessage-deflate; invalid", ","] {
            let response = accept(&with("sec-websocket-extensions", &[offer]));
            assert!(!response.unwrap().headers().contains_key("sec-websocket-extensions"));
        }
    }

    #[cfg(feature = "compression")]
    #[test]
    fn compression_is_accepted_where_it_is_on() {
        let accept = |values: &[&'static str]| {
            let request = with("sec-websocket-extensions", values);
            let (response, agreed) = super::accept(&request, Some(PerMessageDeflate::new()))?;
            let header = response.headers().get("sec-websocket-extensions").cloned();
            assert_eq!(header.is_some(), agreed.is_some());
            Ok(header)
        };
        let header = accept(&["permessage-deflate; client_max_window_bits"]).unwrap().unwrap();
        assert_eq!(header, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
        assert_eq!(accept(&[]), Ok(None));
        assert_eq!(accept(&["x-other"]), Ok(None));
        let refused = accept(&["x-other", "permessage-deflate; invalid"]);
        assert_eq!(refused, Err(AcceptError::Extensions));
        assert_eq!(AcceptError::Extensions.status(), 400);
    }
}
