//! INFO: the description of a server.

use std::fmt;

use serde_json::Value;

use super::ProtocolError;

/// The port of a server whose address has none.
const PORT: u16 = 4222;
/// Maximum length of a host that a server names.
const MAX_HOST: usize = 255;
/// Maximum number of other servers that one names; further ones are ignored.
const MAX_SERVERS: usize = 64;
/// The limit of a server that does not say one: the default of NATS.
const MAX_PAYLOAD: usize = 1 << 20;

/// The part of INFO that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Info {
    /// Maximum size of a message.
    pub(crate) max_payload: usize,
    /// Whether clients have to use TLS.
    pub(crate) tls_required: bool,
    /// Whether clients may use TLS.
    pub(crate) tls_available: bool,
    /// Whether messages may have headers.
    pub(crate) headers: bool,
    /// The servers of the cluster.
    pub(crate) servers: Vec<Address>,
}

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Info {
    /// Reads INFO. What is missing has the default of NATS, and what is unknown is ignored.
    pub(crate) fn decode(json: &[u8]) -> Result<Self, ProtocolError> {
        let info: Value = serde_json::from_slice(json).map_err(|_| ProtocolError::Info)?;
        if !info.is_object() {
            return Err(ProtocolError::Info);
        }
        let is = |name: &str| info[name].as_bool().unwrap_or_default();
        let servers = info["connect_urls"].as_array().into_iter().flatten();
        Ok(Self {
            max_payload: info["max_payload"]
                .as_u64()
                .map_or(MAX_PAYLOAD, |bytes| bytes.try_into().unwrap_or(usize::MAX)),
            tls_required: is("tls_required"),
            tls_available: is("tls_available"),
            headers: is("headers"),
            servers: servers.filter_map(|url| Address::parse(url.as_str()?)).take(MAX_SERVERS).collect(),
        })
    }
}

impl Address {
    /// Reads `host`, `host:port` or `[host]:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_plain = |character: char| character.is_ascii_graphic() && !"/?#@%\\\"'".contains(character);
        let is_host = !host.is_empty() && host.len() <= MAX_HOST && host.chars().all(is_plain);
        let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port != 0))?;
        is_host.then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_checked() {
        for (text, address) in [
            ("a", "a:4222"),
            ("a:5", "a:5"),
            ("[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:4222"),
            ("1.2.3.4:80", "1.2.3.4:80"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), address);
        }
        let long = "x".repeat(MAX_HOST + 1);
        for text in
            ["", ":4222", "a:", "a:0", "a:65536", "a:b", "::1", "[::1", "[::1]7", "[]", "a b", "a/b", &long]
        {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn info_is_read_and_limited() {
        let info = Info::decode(
            br#"{"server_id":"x","max_payload":2000,"headers":true,"tls_required":true,"connect_urls":["10.0.0.1:4222",7,"","b:1"]}"#,
        );
        let servers = ["10.0.0.1:4222", "b:1"].map(|text| Address::parse(text).unwrap()).to_vec();
        let (tls_required, tls_available, headers) = (true, false, true);
        let expected = Info { max_payload: 2000, tls_required, tls_available, headers, servers };
        assert_eq!(info, Ok(expected));
        let plain = Info::decode(b"{}").unwrap();
        assert_eq!((plain.max_payload, plain.tls_required, plain.servers.len()), (MAX_PAYLOAD, false, 0));
        assert!(!plain.headers);
        assert_eq!(Info::decode(br#"{"max_payload":-1,"connect_urls":{}}"#).unwrap(), plain);
        for bad in [&b""[..], b"[]", b"{", b"7", "[".repeat(1000).as_bytes()] {
            assert_eq!(Info::decode(bad), Err(ProtocolError::Info));
        }
    }

    #[test]
    fn the_number_of_servers_in_info_is_limited() {
        let urls: Vec<String> = (0..100).map(|number| format!("\"host{number}\"")).collect();
        let info = Info::decode(format!("{{\"connect_urls\":[{}]}}", urls.join(",")).as_bytes()).unwrap();
        assert_eq!(info.servers.len(), MAX_SERVERS);
        assert_eq!(info.servers[63].host, "host63");
    }
}
