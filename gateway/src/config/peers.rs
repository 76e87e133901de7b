//! The checks of `cluster.peers`: addresses of gateways that share their sessions, and their key.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::secret::MIN_KEY_LEN;
use super::{Cluster, Transport};

/// The form of an address to listen on.
const LISTEN: &str = "an IP address with a port, or unix: and a path is expected, such as 10.0.0.1:4000 or unix:/run/gateway.sock";
/// The form of the address of a gateway.
const NODE: &str =
    "host:port, or unix: and a path is expected, such as 10.0.0.1:4000 or unix:/run/gateway.sock";

/// The address at which connections of other gateways are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PeersAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl PeersAddress {
    fn parse(address: &str) -> Option<Self> {
        match address.strip_prefix("unix:") {
            Some("") => None,
            Some(path) => Some(Self::Unix(path.into())),
            None => address.parse().ok().map(Self::Tcp),
        }
    }

    /// Whether other machines cannot reach the address.
    pub(super) fn is_of_this_machine(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl Cluster {
    /// Whether this gateway shares its sessions with others.
    pub(crate) fn has_peers(&self) -> bool {
        !self.peers_listen.is_empty()
    }

    /// The address to listen on, if one is set and valid.
    pub(crate) fn peers_address(&self) -> Option<PeersAddress> {
        PeersAddress::parse(&self.peers_listen)
    }

    /// Whether the connections between the gateways are encrypted.
    pub(crate) fn has_peers_tls(&self) -> bool {
        !self.peers_tls_certificate.is_empty()
    }

    /// Whether the key of the gateways is missing, although other machines are involved.
    fn needs_peers_key(&self) -> bool {
        let is_local = self.peers_address().is_none_or(|address| address.is_of_this_machine());
        !is_local || !self.peers.iter().all(|node| is_of_this_machine(node))
    }

    /// The invalid settings of `cluster.peers`, with the expected values.
    pub(super) fn invalid_peers(&self, transport: &Transport) -> Vec<(&'static str, String)> {
        let mut invalid_settings = Vec::new();
        let mut invalid = |key, message: &str| invalid_settings.push((key, message.to_owned()));
        if !self.has_peers() {
            if !self.peers.is_empty() {
                let message = format!("{LISTEN}, at which the gateways of cluster.peers reach this one");
                invalid("cluster.peers_listen", &message);
            }
            return invalid_settings;
        }
        if self.peers_address().is_none() {
            invalid("cluster.peers_listen", LISTEN);
        }
        if !self.is_enabled() {
            let message = "needs cluster.redis, cluster.postgres, cluster.nats or cluster.ipc: without one, clients at different gateways do \
                not receive the events of each other";
            invalid("cluster.peers_listen", message);
        }
        if self.peers.is_empty() {
            invalid("cluster.peers", "the addresses of the gateways are expected, or a name that has them");
        }
        for node in self.peers.iter().filter(|node| !is_address(node)) {
            invalid("cluster.peers", &format!("{node:?}: {NODE}"));
        }
        if self.peers_key.is_empty() {
            if self.needs_peers_key() {
                let message = "a key of at least 16 bytes is expected, the same at all gateways, such as `openssl \
                    rand -hex 32` prints: other machines reach cluster.peers_listen, or are in cluster.peers";
                invalid("cluster.peers_key", message);
            }
        } else if self.peers_key.len() < MIN_KEY_LEN {
            let message = "at least 16 bytes are expected, such as `openssl rand -hex 32` prints";
            invalid("cluster.peers_key", message);
        }
        let files = [
            ("cluster.peers_tls_certificate", &self.peers_tls_certificate),
            ("cluster.peers_tls_key", &self.peers_tls_key),
            ("cluster.peers_tls_ca", &self.peers_tls_ca),
        ];
        if files.iter().any(|(_, path)| !path.is_empty()) {
            for (key, _) in files.into_iter().filter(|(_, path)| path.is_empty()) {
                invalid(key, "a path is expected: certificate, key and authorities must be set together");
            }
        }
        for (key, value) in [
            ("cluster.peers_response_timeout_ms", self.peers_response_timeout_ms),
            ("cluster.peers_timeout_ms", self.peers_timeout_ms),
            ("cluster.peers_max_open_requests", self.peers_max_open_requests as u64),
        ] {
            if value == 0 {
                invalid(key, "more than 0 is expected");
            }
        }
        if self.peers_max_queued_bytes < self.peers_max_message_bytes(transport) {
            let least = self.peers_max_message_bytes(transport);
            let message = format!(
                "at least {least} is expected: a message has up to twice transport.max_buffered_bytes"
            );
            invalid("cluster.peers_max_queued_bytes", &message);
        }
        invalid_settings
    }

    /// Limit of the bytes of one message between gateways: a poll is answered with all that waits for the client, and a
    /// POST is passed on as a whole.
    pub(crate) fn peers_max_message_bytes(&self, transport: &Transport) -> usize {
        let outgoing = transport.max_buffered_bytes.saturating_mul(2);
        outgoing.max(transport.max_payload_bytes.saturating_mul(2)).max(1 << 20)
    }

    /// The risks of `cluster.peers`, without the values.
    pub(super) fn risks_of_peers(&self) -> Vec<(&'static str, &'static str)> {
        let Some(address) = self.has_peers().then(|| self.peers_address()).flatten() else {
            return Vec::new();
        };
        let mut risks = Vec::new();
        if !address.is_of_this_machine() && !self.has_peers_tls() {
            let message = "not encrypted without cluster.peers_tls_certificate: an attacker on the network path between the gateways can read and send \
                messages of clients";
            risks.push(("cluster.peers_listen", message));
        }
        if self.peers_key.is_empty() && matches!(address, PeersAddress::Tcp(_)) {
            let message = "empty: each program of this machine can connect as a gateway, and read and send messages of \
                clients";
            risks.push(("cluster.peers_key", message));
        }
        risks
    }
}

/// Whether a text is the address of a gateway.
fn is_address(node: &str) -> bool {
    match node.strip_prefix("unix:") {
        Some(path) => !path.is_empty(),
        None => node.rsplit_once(':').is_some_and(|(host, port)| {
            let is_bare = !host.contains(':') || host.starts_with('[') && host.ends_with(']');
            is_bare && !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        }),
    }
}

fn is_of_this_machine(node: &str) -> bool {
    if node.starts_with("unix:") {
        return true;
    }
    let host = node.rsplit_once(':').map_or(node, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    /// Settings of two gateways on this machine.
    fn config() -> Config {
        let mut config = Config::default();
        config.cluster.redis = "redis://127.0.0.1/".into();
        config.cluster.peers = vec!["127.0.0.1:4000".to_owned(), "unix:/run/b.sock".to_owned()];
        config.cluster.peers_listen = "127.0.0.1:4000".to_owned();
        config
    }

    fn errors(change: impl FnOnce(&mut Config)) -> Vec<(&'static str, String)> {
        let mut config = config();
        change(&mut config);
        let errors = config.check().err().into_iter().flatten();
        errors.map(|error| (error.key, error.message)).collect()
    }

    fn keys(change: impl FnOnce(&mut Config)) -> Vec<&'static str> {
        errors(change).into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn each_mistake_has_its_key() {
        assert_eq!(errors(|_| {}), []);
        assert_eq!(keys(|config| config.cluster.peers_listen.clear()), ["cluster.peers_listen"]);
        assert_eq!(keys(|config| config.cluster.peers.clear()), ["cluster.peers"]);
        for listen in ["localhost:4000", "4000", "unix:", "10.0.0.1", "unix"] {
            let wrong = errors(|config| config.cluster.peers_listen = listen.to_owned());
            assert_eq!(wrong, [("cluster.peers_listen", super::LISTEN.to_owned())], "{listen}");
        }
        for node in ["host", "host:", ":1", "host:0", "host:70000", "unix:", "::1:4000", "http://a:1/"] {
            let wrong = errors(|config| {
                config.cluster.peers.push(node.to_owned());
                config.cluster.peers_key = "a key of all gateways".into();
            });
            assert_eq!(wrong, [("cluster.peers", format!("{node:?}: {}", super::NODE))], "{node}");
        }
        for (key, change) in [
            (
                "cluster.peers_response_timeout_ms",
                (|c| c.cluster.peers_response_timeout_ms = 0) as fn(&mut Config),
            ),
            ("cluster.peers_timeout_ms", |c| c.cluster.peers_timeout_ms = 0),
            ("cluster.peers_max_open_requests", |c| c.cluster.peers_max_open_requests = 0),
            ("cluster.peers_max_queued_bytes", |c| c.cluster.peers_max_queued_bytes = 16_000_000),
            ("cluster.peers_max_queued_bytes", |c| c.transport.max_buffered_bytes = 100 << 20),
        ] {
            assert_eq!(keys(change), [key]);
        }
    }

    /// Without an adapter clients at different gateways would not hear each other.
    #[test]
    fn shared_sessions_need_an_adapter() {
        let wrong = errors(|config| config.cluster.redis = "".into());
        assert_eq!(wrong.len(), 1);
        assert_eq!(wrong[0].0, "cluster.peers_listen");
        assert!(wrong[0].1.contains("cluster.redis"), "{wrong:?}");
    }

    #[test]
    fn gateways_of_several_machines_need_a_key() {
        for change in [
            |config: &mut Config| config.cluster.peers_listen = "0.0.0.0:4000".to_owned(),
            |config: &mut Config| config.cluster.peers_listen = "[::]:4000".to_owned(),
            |config: &mut Config| config.cluster.peers.push("gateways:4000".to_owned()),
            |config: &mut Config| config.cluster.peers.push("10.0.0.2:4000".to_owned()),
        ] {
            assert_eq!(keys(change), ["cluster.peers_key"]);
            let with = |key: &'static str| {
                keys(|config| {
                    change(config);
                    config.cluster.peers_key = key.into();
                })
            };
            assert_eq!(with("a key of 15 byt"), ["cluster.peers_key"]);
            assert_eq!(with("a key of 16 byte"), [""; 0]);
        }
        assert_eq!(keys(|config| config.cluster.peers.push("[::1]:4000".to_owned())), [""; 0]);
        // It is too short where none is needed, too.
        assert_eq!(keys(|config| config.cluster.peers_key = "short".into()), ["cluster.peers_key"]);
    }

    #[test]
    fn open_networks_and_ports_without_a_key_are_risks() {
        let risks = |change: fn(&mut Config)| {
            let mut config = config();
            change(&mut config);
            config.risks().iter().map(|risk| risk.key).collect::<Vec<_>>()
        };
        assert_eq!(risks(|_| {}), ["cluster.peers_key"]);
        assert_eq!(risks(|config| config.cluster.peers_listen = "unix:/run/a.sock".to_owned()), [""; 0]);
        assert_eq!(risks(|config| config.cluster.peers_key = "a key of all gateways".into()), [""; 0]);
        let open = |config: &mut Config| {
            config.cluster.peers_listen = "10.0.0.1:4000".to_owned();
            config.cluster.peers_key = "a key of all gateways".into();
        };
        assert_eq!(risks(open), ["cluster.peers_listen"]);
        assert_eq!(
            risks(|config| {
                config.cluster.peers_listen = "10.0.0.1:4000".to_owned();
                config.cluster.peers_key = "a key of all gateways".into();
                config.cluster.peers_tls_certificate = "gateway.pem".to_owned();
            }),
            [""; 0]
        );
    }

    #[test]
    fn the_files_of_tls_are_set_together() {
        let all = ["cluster.peers_tls_certificate", "cluster.peers_tls_key", "cluster.peers_tls_ca"];
        let missing = |set: [bool; 3]| {
            keys(|config| {
                let path = |is_set: bool| if is_set { "file.pem".to_owned() } else { String::new() };
                [
                    config.cluster.peers_tls_certificate,
                    config.cluster.peers_tls_key,
                    config.cluster.peers_tls_ca,
                ] = set.map(path);
            })
        };
        assert_eq!(missing([false; 3]), [""; 0]);
        assert_eq!(missing([true; 3]), [""; 0]);
        for set in [[true, false, false], [false, true, false], [false, false, true], [true, true, false]] {
            let expected: Vec<_> = (0..3).filter(|at| !set[*at]).map(|at| all[at]).collect();
            assert_eq!(missing(set), expected);
        }
    }
}
