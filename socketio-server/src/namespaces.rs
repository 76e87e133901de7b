//! The namespaces of a server, and what all its clients share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::config::Config;
use crate::extensions::Extensions;
use crate::namespace::Namespace;

/// The namespaces of a server.
pub(crate) struct Namespaces {
    pub(crate) config: Arc<Config>,
    state: Arc<Extensions>,
    by_name: RwLock<HashMap<Box<str>, Namespace>>,
    closing: AtomicBool,
}

impl Namespaces {
    pub(crate) fn new(config: Arc<Config>, state: Arc<Extensions>) -> Self {
        Self { config, state, by_name: RwLock::default(), closing: AtomicBool::new(false) }
    }

    /// The namespace that a client asks for.
    pub(crate) fn find(&self, name: &str) -> Option<Namespace> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The namespace that the application names, made if it does not exist.
    pub(crate) fn of(&self, name: &str) -> Namespace {
        let slash = if name.starts_with('/') { "" } else { "/" };
        let name = format!("{slash}{name}");
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let make = || Namespace::new(&name, &self.config, &self.state);
        by_name.entry(name.as_str().into()).or_insert_with(make).clone()
    }

    /// The server is shutting down: that is why sockets leave from now on.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}
