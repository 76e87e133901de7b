//! Limit per client address.

use crate::sync::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, MutexGuard};

/// Limit on the connections, or sessions, that each address has at once.
///
/// An IPv6 address counts as its /64, which is the usual network of one household or machine. Loopback
/// addresses do not count, as they are those of proxies and programs on the same machine; see
/// [`exempt`](Self::exempt). Each address with a connection or session costs about 60 bytes. Clones count
/// together.
///
/// A number is a limit too: `max_connections_per_address(100)`.
#[derive(Clone)]
pub struct AddressLimit {
    limit: usize,
    exempt: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One counted connection or session of an address, until it is dropped.
#[derive(Debug)]
pub(crate) struct CountedAddress(Option<(AddressLimit, IpAddr)>);

impl AddressLimit {
    /// A limit of this many per address.
    pub fn new(limit: usize) -> Self {
        Self { limit, exempt: Arc::new(|address| address.is_loopback()), taken: Arc::default() }
    }

    /// No limit. Nothing is counted.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Sets the addresses that do not count, in place of the loopback addresses: those of proxies, which many
    /// clients share. An IPv4 address on an IPv6 socket is passed as IPv4.
    #[must_use]
    pub fn exempt(mut self, exempt: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.exempt = Arc::new(exempt);
        self
    }

    /// The current count of this address. Always 0 if the address does not count.
    pub fn now(&self, address: IpAddr) -> usize {
        self.taken().get(&Self::network(address)).copied().unwrap_or_default()
    }

    /// The network that an address counts as: the /64 of an IPv6 address, otherwise the address itself.
    pub fn network(address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        }
    }

    /// Counts one more for the address, if the limit allows it.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<CountedAddress> {
        if self.limit == usize::MAX || (self.exempt)(address.to_canonical()) {
            return Some(CountedAddress(None));
        }
        let address = Self::network(address);
        let mut taken = self.taken();
        let number = taken.get(&address).copied().unwrap_or_default();
        if number >= self.limit {
            return None;
        }
        taken.insert(address, number + 1);
        drop(taken);
        Some(CountedAddress(Some((self.clone(), address))))
    }

    /// No panic can leave the map half changed, so a poisoned lock is still valid.
    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock()
    }
}

impl From<usize> for AddressLimit {
    fn from(limit: usize) -> Self {
        Self::new(limit)
    }
}

impl Drop for CountedAddress {
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
