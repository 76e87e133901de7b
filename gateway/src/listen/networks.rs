//! Lists of IP addresses and networks.

use std::net::IpAddr;

use thiserror::Error;

/// List of IP addresses and networks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks(Vec<Network>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    start: IpAddr,
    bits: u8,
}

/// Error of a list entry that is neither an address nor a network.
#[derive(Debug, Error)]
#[error("{setting}: {text:?} is neither an address such as 10.0.0.1 nor a network such as 10.0.0.0/8")]
pub struct NetworkError {
    setting: &'static str,
    text: String,
}

impl Networks {
    /// Parses the entries of a setting.
    pub(crate) fn parse(setting: &'static str, list: &[String]) -> Result<Self, NetworkError> {
        let parse =
            |text: &String| Network::parse(text).ok_or_else(|| NetworkError { setting, text: text.clone() });
        Ok(Self(list.iter().map(parse).collect::<Result<_, _>>()?))
    }

    /// Whether the list contains the address.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (start, bits) = match text.split_once('/') {
            Some((start, bits)) => (start, Some(bits)),
            None => (text, None),
        };
        let start: IpAddr = start.parse().ok()?;
        let max = if start.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= max)?,
            None => max,
        };
        Some(Self { start, bits })
    }

    fn contains(self, address: IpAddr) -> bool {
        let shared = match (self.start, address) {
            (IpAddr::V4(start), IpAddr::V4(address)) => (start.to_bits() ^ address.to_bits()).leading_zeros(),
            (IpAddr::V6(start), IpAddr::V6(address)) => (start.to_bits() ^ address.to_bits()).leading_zeros(),
            _ => return false,
        };
        shared >= u32::from(self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_addresses_are_refused() {
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "localhost", "10.0.0.1/"] {
            let error =
                Networks::parse("server.trusted_proxies", &[wrong.to_owned()]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("server.trusted_proxies: {wrong:?} is neither")), "{error}");
        }
    }

    #[test]
    fn a_network_contains_addresses_with_its_prefix() {
        let networks = Networks::parse("x", &["127.0.0.0/8".to_owned(), "::1".to_owned()]).unwrap();
        for (address, expected) in [("127.9.9.9", true), ("128.0.0.1", false), ("::1", true), ("::2", false)]
        {
            assert_eq!(networks.contain(address.parse().unwrap()), expected, "{address}");
        }
        assert!(!Networks::default().contain("127.0.0.1".parse().unwrap()));
    }
}
