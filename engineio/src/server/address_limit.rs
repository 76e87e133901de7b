//! How much each address may have at once.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many connections, or sessions, each address may have at once.
///
/// An address of IPv6 counts as its /64, which is what one household or machine has. Loopback addresses do not count,
/// as they are those of proxies and programs of the same machine; see [`exempt`](Self::exempt). Each address that has
/// something costs about 60 bytes. Clones count together.
///
/// A number is a limit too: `max_connections_per_address(100)`.
#[derive(Clone)]
pub struct AddressLimit {
    limit: usize,
    exempt: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One thing of an address, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Option<(AddressLimit, IpAddr)>);

impl AddressLimit {
    /// So many for each address.
    pub fn new(limit: usize) -> Self {
        Self { limit, exempt: Arc::new(|address| address.is_loopback()), taken: Arc::default() }
    }

    /// Any number. Nothing is counted.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Which addresses do not count, instead of the loopback addresses: those of proxies, through which many clients
    /// come. An IPv4 address that an IPv6 socket has seen is asked about as IPv4.
    #[must_use]
    pub fn exempt(mut self, exempt: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.exempt = Arc::new(exempt);
        self
    }

    /// How many this address has. Always 0 if it does not count.
    pub fn now(&self, address: IpAddr) -> usize {
        self.taken().get(&Self::network(address)).copied().unwrap_or_default()
    }

    /// What an address counts as: its /64, if it is one of IPv6.
    pub fn network(address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        }
    }

    /// A place for one more, if there is one.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        if self.limit == usize::MAX || (self.exempt)(address.to_canonical()) {
            return Some(Place(None));
        }
        let address = Self::network(address);
        let mut taken = self.taken();
        let number = taken.get(&address).copied().unwrap_or_default();
        if number >= self.limit {
            return None;
        }
        taken.insert(address, number + 1);
        drop(taken);
        Some(Place(Some((self.clone(), address))))
    }

    /// Every change is whole, so a panic elsewhere is no reason to stop.
    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<usize> for AddressLimit {
    fn from(limit: usize) -> Self {
        Self::new(limit)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((limit, address)) = &self.0 else { return };
        let mut taken = limit.taken();
        match taken.get_mut(address) {
            Some(number) if *number > 1 => *number -= 1,
            _ => drop(taken.remove(address)),
        }
    }
}

impl fmt::Debug for AddressLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressLimit").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let network = AddressLimit::network;
        assert_eq!(network(ip("2001:db8:1:2:3::4")), network(ip("2001:db8:1:2:ffff::")));
        assert_ne!(network(ip("2001:db8:1:2::")), network(ip("2001:db8:1:3::")));
        assert_eq!(network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        assert_ne!(network(ip("192.0.2.1")), network(ip("192.0.2.2")));
    }

    #[test]
    fn places_are_taken_and_freed() {
        let limit = AddressLimit::new(2);
        let first = limit.enter(ip("192.0.2.1")).unwrap();
        let second = limit.enter(ip("::ffff:192.0.2.1")).unwrap();
        assert!(limit.enter(ip("192.0.2.1")).is_none());
        let other = limit.enter(ip("192.0.2.2")).unwrap();
        drop(first);
        assert_eq!(limit.now(ip("192.0.2.1")), 1);
        let third = limit.enter(ip("192.0.2.1")).unwrap();
        drop((second, third, other));
        assert!(limit.taken().is_empty(), "addresses that have nothing are forgotten");
    }

    #[test]
    fn addresses_that_do_not_count_have_any_number() {
        let limit = AddressLimit::new(0);
        let _places =
            ["127.0.0.1", "::ffff:127.0.0.2", "::1"].map(|address| limit.enter(ip(address)).unwrap());
        assert!(limit.taken().is_empty());
        let limit = limit.exempt(|address| address == ip("10.0.0.1"));
        assert!(limit.enter(ip("::ffff:10.0.0.1")).is_some());
        assert!(limit.enter(ip("127.0.0.1")).is_none());
        assert!(AddressLimit::unlimited().enter(ip("192.0.2.1")).is_some());
    }
}
