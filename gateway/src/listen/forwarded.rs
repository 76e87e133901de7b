//! Client address of a request: the address of the connection, or the one that a trusted proxy reports.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::config::{ForwardedBy, Server};
use crate::listen::networks::{NetworkError, Networks};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Trusted proxies.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    trusted: Networks,
    by: ForwardedBy,
}

impl Proxies {
    pub(crate) fn new(server: &Server) -> Result<Self, NetworkError> {
        let trusted = Networks::parse("server.trusted_proxies", &server.trusted_proxies)?;
        Ok(Self { trusted, by: server.forwarded_by })
    }

    /// Determines the client address. Each proxy appends the address of its peer to the header, so the last
    /// address that is not a trusted proxy is the client's. Earlier addresses may be forged.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trust(client) {
            return client;
        }
        let name = match self.by {
            ForwardedBy::XForwardedFor => X_FORWARDED_FOR,
            ForwardedBy::Forwarded => header::FORWARDED,
        };
        // The header is split as bytes: invalid UTF-8 from the client must not make the proxy's own element
        // unreadable.
        let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        for element in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            let Ok(element) = std::str::from_utf8(element) else { return client };
            let address = match self.by {
                ForwardedBy::XForwardedFor => address(element.trim()),
                ForwardedBy::Forwarded => forwarded_pair(element, "for").and_then(address),
            };
            // Elements before an unreadable one may be forged.
            let Some(address) = address else { return client };
            client = address.to_canonical();
            if !self.trust(client) {
                return client;
            }
        }
        client
    }

    /// Whether the client's connection uses TLS, according to a trusted proxy: the header `x-forwarded-proto`, or
    /// `proto` in `forwarded`. `None` if no trusted proxy says so. Several elements must agree on TLS, because a
    /// client may have sent the first ones.
    pub(crate) fn is_https(&self, peer: IpAddr, headers: &HeaderMap) -> Option<bool> {
        if !self.trust(peer.to_canonical()) {
            return None;
        }
        let name = match self.by {
            ForwardedBy::XForwardedFor => X_FORWARDED_PROTO,
            ForwardedBy::Forwarded => header::FORWARDED,
        };
        let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let mut reported = None;
        for element in lines.flat_map(|line| line.split(|byte| *byte == b',')) {
            let element = std::str::from_utf8(element).unwrap_or_default();
            let scheme = match self.by {
                ForwardedBy::XForwardedFor => Some(element.trim()),
                ForwardedBy::Forwarded => forwarded_pair(element, "proto"),
            };
            let is_https = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
            reported = match (reported, scheme) {
                (None, None) => None,
                (before, _) => Some(before.unwrap_or(true) && is_https),
            };
        }
        reported
    }

    /// Whether the address is that of a trusted proxy.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        self.trusted.contain(address)
    }
}

/// Parses an address with an optional port.
fn address(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok();
    }
    text.parse()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddrV4>().ok().map(|address| (*address.ip()).into()))
}

