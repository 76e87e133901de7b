//! Limits per client address on connections, sessions and handshakes, and the limit of namespaces per
//! connection.
//!
//! An IPv6 address counts as its /64, the usual allocation of one household or machine.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engineio::{AddressLimit, Sid};
use socketio_server::{ConnectError, Namespace, Socket};

use crate::auth::refusal::Refusal;
use crate::config::Limits;
use crate::limits::rate_limit::Rate;
use crate::listen::forwarded::Proxies;
use crate::listen::networks::{NetError, Nets};
use crate::log::limit::LogLimiter;
use crate::stats::counters::Words;

/// Minimum number of stored addresses that causes those with a full budget to be removed.
const SWEEP: usize = 1024;

/// Limits, and the current counts.
#[derive(Debug)]
pub(crate) struct Crowd {
    exempt: Exempt,
    /// Limit of connections per address and port. Here and in `namespaces_limit` 0 means unlimited.
    connections_limit: u32,
    namespaces_limit: u32,
    sessions: AddressLimit,
    /// Number of namespaces that each connection has joined.
    namespaces: Mutex<HashMap<Sid, u32>>,
    handshakes: Handshakes,
    refused: Arc<Words>,
    log: LogLimiter,
}

/// Addresses that are exempt from the limits because many clients share them.
#[derive(Clone, Debug)]
struct Exempt {
    nets: Nets,
    proxies: Proxies,
}

/// Reservation of one namespace for a connection, freed on drop.
#[derive(Debug)]
struct Seat {
    crowd: Arc<Crowd>,
    session: Sid,
}

impl Crowd {
    pub(crate) fn new(limits: &Limits, proxies: &Proxies, refused: &Arc<Words>) -> Result<Self, NetError> {
        let burst = Duration::from_secs(limits.burst_seconds.into());
        let nets = Nets::read("limits.exempt_addresses", &limits.exempt_addresses)?;
        let exempt = Exempt { nets, proxies: proxies.clone() };
        Ok(Self {
            sessions: exempt.limit(limits.sessions_per_address),
            exempt,
            connections_limit: limits.connections_per_address,
            namespaces_limit: limits.namespaces_per_connection,
            namespaces: Mutex::default(),
            handshakes: Handshakes::new(Rate::new(limits.handshakes_per_second, burst)),
            refused: Arc::clone(refused),
            log: LogLimiter::default(),
        })
    }

    /// Creates a limit of connections per address for one port.
    pub(crate) fn connections(&self) -> AddressLimit {
        self.exempt.limit(self.connections_limit)
    }

    /// Limit of sessions per address.
    pub(crate) fn sessions(&self) -> AddressLimit {
        self.sessions.clone()
    }

    /// Takes one handshake from the budget of an address. The error is the time until the next one is
    /// allowed.
    pub(crate) fn knocks(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.exempt.has(address) {
            return Ok(());
        }
        let knocked = self.handshakes.take(AddressLimit::network(address), now);
        knocked.inspect_err(|_| self.refuse("handshakes", address))
    }

    /// Counts a refusal, and logs it at a limited rate, because the address may be a proxy that the settings
    /// do not list.
    pub(crate) fn refuse(&self, what: &'static str, address: IpAddr) {
        self.refused.add(what);
        if let Some(suppressed) = self.log.admits(what, Instant::now()) {
            let about = "an address has more than limits allow; a proxy belongs into server.trusted_proxies";
            tracing::warn!(%address, what, suppressed, "{about}");
        }
    }

    /// Registers the middleware that enforces the limit of namespaces per connection.
    pub(crate) fn register(self: &Arc<Self>, namespace: &Namespace) {
        if self.namespaces_limit == 0 {
            return;
        }
        let crowd = Arc::clone(self);
        namespace.middleware(move |socket: Socket| {
            let seated = crowd.seat(&socket);
            async move { seated }
        });
        namespace.on_disconnect(|socket: Socket| async move {
            socket.extensions().remove::<Arc<Seat>>();
        });
    }

    fn seat(self: &Arc<Self>, socket: &Socket) -> Result<(), ConnectError> {
        let session = socket.session().id().clone();
        self.take(&session).inspect_err(|_| self.refused.add("namespaces"))?;
        socket.extensions().insert(Arc::new(Seat { crowd: Arc::clone(self), session }));
        Ok(())
    }

