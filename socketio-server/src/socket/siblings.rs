//! All sockets of one client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Inner, Socket};
use crate::socket::detached::{Share, Unfinished};

/// All sockets of one client: they share a connection, and leave together when it is closed.
pub(crate) struct Siblings {
    sockets: Mutex<Vec<Weak<Inner>>>,
    unfinished: Arc<Unfinished>,
}

impl Siblings {
    pub(crate) fn new(unfinished: Arc<Unfinished>) -> Self {
        Self { sockets: Mutex::default(), unfinished }
    }

    /// Counts one handler for as long as the result is kept.
    pub(super) fn count_handler(&self) -> Share {
        let mut share = self.unfinished.share();
        share.set(1);
        share
    }

    pub(super) fn add(&self, socket: &Arc<Inner>) {
        self.lock().push(Arc::downgrade(socket));
    }

    pub(super) fn remove(&self, socket: &Arc<Inner>) {
        self.lock().retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(socket)));
    }

    pub(super) fn all(&self) -> Vec<Socket> {
        self.lock().iter().filter_map(Weak::upgrade).map(Socket).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Inner>>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
