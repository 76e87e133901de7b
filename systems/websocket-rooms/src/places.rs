//! Limits of connections: those of an address, and those whose handshake is not complete.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use engineio::AddressLimit;
use engineio::sync::Mutex;

/// Number of connections by address. An IPv6 address counts as its /64, the smallest network that a host gets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection of an address, which counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    addresses: Addresses,
    network: IpAddr,
}

impl Addresses {
    /// Counts a connection; `None` if the address has `max` connections. 0 is unlimited.
    pub(crate) fn take(&self, address: IpAddr, max: usize) -> Option<Place> {
        let network = AddressLimit::network(address);
        let mut counts = self.0.lock();
        let count = counts.entry(network).or_default();
        if max > 0 && *count >= max {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place { addresses: self.clone(), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.addresses.0.lock();
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_network_count_together_and_leave_nothing() {
        let addresses = Addresses::default();
        let [one, same, other] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|text| text.parse::<IpAddr>().unwrap());
        let place = addresses.take(one, 1).unwrap();
        assert!(addresses.take(same, 1).is_none());
        let second = addresses.take(other, 1).unwrap();
        assert!(addresses.take(same, 0).is_some());
        drop((place, second));
        assert!(addresses.0.lock().is_empty());
    }
}
