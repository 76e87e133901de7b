//! Users whose tokens were taken back.
//!
//! A token that was issued before counts no more, nor does one that does not say when it was. What is remembered is
//! forgotten when the last of those tokens has ended by itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;

/// The users whose tokens were taken back.
#[derive(Debug)]
pub(crate) struct Revoked {
    inner: Mutex<Inner>,
    /// For so many seconds each is remembered.
    lifetime: u64,
    max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// When the tokens of a user were last taken back, in seconds since 1970.
    users: HashMap<String, u64>,
    /// The same in the order in which it was done; who is there twice counts with the later time.
    order: VecDeque<(u64, String)>,
}

/// There are too many to remember another one.
#[derive(Debug, Error)]
#[error("the tokens of too many users were taken back")]
pub(crate) struct TooMany;

impl Revoked {
    pub(crate) fn new(lifetime: u64, max: usize) -> Self {
        Self { inner: Mutex::default(), lifetime, max }
    }

    /// Takes back all tokens of a user that were issued up to now. None is forgotten early to make room.
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

    /// Whether a token of the user that was issued then counts no more.
    pub(crate) fn is_revoked(&self, user: &str, issued: Option<u64>) -> bool {
        let revoked = self.lock().users.get(user).copied();
        revoked.is_some_and(|revoked| issued.is_none_or(|issued| issued <= revoked))
    }

    /// Every change is whole, so a panic elsewhere is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Forgets what was done before.
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
        // The first of ada is, when its tokens have ended; the second still counts.
        revoked.revoke("eve", 1101).unwrap();
        assert!(revoked.is_revoked("ada", Some(1050)));
        revoked.revoke("eve", 1151).unwrap();
        assert!(!revoked.is_revoked("ada", Some(1050)));
    }
}