/// Value of a parameter in one element of a `Forwarded` header.
fn forwarded_pair<'a>(element: &'a str, parameter: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case(parameter).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], by: ForwardedBy, peer: &str, lines: &[&'static str]) -> String {
        let trusted_proxies = trusted.iter().map(|text| (*text).to_owned()).collect();
        let proxies =
            Proxies::new(&Server { trusted_proxies, forwarded_by: by, ..Server::default() }).unwrap();
        let name = if by == ForwardedBy::Forwarded { header::FORWARDED } else { X_FORWARDED_FOR };
        let headers = lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect();
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn tls_is_reported_by_trusted_proxies_only() {
        let (x, forwarded) = (ForwardedBy::XForwardedFor, ForwardedBy::Forwarded);
        let trusted = vec!["127.0.0.1".to_owned()];
        for (by, peer, lines, expected) in [
            (x, "192.0.2.9", &["https"][..], None),
            (x, "127.0.0.1", &[], None),
            (x, "127.0.0.1", &["HTTPS"], Some(true)),
            (x, "::ffff:127.0.0.1", &["https"], Some(true)),
            (x, "127.0.0.1", &["http"], Some(false)),
            // The client's own header comes first.
            (x, "127.0.0.1", &["https", "http"], Some(false)),
            (x, "127.0.0.1", &["https, http"], Some(false)),
            (forwarded, "127.0.0.1", &["for=192.0.2.1;proto=https"], Some(true)),
            (forwarded, "127.0.0.1", &["for=192.0.2.1"], None),
            (forwarded, "127.0.0.1", &["proto=https, for=192.0.2.1"], Some(false)),
            (forwarded, "192.0.2.9", &["proto=https"], None),
        ] {
            let server = Server { trusted_proxies: trusted.clone(), forwarded_by: by, ..Server::default() };
            let name = if by == forwarded { header::FORWARDED } else { X_FORWARDED_PROTO };
            let headers = lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect();
            let found = Proxies::new(&server).unwrap().is_https(peer.parse().unwrap(), &headers);
            assert_eq!(found, expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn headers_of_trusted_proxies_only_count() {
        let by = ForwardedBy::XForwardedFor;
        for (trusted, peer, lines, expected) in [
            (&[][..], "127.0.0.1", &["192.0.2.1"][..], "127.0.0.1"),
            (&["127.0.0.1"], "127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            (&["127.0.0.1"], "::ffff:127.0.0.1", &["192.0.2.1:1234"], "192.0.2.1"),
            (&["127.0.0.1"], "192.0.2.9", &["192.0.2.1"], "192.0.2.9"),
            // The client's own header comes first.
            (&["127.0.0.1"], "127.0.0.1", &["198.51.100.7, 192.0.2.1"], "192.0.2.1"),
            (&["127.0.0.1"], "127.0.0.1", &["198.51.100.7", "192.0.2.1"], "192.0.2.1"),
            (&["127.0.0.0/8", "10.0.0.0/8"], "127.9.9.9", &["192.0.2.1, 10.1.2.3"], "192.0.2.1"),
            (&["10.0.0.0/8"], "10.1.1.1", &["10.2.2.2"], "10.2.2.2"),
            (&["10.0.0.0/8"], "10.1.1.1", &["192.0.2.1, unknown, 10.2.2.2"], "10.2.2.2"),
            (&["10.0.0.0/8"], "10.1.1.1", &[], "10.1.1.1"),
            (&["10.0.0.0/8"], "10.1.1.1", &[""], "10.1.1.1"),
            (&["2001:db8::/32"], "2001:db8::1", &["[2001:db9::2]:443"], "2001:db9::2"),
            (&["2001:db8::/32"], "2001:db8::1", &["2001:db9::2"], "2001:db9::2"),
        ] {
            assert_eq!(client(trusted, by, peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_too() {
        let by = ForwardedBy::Forwarded;
        for (lines, expected) in [
            (&["for=192.0.2.1;proto=https"][..], "192.0.2.1"),
            (&["proto=http; For=\"[2001:db8::7]:4711\""], "2001:db8::7"),
            (&["for=198.51.100.7, for=192.0.2.1;by=10.0.0.1"], "192.0.2.1"),
            (&["for=unknown"], "10.0.0.1"),
            (&["for=_hidden"], "10.0.0.1"),
        ] {
            assert_eq!(client(&["10.0.0.1"], by, "10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn invalid_utf8_affects_only_its_own_element() {
        for (by, name, line) in [
            (ForwardedBy::XForwardedFor, X_FORWARDED_FOR, &b"\xff, 203.0.113.5"[..]),
            (ForwardedBy::Forwarded, header::FORWARDED, b"for=\"\xff\", for=203.0.113.5"),
        ] {
            let server = Server {
                trusted_proxies: vec!["127.0.0.1".to_owned()],
                forwarded_by: by,
                ..Server::default()
            };
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_bytes(line).unwrap())]);
            let proxies = Proxies::new(&server).unwrap();
            assert_eq!(proxies.client("127.0.0.1".parse().unwrap(), &headers).to_string(), "203.0.113.5");
        }
    }
}
