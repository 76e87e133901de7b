//! Rate limit of handshakes per client address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use engineio::sync::Mutex;

use super::rate_limit::{Rate, TokenBucket};

/// Minimum number of stored addresses that causes those with a full bucket to be removed.
const SWEEP: usize = 1024;

/// Rate limiter of handshakes.
#[derive(Debug)]
pub(super) struct HandshakeRate {
    rate: Rate,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    by_address: HashMap<IpAddr, TokenBucket>,
    /// Number of addresses at which those with a full bucket are removed.
    sweep: usize,
}

impl HandshakeRate {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::new(Buckets { by_address: HashMap::new(), sweep: SWEEP }) }
    }

    /// Takes one handshake from the budget of an address. The error is the time until the next one is
    /// allowed.
    pub(super) fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.rate.is_unlimited() {
            return Ok(());
        }
        // No change can be interrupted, so a poisoned lock is still consistent.
        let mut buckets = self.buckets.lock();
        let bucket = buckets.by_address.entry(address).or_insert_with(|| TokenBucket::full(now));
        let wait = bucket.wait(self.rate, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        bucket.take(self.rate, 1, now);
        if buckets.by_address.len() >= buckets.sweep {
            buckets.by_address.retain(|_, bucket| !bucket.is_full(now));
            buckets.sweep = SWEEP.max(buckets.by_address.len() * 2);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_too_many_handshakes_waits() {
        let limiter = HandshakeRate::new(Rate::new(2, Duration::from_secs(3)));
        let [one, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let now = Instant::now();
        for _ in 0..6 {
            limiter.take(one, now).unwrap();
        }
        assert!(limiter.take(one, now).is_err());
        limiter.take(other, now).unwrap();
        limiter.take(one, now + Duration::from_secs(1)).unwrap();
        // Addresses with a full bucket are removed.
        for number in 0..100_000u32 {
            let at = now + Duration::from_millis(number.into());
            limiter.take(std::net::Ipv4Addr::from_bits(number).into(), at).unwrap();
        }
        assert!(limiter.buckets.lock().by_address.len() < 2 * SWEEP);
    }
}
