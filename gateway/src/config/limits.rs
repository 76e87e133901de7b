//! How fast clients may talk, and how much one address may have.

use serde::{Deserialize, Serialize};

/// How fast each client may talk in a namespace, which heartbeats do not count for, and how much an address may have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// How many events a second. Default 0: any number. With a limit each client costs about 100 bytes more.
    pub events_per_second: u32,
    /// How many bytes of arguments a second. Default 0: any number.
    pub bytes_per_second: u32,
    /// For how many seconds' worth a client that was quiet may talk at once. Default 5.
    pub burst_seconds: u32,
    /// What happens to more. Default `delay`.
    pub excess: Excess,
    /// How many connections of a port an address may have in a TLS handshake or speaking HTTP, idle ones included; those
    /// that became WebSockets count as sessions. Default 1,000; 0: any number. Further ones are closed at once. Here and
    /// in the next two an address of IPv6 counts as its /64, and those in `exempt_addresses` and
    /// `server.trusted_proxies` do not count. Costs about 60 bytes for each address.
    pub connections_per_address: u32,
    /// How many sessions of both protocols an address may have, from the handshake on. The address is the one that a
    /// trusted proxy names. Default 1,000; 0: any number. Further handshakes get 429. Costs about 60 bytes for each
    /// address.
    pub sessions_per_address: u32,
    /// How many handshakes an address may begin in a second; what it saves up is that of `burst_seconds`. Default 100; 0:
    /// any number. Further ones get 429. Each address costs about 60 bytes until it has rested.
    pub handshakes_per_second: u32,
    /// Addresses and nets that have none of these three limits: those of load tests, and of proxies that name no client.
    /// Default `127.0.0.0/8` and `::1`: programs of this machine, a proxy among them that `server.trusted_proxies` does
    /// not have.
    pub exempt_addresses: Vec<String>,
    /// How many namespaces a connection may be in. Default 0: 64, and who wants more loses the connection; below that
    /// they are refused.
    pub namespaces_per_connection: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events_per_second: 0,
            bytes_per_second: 0,
            burst_seconds: 5,
            excess: Excess::Delay,
            connections_per_address: 1_000,
            sessions_per_address: 1_000,
            handshakes_per_second: 100,
            exempt_addresses: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            namespaces_per_connection: 0,
        }
    }
}

/// What happens to a client that talks too fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Excess {
    /// Its events wait, and when too many do, nothing more is read from it.
    #[default]
    Delay,
    /// An event is dropped, and answered with an error if it wants an answer.
    Refuse,
    /// It is told, and put out.
    Disconnect,
}
