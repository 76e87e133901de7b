//! Locks without poisoning, for this crate and the crates on top of it. No part of the public API.
//!
//! The standard library poisons a lock when a thread panics while it holds the guard, so that no other thread
//! meets a half changed value. Here every value behind a lock is valid after each statement, and code of the
//! application does not run under a lock. So a poisoned value is as good as any other, and a panic in one
//! connection must not end the others. Size and cost are those of the locks of the standard library.

mod wakeups;

use std::sync::{MutexGuard, PoisonError, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use self::wakeups::wake;
pub use self::wakeups::{HeldWakeups, hold_wakeups};

/// Mutual exclusion: [`std::sync::Mutex`] without poisoning.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// An unlocked value.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Many readers or one writer: [`std::sync::RwLock`] without poisoning.
#[derive(Debug, Default)]
pub struct RwLock<T>(std::sync::RwLock<T>);

impl<T> RwLock<T> {
    /// An unlocked value.
    pub const fn new(value: T) -> Self {
        Self(std::sync::RwLock::new(value))
    }

    /// Waits until no writer has the lock.
    #[inline]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the lock is free.
    #[inline]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_under_a_lock_does_not_end_the_other_users_of_the_value() {
        let (mutex, lock) = (Mutex::new(1), RwLock::new(1));
        std::thread::scope(|scope| {
            let panicked = scope.spawn(|| {
                let _guards = (mutex.lock(), lock.write());
                panic!("a panic under both locks");
            });
            assert!(panicked.join().is_err());
        });
        *mutex.lock() += 1;
        *lock.write() += 1;
        assert_eq!((*mutex.lock(), *lock.read()), (2, 2));
    }

    #[test]
    fn a_lock_has_the_size_of_that_of_the_standard_library() {
        assert_eq!(size_of::<Mutex<u64>>(), size_of::<std::sync::Mutex<u64>>());
        assert_eq!(size_of::<RwLock<u64>>(), size_of::<std::sync::RwLock<u64>>());
    }
}
