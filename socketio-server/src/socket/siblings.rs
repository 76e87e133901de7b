//! The sockets of one client.

use std::sync::{Arc, Weak};

use engineio::sync::Mutex;

use super::{Inner, Socket};
use crate::socket::detached::{DetachedCount, DetachedHandlers};

/// The sockets of one client. They share a connection and leave together when it is closed.
pub(crate) struct Siblings {
    sockets: Mutex<Vec<Weak<Inner>>>,
    detached_handlers: Arc<DetachedHandlers>,
}

impl Siblings {
    pub(crate) fn new(detached_handlers: Arc<DetachedHandlers>) -> Self {
        Self { sockets: Mutex::default(), detached_handlers }
    }

    /// Counts one detached handler until the result is dropped.
    pub(super) fn count_handler(&self) -> DetachedCount {
        let mut count = self.detached_handlers.counter();
        count.set(1);
        count
    }

    pub(super) fn add(&self, socket: &Arc<Inner>) {
        self.sockets.lock().push(Arc::downgrade(socket));
    }

    pub(super) fn remove(&self, socket: &Arc<Inner>) {
        self.sockets.lock().retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(socket)));
    }

    pub(super) fn all(&self) -> Vec<Socket> {
        self.sockets.lock().iter().filter_map(Weak::upgrade).map(Socket).collect()
    }
}
