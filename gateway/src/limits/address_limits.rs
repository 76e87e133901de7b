//! Limits per client address on connections, sessions and handshakes.
//!
//! An IPv6 address counts as its /64, the usual allocation of one household or machine.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::AddressLimit;

use super::handshake_rate::HandshakeRate;
use super::rate_limit::Rate;
use crate::config::Limits;
use crate::listen::forwarded::Proxies;
use crate::listen::networks::{NetworkError, Networks};
use crate::log::limit::LogLimits;
use crate::stats::counters::LabelledCounters;

/// Limits, and the current counts.
#[derive(Debug)]
pub(crate) struct AddressLimits {
    exempt: Exempt,
    /// Limit of connections per address and port; 0 means unlimited.
    max_connections: u32,
    sessions: AddressLimit,
    handshakes: HandshakeRate,
    refused: Arc<LabelledCounters>,
    log: LogLimits,
}

/// Addresses that are exempt from the limits because many clients share them.
#[derive(Clone, Debug)]
struct Exempt {
    networks: Networks,
    proxies: Proxies,
}

impl AddressLimits {
    pub(crate) fn new(
        limits: &Limits,
        proxies: &Proxies,
        refused: &Arc<LabelledCounters>,
    ) -> Result<Self, NetworkError> {
        let burst = Duration::from_secs(limits.burst_seconds.into());
        let networks = Networks::parse("limits.exempt_addresses", &limits.exempt_addresses)?;
        let exempt = Exempt { networks, proxies: proxies.clone() };
        Ok(Self {
            sessions: exempt.limit(limits.sessions_per_address),
            exempt,
            max_connections: limits.connections_per_address,
            handshakes: HandshakeRate::new(Rate::new(limits.handshakes_per_second, burst)),
            refused: Arc::clone(refused),
            log: LogLimits::default(),
        })
    }

    /// Creates a limit of connections per address for one port.
    pub(crate) fn connections(&self) -> AddressLimit {
        self.exempt.limit(self.max_connections)
    }

    /// Limit of sessions per address.
    pub(crate) fn sessions(&self) -> AddressLimit {
        self.sessions.clone()
    }

    /// Takes one handshake from the budget of an address. The error is the time until the next one is
    /// allowed.
    pub(crate) fn take_handshake(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.exempt.contains(address) {
            return Ok(());
        }
        let taken = self.handshakes.take(AddressLimit::network(address), now);
        taken.inspect_err(|_| self.refuse("handshakes", address))
    }

    /// Counts a refusal, and logs it at a limited rate, because the address may be a proxy that the settings
    /// do not list.
    pub(crate) fn refuse(&self, limit: &'static str, address: IpAddr) {
        self.refused.add(limit);
        if let Some(suppressed) = self.log.admits(limit, Instant::now()) {
            let about = "an address exceeds a limit; if it is a proxy, add it to server.trusted_proxies";
            tracing::warn!(%address, limit, suppressed, "{about}");
        }
    }
}

impl Exempt {
    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.contain(address) || self.proxies.trust(address)
    }

    fn limit(&self, limit: u32) -> AddressLimit {
        let exempt = self.clone();
        match limit {
            0 => AddressLimit::unlimited(),
            limit => AddressLimit::new(limit as usize).exempt(move |address| exempt.contains(address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Server;

    #[test]
    fn proxies_and_local_programs_have_no_limit() {
        let limits = Limits { handshakes_per_second: 1, burst_seconds: 1, ..Limits::default() };
        let server = Server { trusted_proxies: vec!["10.0.0.0/8".to_owned()], ..Server::default() };
        let limits = AddressLimits::new(&limits, &Proxies::new(&server).unwrap(), &Arc::default()).unwrap();
        let now = Instant::now();
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3"] {
            for _ in 0..10 {
                limits.take_handshake(address.parse().unwrap(), now).unwrap();
            }
        }
        limits.take_handshake("192.0.2.1".parse().unwrap(), now).unwrap();
        assert!(limits.take_handshake("192.0.2.1".parse().unwrap(), now).is_err());
    }
}
