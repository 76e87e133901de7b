//! Where a request really comes from: the connection's address, or what a proxy that is trusted says of it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use thiserror::Error;

use crate::config::{ForwardedBy, Server};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses that have a beginning in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Net {
    start: IpAddr,
    bits: u8,
}

/// The proxies whose word counts.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    trusted: Vec<Net>,
    by: ForwardedBy,
}

/// What should be a proxy's address is none.
#[derive(Debug, Error)]
#[error("server.trusted_proxies: {0:?} is no address such as 10.0.0.1, and no net such as 10.0.0.0/8")]
pub struct ProxyError(String);

impl Proxies {
    pub(crate) fn new(server: &Server) -> Result<Self, ProxyError> {
        let trusted = server.trusted_proxies.iter().map(|text| Net::read(text));
        Ok(Self { trusted: trusted.collect::<Result<_, _>>()?, by: server.forwarded_by })
    }

    /// Who sent a request. Each proxy writes down who came to it behind what was there before, so the last one that is
    /// no proxy of ours is whom we can know of; what stands before may be made up.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let name = match self.by {
            ForwardedBy::XForwardedFor => X_FORWARDED_FOR,
            ForwardedBy::Forwarded => header::FORWARDED,
        };
        // Split first: what a client wrote in front, in whatever bytes, does not make the proxy's own element unreadable.
        let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        for said in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            let Ok(said) = std::str::from_utf8(said) else { return client };
            let address = match self.by {
                ForwardedBy::XForwardedFor => address(said.trim()),
                ForwardedBy::Forwarded => forwarded_for(said).and_then(address),
            };
            // Behind what nobody can read everything may be made up.
            let Some(address) = address else { return client };
            client = address.to_canonical();
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.has(address))
    }
}

impl Net {
    fn read(text: &str) -> Result<Self, ProxyError> {
        let wrong = || ProxyError(text.to_owned());
        let (start, bits) = match text.split_once('/') {
            Some((start, bits)) => (start, Some(bits)),
            None => (text, None),
        };
        let start: IpAddr = start.parse().map_err(|_| wrong())?;
        let most = if start.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
            None => most,
        };
        Ok(Self { start, bits })
    }

    fn has(self, address: IpAddr) -> bool {
        let shared = match (self.start, address) {
            (IpAddr::V4(start), IpAddr::V4(address)) => (start.to_bits() ^ address.to_bits()).leading_zeros(),
            (IpAddr::V6(start), IpAddr::V6(address)) => (start.to_bits() ^ address.to_bits()).leading_zeros(),
            _ => return false,
        };
        shared >= u32::from(self.bits)
    }
}

/// An address, maybe with a port.
fn address(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok();
    }
    text.parse()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddrV4>().ok().map(|address| (*address.ip()).into()))
}

/// The `for` of one element of a `Forwarded` header.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
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
    fn only_proxies_that_are_trusted_are_believed() {
        let by = ForwardedBy::XForwardedFor;
        for (trusted, peer, lines, expected) in [
            (&[][..], "127.0.0.1", &["192.0.2.1"][..], "127.0.0.1"),
            (&["127.0.0.1"], "127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            (&["127.0.0.1"], "::ffff:127.0.0.1", &["192.0.2.1:1234"], "192.0.2.1"),
            (&["127.0.0.1"], "192.0.2.9", &["192.0.2.1"], "192.0.2.9"),
            // What the client wrote itself stands in front.
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
    fn bytes_that_are_no_text_spoil_their_own_element_alone() {
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

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "localhost", "10.0.0.1/"] {
            let server = Server { trusted_proxies: vec![wrong.to_owned()], ..Server::default() };
            assert!(Proxies::new(&server).is_err(), "{wrong}");
        }
    }
}
