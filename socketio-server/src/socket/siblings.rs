//! All sockets of one client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Inner, Socket};

/// All sockets of one client: they share a connection, and leave together when it is closed.
#[derive(Default)]
pub(crate) struct Siblings(Mutex<Vec<Weak<Inner>>>);

impl Siblings {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
