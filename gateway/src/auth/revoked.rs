//! Revocation of users' tokens.
//!
//! A revocation rejects all tokens that were issued before it, and all that do not contain their time of
//! issue. It is removed when the last of these tokens has expired anyway.

use std::sync::MutexGuard;

use engineio::sync::Mutex;
use thiserror::Error;

use crate::expiring::Expiring;

/// Users whose tokens were revoked, with the time of the last revocation in seconds since 1970.
#[derive(Debug)]
pub(crate) struct Revocations {
    users: Mutex<Expiring<String, (), u64>>,
    /// Time for which a revocation is remembered, in seconds.
    lifetime: u64,
    max: usize,
}

/// Error of exceeding the limit of remembered revocations.
#[derive(Debug, Error)]
#[error("the limit of users with revoked tokens, auth.max_revoked, is reached")]
pub(crate) struct TooMany;

impl Revocations {
    pub(crate) fn new(lifetime: u64, max: usize) -> Self {
        Self { users: Mutex::default(), lifetime, max }
    }

    /// Revokes all tokens of a user that were issued up to `at`. At the limit it fails, because dropping an
    /// older revocation would make its tokens valid again. Returns whether more tokens are revoked now.
    pub(crate) fn revoke(&self, user: &str, at: u64, now: u64) -> Result<bool, TooMany> {
        let mut users = self.lock();
        while users.oldest().is_some_and(|oldest| oldest.since < now.saturating_sub(self.lifetime)) {
            users.remove_oldest();
        }
        match users.get(user) {
            Some(known) if known.since >= at => return Ok(false),
            None if users.len() >= self.max => return Err(TooMany),
            _ => {}
        }
        users.insert(user.to_owned(), (), at);
        Ok(true)
    }

    /// Whether a token of the user with this time of issue is revoked.
    pub(crate) fn is_revoked(&self, user: &str, issued: Option<u64>) -> bool {
        let revoked = self.lock().get(user).map(|entry| entry.since);
        revoked.is_some_and(|revoked| issued.is_none_or(|issued| issued <= revoked))
    }

    /// Locks the revocations. No change can be interrupted, so a poisoned lock is still consistent.
    fn lock(&self) -> MutexGuard<'_, Expiring<String, (), u64>> {
        self.users.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_from_before_a_revocation_are_invalid() {
        let revocations = Revocations::new(100, 2);
        assert!(!revocations.is_revoked("ada", None));
        revocations.revoke("ada", 1000, 1000).unwrap();
        assert!(revocations.is_revoked("ada", Some(1000)));
        assert!(revocations.is_revoked("ada", None));
        assert!(!revocations.is_revoked("ada", Some(1001)));
        assert!(!revocations.is_revoked("bob", Some(1)));
    }

    /// Other nodes tell their revocations late, and more than once.
    #[test]
    fn the_latest_revocation_counts() {
        let revocations = Revocations::new(100, 1);
        assert!(revocations.revoke("ada", 1000, 1010).unwrap());
        assert!(
            !revocations.revoke("ada", 990, 1010).unwrap() && !revocations.revoke("ada", 1000, 1010).unwrap()
        );
        assert!(revocations.is_revoked("ada", Some(1000)));
        assert!(revocations.revoke("ada", 1005, 1010).unwrap());
        assert!(revocations.is_revoked("ada", Some(1005)));
    }

    #[test]
    fn users_with_revoked_tokens_are_bounded_and_expire() {
        let revocations = Revocations::new(100, 2);
        revocations.revoke("ada", 1000, 1000).unwrap();
        revocations.revoke("bob", 1010, 1010).unwrap();
        revocations.revoke("ada", 1050, 1050).unwrap();
        assert!(revocations.revoke("eve", 1110, 1110).is_err(), "a valid revocation is never dropped");
        // The revocation of bob expires with its tokens; the second one of ada is still valid.
        revocations.revoke("eve", 1111, 1111).unwrap();
        assert!(revocations.is_revoked("ada", Some(1050)) && !revocations.is_revoked("bob", Some(1)));
        revocations.revoke("bob", 1151, 1151).unwrap();
        assert!(!revocations.is_revoked("ada", Some(1050)));
    }
}
