//! The address of a server: a parsed URL, and query strings in the encoding of `encodeURIComponent`.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::protocol::percent;

/// The longest URL. Servers accept no longer ones, and neither does the official client.
const MAX_LEN: usize = 8000;

/// The address of a server.
///
/// The schemes are `http`, `https`, `ws` and `wss`; `localhost:3000` and `//localhost:3000` mean `http`.
/// `Debug` leaves the password out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    path: String,
    query: Vec<(String, String)>,
    credentials: Option<String>,
}

/// A text that is not a valid server URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The URL has more than 8000 bytes.
    #[error("URI too long")]
    TooLong,
    /// The scheme is none of `http`, `https`, `ws` and `wss`.
    #[error("the scheme must be http, https, ws or wss")]
    Scheme,
    /// The host is missing or contains invalid characters. International names have to be in their ASCII form
    /// (`xn--…`).
    #[error("missing or invalid host")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("invalid port")]
    Port,
}

impl Url {
    /// Whether TLS is used: `https` and `wss`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port: 80 or 443 unless the URL names one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path between the host and the question mark; at least `/`. Engine.IO's requests use the path of
    /// the settings instead; Socket.IO reads the namespace from this path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The parameters behind the question mark, decoded.
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// The host as in a URL and a `Host` header: IPv6 in brackets, and the port unless it is the default.
    pub fn authority(&self) -> String {
        let usual = if self.secure { 443 } else { 80 };
        let mut authority =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port != usual {
            // Writing to a string does not fail.
            let _ = write!(authority, ":{}", self.port);
        }
        authority
    }

    /// The `Authorization` header for the user and the password of the URL.
    pub(crate) fn authorization(&self) -> Option<String> {
        let credentials = self.credentials.as_deref()?;
        Some(format!("Basic {}", STANDARD.encode(credentials)))
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_LEN {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text.trim_start_matches("//")));
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(UrlError::Scheme),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((credentials, authority)) => (Some(decode(credentials)), authority),
            None => (None, authority),
        };
        let (host, port) = split_port(authority)?;
        let port = match port {
            None | Some("") => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(UrlError::Port)?,
        };
        let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        Ok(Self { secure, host, port, path, query: decode_query(query), credentials })
    }
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Splits host and port. An IPv6 address may lack brackets if no port follows.
fn split_port(authority: &str) -> Result<(String, Option<&str>), UrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UrlError::Host)?;
        host.parse::<IpAddr>().map_err(|_| UrlError::Host)?;
        let port = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(':').ok_or(UrlError::Host)?),
        };
        return Ok((host.to_owned(), port));
    }
    if authority.matches(':').count() > 1 {
        authority.parse::<IpAddr>().map_err(|_| UrlError::Host)?;
        return Ok((authority.to_owned(), None));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if host.is_empty() || !host.bytes().all(fits) {
        return Err(UrlError::Host);
    }
    Ok((host.to_owned(), port))
}

fn decode_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

/// Decodes percent-encoding. Invalid sequences are kept, and bytes that are not UTF-8 are replaced.
fn decode(text: &str) -> String {
    String::from_utf8_lossy(&percent::decode_component(text.as_bytes())).into_owned()
}

/// Appends a parameter to a query string, as `encodeURIComponent` encodes both parts.
pub fn push_query(query: &mut String, key: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    percent::encode_component(key, query);
    query.push('=');
    percent::encode_component(value, query);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// EIO-CLI-012, EIO-CLI-013, EIO-CLI-014, EIO-CLI-015, EIO-CLI-016, EIO-CLI-017
    #[test]
    fn ports_follow_the_scheme() {
        for (text, host, port, secure) in [
            ("http://localhost", "localhost", 80, false),
            ("https://localhost", "localhost", 443, true),
            ("ws://localhost", "localhost", 80, false),
            ("wss://localhost", "localhost", 443, true),
            ("wss://localhost:2020", "localhost", 2020, true),
            ("localhost", "localhost", 80, false),
            ("HTTP://example.com:8080/x", "example.com", 8080, false),
        ] {
            let url = url(text);
            assert_eq!((url.host(), url.port(), url.is_secure()), (host, port, secure), "{text}");
        }
    }

    /// EIO-CLI-019, EIO-CLI-020, EIO-CLI-021, EIO-CLI-022, EIO-CLI-023, EIO-CLI-024, SIO-CLI-007
    #[test]
    fn ipv6_with_and_without_brackets() {
        for (text, port) in [
            ("http://[::1]", 80),
            ("http://[::1]:8080", 8080),
            ("[::1]", 80),
            ("https://[::1]", 443),
            ("[::1]:8080", 8080),
            ("::1", 80),
        ] {
            let url = url(text);
            assert_eq!((url.host(), url.port()), ("::1", port), "{text}");
        }
        assert_eq!(url("http://[::1]").authority(), "[::1]");
        assert_eq!(url("http://[::1]:8080").authority(), "[::1]:8080");
    }

    /// EIO-CLI-046, EIO-CLI-047, EIO-CLI-048, EIO-CLI-049, EIO-CLI-050, EIO-CLI-052, EIO-CLI-053
    #[test]
    fn the_usual_port_is_left_out() {
        for (text, authority) in [
            ("http://localhost:80", "localhost"),
            ("http://localhost:3000", "localhost:3000"),
            ("https://localhost:443", "localhost"),
            ("https://localhost:8443", "localhost:8443"),
            ("ws://[::1]:80", "[::1]"),
        ] {
            assert_eq!(url(text).authority(), authority);
        }
    }

    /// EIO-CLI-084
    #[test]
    fn everything_that_a_url_may_have() {
        let full = url("https://us%20er:pa:ss@www.example.com:8080/some/path.html?a=b&c=%26d&e#f?g");
        assert_eq!((full.host(), full.port(), full.path()), ("www.example.com", 8080, "/some/path.html"));
        let pairs: Vec<_> = full.query().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a", "b"), ("c", "&d"), ("e", "")]);
        assert_eq!(full.authorization().as_deref(), Some("Basic dXMgZXI6cGE6c3M="));
        assert_eq!(format!("{full:?}"), "https://www.example.com:8080/some/path.html");
        assert_eq!(url("http://localhost?user=a@b").host(), "localhost");
        assert_eq!("/relative?user=a@b".parse::<Url>(), Err(UrlError::Host));
        assert_eq!("ftp://localhost".parse::<Url>(), Err(UrlError::Scheme));
        assert_eq!("http://local host".parse::<Url>(), Err(UrlError::Host));
        assert_eq!("http://a\r\nb".parse::<Url>(), Err(UrlError::Host));
        assert_eq!("http://localhost:0".parse::<Url>(), Err(UrlError::Port));
        assert_eq!("http://localhost:99999".parse::<Url>(), Err(UrlError::Port));
        assert_eq!("http://[::1".parse::<Url>(), Err(UrlError::Host));
        assert_eq!(format!("http://{}", "a".repeat(8000)).parse::<Url>(), Err(UrlError::TooLong));
    }

    /// SIO-CLI-073
    #[test]
    fn query_strings_are_encoded() {
        let mut query = String::new();
        push_query(&mut query, "&a", "&=?a");
        push_query(&mut query, "k", "a b\u{20ac}");
        assert_eq!(query, "%26a=%26%3D%3Fa&k=a%20b%E2%82%AC");
        assert_eq!(decode("%26a+b%zz%4"), "&a+b%zz%4");
    }
}
