//! Rate limits of clients, and limits per client address.

use serde::{Deserialize, Serialize};

/// Rate limits of each client in a namespace, and limits per address. Heartbeats do not count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Events a client may send per second. Default 0: unlimited. With a limit each client costs about 100
    /// bytes more.
    pub events_per_second: u32,
    /// Bytes of event arguments a client may send per second. Default 0: unlimited.
    pub bytes_per_second: u32,
    /// Burst: a client that was idle may send the budget of this many seconds at once. Default 5.
    pub burst_seconds: u32,
    /// Treatment of events beyond the rate. Default `delay`.
    pub excess: Excess,
    /// Connections per address and port that are in a TLS handshake or speak HTTP, idle ones included;
    /// connections that became WebSockets count as sessions. Default 1,000; 0: unlimited. Further connections
    /// are closed at once. For this limit and the next two an IPv6 address counts as its /64, and addresses
    /// in `exempt_addresses` and `server.trusted_proxies` do not count. Costs about 60 bytes per address.
    pub connections_per_address: u32,
    /// Sessions of both protocols per address, from the handshake on. The address is the one that a trusted
    /// proxy reports. Default 1,000; 0: unlimited. Further handshakes get 429. Costs about 60 bytes per
    /// address.
    pub sessions_per_address: u32,
    /// Handshakes per address and second, with the burst of `burst_seconds`. Default 100; 0: unlimited.
    /// Further handshakes get 429. Each address costs about 60 bytes until its budget is full again.
    pub handshakes_per_second: u32,
    /// Addresses and networks that are exempt from these three limits: load tests, and proxies that report no
    /// client address. Default `127.0.0.0/8` and `::1`: programs on this machine, including a proxy that
    /// `server.trusted_proxies` does not list.
    pub exempt_addresses: Vec<String>,
    /// Limit of namespaces per connection. Default 0: the limit of the Socket.IO server, 64, applies, and a
    /// connection that exceeds it is closed. A lower limit refuses further namespaces instead.
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

/// Treatment of a client that exceeds its rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Excess {
    /// Its events are delayed. When too many are delayed, the gateway stops reading from the client.
    #[default]
    Delay,
    /// The event is dropped. If the client requested an acknowledgement, it receives an error.
    Refuse,
    /// The client receives an error and is disconnected.
    Disconnect,
}