    fn take(&self, session: &Sid) -> Result<(), Refusal> {
        let mut namespaces = self.namespaces();
        let number = namespaces.get(session).copied().unwrap_or_default();
        if number >= self.namespaces_limit {
            return Err(Refusal::TooManyNamespaces);
        }
        namespaces.insert(session.clone(), number + 1);
        Ok(())
    }

    /// Locks the counts. No change can be interrupted, so a poisoned lock is still consistent.
    fn namespaces(&self) -> MutexGuard<'_, HashMap<Sid, u32>> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exempt {
    fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.nets.have(address) || self.proxies.trusts(address)
    }

    fn limit(&self, limit: u32) -> AddressLimit {
        let exempt = self.clone();
        match limit {
            0 => AddressLimit::unlimited(),
            limit => AddressLimit::new(limit as usize).exempt(move |address| exempt.has(address)),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut namespaces = self.crowd.namespaces();
        match namespaces.get_mut(&self.session) {
            Some(number) if *number > 1 => *number -= 1,
            _ => drop(namespaces.remove(&self.session)),
        }
    }
}

/// Rate limiter of handshakes per address.
#[derive(Debug)]
struct Handshakes {
    rate: Rate,
    spent: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    /// Time at which the budget of each address is full again.
    full: HashMap<IpAddr, Instant>,
    /// Number of addresses at which those with a full budget are removed.
    sweep: usize,
}

impl Handshakes {
    fn new(rate: Rate) -> Self {
        Self { rate, spent: Mutex::new(Spent { full: HashMap::new(), sweep: SWEEP }) }
    }

    fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.rate.is_any() {
            return Ok(());
        }
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let full = spent.full.get(&address).copied().unwrap_or(now);
        let wait = self.rate.wait(full, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        spent.full.insert(address, self.rate.spend(full, 1, now));
        if spent.full.len() >= spent.sweep {
            spent.full.retain(|_, full| *full > now);
            spent.sweep = SWEEP.max(spent.full.len() * 2);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Server;

    fn crowd(limits: &Limits) -> Crowd {
        let server = Server { trusted_proxies: vec!["10.0.0.0/8".to_owned()], ..Server::default() };
        Crowd::new(limits, &Proxies::new(&server).unwrap(), &Arc::default()).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_taken_and_freed() {
        let limits = Limits { namespaces_per_connection: 2, ..Limits::default() };
        let crowd = Arc::new(crowd(&limits));
        let seat = |session: u8| {
            let session = Sid::from_random([session; 16]);
            crowd.take(&session)?;
            Ok(Seat { crowd: Arc::clone(&crowd), session })
        };
        let first = seat(1).unwrap();
        let second = seat(1).unwrap();
        assert_eq!(seat(1).err(), Some(Refusal::TooManyNamespaces));
        let other = seat(2).unwrap();
        drop(first);
        let third = seat(1).unwrap();
        drop((second, third, other));
        assert!(crowd.namespaces().is_empty());
    }

    #[test]
    fn who_knocks_too_often_waits() {
        let limits = Limits { handshakes_per_second: 2, burst_seconds: 3, ..Limits::default() };
        let crowd = crowd(&limits);
        let now = Instant::now();
        for _ in 0..6 {
            crowd.knocks(ip("192.0.2.1"), now).unwrap();
        }
        assert!(crowd.knocks(ip("192.0.2.1"), now).is_err());
        crowd.knocks(ip("192.0.2.2"), now).unwrap();
        crowd.knocks(ip("192.0.2.1"), now + Duration::from_secs(1)).unwrap();
        // Addresses with a full budget are removed.
        for number in 0..100_000u32 {
            let at = now + Duration::from_millis(number.into());
            crowd.knocks(std::net::Ipv4Addr::from_bits(number).into(), at).unwrap();
        }
        assert!(crowd.handshakes.spent.lock().unwrap().full.len() < 2 * SWEEP);
    }

    #[test]
    fn proxies_and_programs_of_this_machine_have_no_limit() {
        let crowd = crowd(&Limits { handshakes_per_second: 1, burst_seconds: 1, ..Limits::default() });
        let now = Instant::now();
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3"] {
            for _ in 0..10 {
                crowd.knocks(ip(address), now).unwrap();
            }
        }
        crowd.knocks(ip("192.0.2.1"), now).unwrap();
        assert!(crowd.knocks(ip("192.0.2.1"), now).is_err());
    }
}
