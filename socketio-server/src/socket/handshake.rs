//! The handshake of a socket.

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use engineio::{Query, RequestHead, Session};
use serde::Deserialize;
use serde_json::Map;
use socketio_parser::{ArgError, RawValue};

use crate::cluster::{HandshakeDetails, HandshakeSource, HandshakeView};

/// The handshake of a socket: the opening request of the connection, and the payload of CONNECT.
#[derive(Clone, Debug)]
pub struct Handshake {
    session: Session,
    auth: Option<RawValue>,
    issued: SystemTime,
}

impl Handshake {
    pub(crate) fn new(session: Session, auth: Option<RawValue>) -> Self {
        Self { session, auth, issued: SystemTime::now() }
    }

    /// The payload of CONNECT, deserialized. A missing payload counts as `{}`.
    ///
    /// # Errors
    ///
    /// The payload does not deserialize into a `T`.
    pub fn auth<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgError> {
        match &self.auth {
            Some(auth) => auth.parse(),
            None => serde_json::from_str("{}").map_err(|source| ArgError::Json { index: 0, source }),
        }
    }

    /// The payload of CONNECT, undecoded.
    pub fn raw_auth(&self) -> Option<&RawValue> {
        self.auth.as_ref()
    }

    /// The opening request of the connection, with all its headers.
    pub fn request(&self) -> &RequestHead {
        self.session.request()
    }

    /// The first value of a header of that request; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request().header(name)
    }

    /// The query parameters of that request.
    pub fn query(&self) -> &Query {
        self.request().query()
    }

    /// Path and query of that request.
    pub fn url(&self) -> &str {
        self.request().target()
    }

    /// The extension of this type, which a tower layer in front of the server has added to that request. `None`
    /// also if connections do not keep the type: see [`Extension`](crate::Extension).
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.request().extension()
    }

    /// The client's address, if the server knows it: [`serve`](crate::Server::serve) does, and with the feature
    /// `axum` a server behind axum's `into_make_service_with_connect_info`. Behind another HTTP server a layer has
    /// to add an `engineio::PeerAddr` to each request. Behind a proxy it is the address of the proxy.
    pub fn address(&self) -> Option<SocketAddr> {
        self.session.remote_addr()
    }

    /// Whether the request has an Origin header, as browsers send for cross-origin requests (`xdomain`).
    #[doc(alias = "xdomain")]
    pub fn is_cross_domain(&self) -> bool {
        self.header("origin").is_some()
    }

    /// Whether the client's connection uses TLS (`secure`), as far as the server knows. A proxy that terminates
    /// TLS reports it in a header, which any client can send too, so the code that trusts the proxy has to say
    /// it: see [`engineio::Secure`].
    #[doc(alias = "secure")]
    pub fn is_secure(&self) -> bool {
        self.request().is_secure()
    }

    /// Creation time of the socket (`issued`, `time`).
    pub fn issued(&self) -> SystemTime {
        self.issued
    }

    /// The handshake as plain data.
    pub fn details(&self) -> HandshakeDetails {
        self.view().into()
    }
}

impl HandshakeSource for Handshake {
    fn view(&self) -> HandshakeView<'_> {
        // Browsers send about this many.
        let mut headers = Vec::<(&str, Cow<'_, str>)>::with_capacity(16);
        for (name, value) in self.request().headers() {
            let value = match std::str::from_utf8(value) {
                Ok(value) => Cow::Borrowed(value),
                Err(_) => String::from_utf8_lossy(value),
            };
            match headers.iter_mut().find(|(before, _)| *before == name) {
                // As Node.js joins repeated headers. A comma may be part of a cookie.
                Some((_, before)) => {
                    let before = before.to_mut();
                    before.push_str(if name == "cookie" { "; " } else { ", " });
                    before.push_str(&value);
                }
                None => headers.push((name, value)),
            }
        }
        let issued = self.issued.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        HandshakeView {
            headers,
            time: text(29, httpdate::HttpDate::from(self.issued)),
            address: self.address().map(|address| address_text(address.ip())).unwrap_or_default(),
            xdomain: self.is_cross_domain(),
            secure: self.is_secure(),
            issued: u64::try_from(issued.as_millis()).unwrap_or(u64::MAX),
            url: self.url(),
            query: self.query().iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect(),
            auth: match &self.auth {
                Some(auth) => auth.parse().unwrap_or_default(),
                None => Map::new().into(),
            },
        }
    }
}

/// The text of a value that usually has this length.
fn text(length: usize, value: impl Display) -> String {
    let mut text = String::with_capacity(length);
    // Writing into a text does not fail.
    let _ = write!(text, "{value}");
    text
}

/// As `Display` writes an address, but without the general code for numbers for the usual ones of IPv4.
fn address_text(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return text(39, address) };
    let mut out = String::with_capacity(16);
    for octet in address.octets() {
        for (unit, is_needed) in [(100, octet >= 100), (10, octet >= 10), (1, true)] {
            if is_needed {
                out.push(char::from(b'0' + octet / unit % 10));
            }
        }
        out.push('.');
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_display_writes_them() {
        for address in ["0.0.0.0", "1.20.99.100", "101.110.199.255", "127.0.0.1", "::1", "::ffff:10.0.0.1"] {
            assert_eq!(address_text(address.parse().unwrap()), address);
        }
    }
}
