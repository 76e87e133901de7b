//! How many may come from where: connections and handshakes of an address, namespaces of a connection.
//!
//! An address of IPv6 counts as its /64, which is what one household or machine has.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engineio::Sid;
use socketio_server::{ConnectError, Namespace, Socket};

use crate::config::Limits;
use crate::pace::Rate;
use crate::refusal::Refusal;
use crate::tallies::Words;

/// So many addresses are remembered before those that have rested are forgotten.
const SWEEP: usize = 1024;

/// What is counted, and up to where.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// 0 is any number, here and below.
    connections_limit: u32,
    namespaces_limit: u32,
    taken: Mutex<Taken>,
    handshakes: Handshakes,
    refused: Arc<Words>,
}

/// What is taken.
#[derive(Debug, Default)]
struct Taken {
    /// How many connections each address has.
    connections: HashMap<IpAddr, u32>,
    /// How many namespaces each connection is in.
    namespaces: HashMap<Sid, u32>,
}

/// A place in a namespace; the first one of a connection is one of its address too. Dropped, it is free.
#[derive(Debug)]
struct Seat {
    crowd: Arc<Crowd>,
    address: IpAddr,
    session: Sid,
}

impl Crowd {
    pub(crate) fn new(limits: &Limits, refused: &Arc<Words>) -> Self {
        let burst = Duration::from_secs(limits.burst_seconds.into());
        Self {
            connections_limit: limits.connections_per_address,
            namespaces_limit: limits.namespaces_per_connection,
            taken: Mutex::default(),
            handshakes: Handshakes::new(Rate::new(limits.handshakes_per_second, burst)),
            refused: Arc::clone(refused),
        }
    }

    /// Whether an address may knock once more; if not, how long it has to wait.
    pub(crate) fn knocks(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let knocked = self.handshakes.take(home(address), now);
        knocked.inspect_err(|_| self.refused.add("handshakes"))
    }

    /// Lets nobody into the namespace who has too much already.
    pub(crate) fn register(self: &Arc<Self>, namespace: &Namespace) {
        if self.connections_limit == 0 && self.namespaces_limit == 0 {
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
        // Only transports that are not of the network have none.
        let Some(address) = socket.handshake().address() else { return Ok(()) };
        let (address, session) = (home(address.ip()), socket.session().id().clone());
        let taken = self.take(address, &session);
        taken.inspect_err(|refusal| {
            let is_namespaces = *refusal == Refusal::TooManyNamespaces;
            self.refused.add(if is_namespaces { "namespaces" } else { "connections" });
        })?;
        let seat = Seat { crowd: Arc::clone(self), address, session };
        socket.extensions().insert(Arc::new(seat));
        Ok(())
    }

    fn take(&self, address: IpAddr, session: &Sid) -> Result<(), Refusal> {
        let mut taken = self.lock();
        let namespaces = taken.namespaces.get(session).copied().unwrap_or_default();
        if self.namespaces_limit > 0 && namespaces >= self.namespaces_limit {
            return Err(Refusal::TooManyNamespaces);
        }
        if namespaces == 0 {
            let connections = taken.connections.entry(address).or_default();
            if self.connections_limit > 0 && *connections >= self.connections_limit {
                return Err(Refusal::TooManyConnections);
            }
            *connections += 1;
        }
        *taken.namespaces.entry(session.clone()).or_default() += 1;
        Ok(())
    }

    /// Every change is whole, so a panic elsewhere is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.crowd.lock();
        if free(&mut taken.namespaces, &self.session) {
            free(&mut taken.connections, &self.address);
        }
    }
}

/// One less. Whether it was the last.
fn free<K: Eq + Hash>(taken: &mut HashMap<K, u32>, of: &K) -> bool {
    let Some(number) = taken.get_mut(of) else { return false };
    *number -= 1;
    let is_last = *number == 0;
    if is_last {
        taken.remove(of);
    }
    is_last
}

/// What an address counts as.
fn home(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// How often each address has knocked of late.
#[derive(Debug)]
struct Handshakes {
    rate: Rate,
    spent: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    /// When each has its whole budget again.
    full: HashMap<IpAddr, Instant>,
    /// At so many it is looked who has rested.
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

    fn crowd(limits: &Limits) -> Crowd {
        Crowd::new(limits, &Arc::default())
    }

    fn ip(text: &str) -> IpAddr {
        home(text.parse().unwrap())
    }

    #[test]
    fn a_household_counts_as_one() {
        assert_eq!(ip("2001:db8:1:2:3::4"), ip("2001:db8:1:2:ffff::"));
        assert_ne!(ip("2001:db8:1:2::"), ip("2001:db8:1:3::"));
        assert_eq!(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
        assert_ne!(ip("192.0.2.1"), ip("192.0.2.2"));
    }

    #[test]
    fn places_are_taken_and_freed() {
        let limits = Limits { connections_per_address: 2, namespaces_per_connection: 2, ..Limits::default() };
        let crowd = Arc::new(crowd(&limits));
        let seat = |address: &str, session: u8| {
            let (address, session) = (ip(address), Sid::from_random([session; 16]));
            crowd.take(address, &session)?;
            Ok(Seat { crowd: Arc::clone(&crowd), address, session })
        };
        let first = seat("192.0.2.1", 1).unwrap();
        let second = seat("192.0.2.1", 1).unwrap();
        assert_eq!(seat("192.0.2.1", 1).err(), Some(Refusal::TooManyNamespaces));
        let other = seat("192.0.2.1", 2).unwrap();
        assert_eq!(seat("192.0.2.1", 3).err(), Some(Refusal::TooManyConnections));
        seat("192.0.2.2", 3).unwrap();
        drop(first);
        assert_eq!(
            seat("192.0.2.1", 3).err(),
            Some(Refusal::TooManyConnections),
            "it is in another namespace"
        );
        drop(second);
        let third = seat("192.0.2.1", 3).unwrap();
        drop((third, other));
        let taken = crowd.lock();
        assert!(taken.connections.is_empty() && taken.namespaces.is_empty());
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
        // Those that rested are forgotten.
        for number in 0..100_000u32 {
            let at = now + Duration::from_millis(number.into());
            crowd.knocks(std::net::Ipv4Addr::from_bits(number).into(), at).unwrap();
        }
        assert!(crowd.handshakes.spent.lock().unwrap().full.len() < 2 * SWEEP);
        Arc::new(self::crowd(&Limits::default())).knocks(ip("192.0.2.1"), now).unwrap();
    }
}
