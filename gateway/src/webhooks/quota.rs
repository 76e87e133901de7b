//! Limit of the events of one socket that are queued for the backend, so that one client cannot fill the
//! queue.

use engineio::sync::Mutex;

use super::queue::Usage;

/// Queued events of a socket, and their limit.
#[derive(Debug)]
pub(super) struct SocketQuota {
    usage: Mutex<Usage>,
    limit: Usage,
}

/// Reservation for one event, freed on drop.
#[derive(Debug)]
pub(super) struct QuotaPermit<'a> {
    quota: &'a SocketQuota,
    bytes: usize,
}

impl SocketQuota {
    pub(super) fn new(limit: Usage) -> Self {
        Self { usage: Mutex::default(), limit }
    }

    /// Reserves space for an event of `bytes` bytes; `None` if the limit is exceeded.
    pub(super) fn take(&self, bytes: usize) -> Option<QuotaPermit<'_>> {
        self.change(|usage| usage.take(bytes, self.limit)).then(|| QuotaPermit { quota: self, bytes })
    }

    /// Changes the locked state. No change can be interrupted, so a poisoned lock is still consistent.
    fn change<R>(&self, change: impl FnOnce(&mut Usage) -> R) -> R {
        change(&mut self.usage.lock())
    }
}

impl Drop for QuotaPermit<'_> {
    fn drop(&mut self) {
        self.quota.change(|usage| usage.release(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_bounded_by_number_and_bytes() {
        let quota = SocketQuota::new(Usage { calls: 2, bytes: 10 });
        let first = quota.take(4).unwrap();
        assert!(quota.take(7).is_none(), "too many bytes");
        let second = quota.take(6).unwrap();
        assert!(quota.take(0).is_none(), "too many calls");
        drop(first);
        assert!(quota.take(4).is_some());
        drop(second);
        assert_eq!(quota.change(|usage| *usage), Usage::default());
    }
}
