//! Revocation of users' tokens.
//!
//! A revocation rejects all tokens that were issued before it, and all that do not contain their time of
//! issue. It is removed when the last of these tokens has expired anyway.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;

/// Users whose tokens were revoked.
#[derive(Debug)]
pub(crate) struct Revoked {
    inner: Mutex<Inner>,
    /// Time for which a revocation is remembered, in seconds.
    lifetime: u64,
    max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// Time of the last revocation per user, in seconds since 1970.
    users: HashMap<String, u64>,
    /// Revocations in order. If a user appears twice, the later time is valid.
    order: VecDeque<(u64, String)>,
}

/// Error of exceeding the limit of remembered revocations.
#[derive(Debug, Error)]
#[error("the tokens of too many users were taken back")]
pub(crate) struct TooMany;

impl Revoked {
    pub(crate) fn new(lifetime: u64, max: usize) -> Self {
        Self { inner: Mutex::default(), lifetime, max }
    }

    /// Revokes all tokens of a user that were issued up to `now`. At the limit it fails, because dropping an
    /// older revocation would make its tokens valid again.
    pub(crate) fn revoke(&self, user: &str, now: u64) -> Result<(), TooMany> {
        let mut inner = self.lock();
        inner.forget(now.saturating_sub(self.lifetime));
        if inner.order.len() >= self.max {
            return Err(TooMany);
        }
        inner.users.insert(user.to_owned(), now);
        inner.order.push_back((now, user.to_owned()));
        Ok(())
    }

    /// Whether a token of the user with this time of issue is revoked.
    pub(crate) fn is_revoked(&self, user: &str, issued: Option<u64>) -> bool {
        let revoked = self.lock().users.get(user).copied();
        revoked.is_some_and(|revoked| issued.is_none_or(|issued| issued <= revoked))
    }

    /// Locks the revocations. No change can be interrupted, so a poisoned lock is still consistent.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Removes revocations from before this time.
    fn forget(&mut self, before: u64) {
        while let Some((at, user)) = self.order.front().filter(|(at, _)| *at < before) {
            if self.users.get(user) == Some(at) {
                self.users.remove(user);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_before_count_no_more() {
        let revoked = Revoked::new(100, 3);
        assert!(!revoked.is_revoked("ada", None));
        revoked.revoke("ada", 1000).unwrap();
        assert!(revoked.is_revoked("ada", Some(1000)));
        assert!(revoked.is_revoked("ada", None));
        assert!(!revoked.is_revoked("ada", Some(1001)));
        assert!(!revoked.is_revoked("bob", Some(1)));
        revoked.revoke("ada", 1050).unwrap();
        revoked.revoke("bob", 1060).unwrap();
        assert!(revoked.revoke("eve", 1100).is_err(), "none is forgotten to make room");
        // The first revocation of ada is removed with its expired tokens; the second one is still valid.
        revoked.revoke("eve", 1101).unwrap();
        assert!(revoked.is_revoked("ada", Some(1050)));
        revoked.revoke("eve", 1151).unwrap();
        assert!(!revoked.is_revoked("ada", Some(1050)));
    }
}
