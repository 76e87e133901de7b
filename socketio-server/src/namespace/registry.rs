//! The namespaces of a server, those that come to be when a client asks for them, and what all its clients share.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use super::Namespace;
use super::params::{Params, Pattern};
use crate::broadcast::Family;
use crate::cluster::{Adapter, Inbound};
use crate::config::Config;
use crate::extensions::Extensions;
use crate::socket::Kind;
use crate::socket::detached::Unfinished;
use crate::socket::handshake::Handshake;
use crate::trace;

/// The namespaces of a server.
pub(crate) struct Namespaces {
    pub(crate) config: Arc<Config>,
    state: Arc<Extensions>,
    adapter: Option<Arc<dyn Adapter>>,
    by_name: RwLock<HashMap<Box<str>, Namespace>>,
    parents: RwLock<Vec<Arc<Parent>>>,
    on_new: RwLock<Vec<NewHook>>,
    /// Told whenever a namespace has been announced.
    announced: Notify,
    closing: AtomicBool,
    /// Handlers of clients that have left.
    pub(crate) unfinished: Arc<Unfinished>,
}

type NewHook = Arc<dyn Fn(&Namespace) + Send + Sync>;
type Decision = Pin<Box<dyn Future<Output = bool> + Send>>;
type Ask = Box<dyn Fn(NamespaceRequest) -> Decision + Send + Sync>;

/// Namespaces that come to be when a client asks for one that fits.
struct Parent {
    matcher: Matcher,
    namespace: Namespace,
}

enum Matcher {
    Pattern(Pattern),
    Function(Ask),
}

/// A client asks for a namespace that does not exist: what a function of
/// [`Server::of_function`](crate::Server::of_function) decides about.
#[derive(Clone, Debug)]
pub struct NamespaceRequest {
    name: Arc<str>,
    handshake: Handshake,
}

impl NamespaceRequest {
    /// The name, with the slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the client came, and its credentials.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }
}

/// The search for a namespace.
pub(crate) enum Search {
    Found(Visit),
    Asking(Pin<Box<dyn Future<Output = Option<Visit>> + Send>>),
    Unknown,
}

impl Search {
    /// A client is let in when the namespace has been announced.
    fn of(visit: Visit) -> Self {
        match visit.namespace.space().announced() {
            Some(true) => Self::Found(visit),
            Some(false) => Self::Unknown,
            None => Self::Asking(Box::pin(visit.announced())),
        }
    }
}

/// A client in a namespace, or on its way into it. A namespace that a pattern or function made goes with the last.
pub(crate) struct Visit {
    pub(crate) namespace: Namespace,
    server: Arc<Namespaces>,
}

impl Visit {
    /// Whether the namespace counts who is in it.
    pub(crate) fn is_counted(&self) -> bool {
        matches!(self.namespace.space().kind(), Kind::Child { .. })
    }

    /// Waits until the namespace has been announced. `None` if it never came to be.
    async fn announced(self) -> Option<Self> {
        let server = Arc::clone(&self.server);
        loop {
            // Asked for before the look, so that none is missed.
            let announced = server.announced.notified();
            match self.namespace.space().announced() {
                Some(true) => return Some(self),
                Some(false) => return None,
                None => announced.await,
            }
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.server.leave(&self.namespace);
    }
}

impl Namespaces {
    pub(crate) fn new(
        config: Arc<Config>,
        state: Arc<Extensions>,
        adapter: Option<Arc<dyn Adapter>>,
    ) -> Self {
        Self {
            config,
            state,
            adapter,
            by_name: RwLock::default(),
            parents: RwLock::default(),
            on_new: RwLock::default(),
            announced: Notify::new(),
            closing: AtomicBool::new(false),
            unfinished: Arc::default(),
        }
    }

    /// The namespace that a client asks for.
    pub(crate) fn search(self: &Arc<Self>, name: &str, handshake: &Handshake) -> Search {
        {
            // Counted under the lock, so that it cannot be removed in between.
            let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(namespace) = by_name.get(name) {
                return Search::of(self.visit(namespace));
            }
        }
        let parents = self.parents.read().unwrap_or_else(PoisonError::into_inner).clone();
        for (at, parent) in parents.iter().enumerate() {
            match &parent.matcher {
                Matcher::Pattern(pattern) => {
                    if let Some(params) = pattern.capture(name) {
                        return Search::of(self.child(parent, name, params));
                    }
                }
                Matcher::Function(_) => {
                    let request = NamespaceRequest { name: name.into(), handshake: handshake.clone() };
                    let parents = parents[at..].to_vec();
                    return Search::Asking(Box::pin(Arc::clone(self).ask(parents, request)));
                }
            }
        }
        Search::Unknown
    }

    async fn ask(self: Arc<Self>, parents: Vec<Arc<Parent>>, request: NamespaceRequest) -> Option<Visit> {
        for parent in parents {
            let params = match &parent.matcher {
                Matcher::Pattern(pattern) => pattern.capture(request.name()),
                Matcher::Function(ask) => ask(request.clone()).await.then(Params::default),
            };
            if let Some(params) = params {
                return self.child(&parent, request.name(), params).announced().await;
            }
        }
        None
    }

    /// The namespace of this name below a parent, made if nobody was faster.
    fn child(self: &Arc<Self>, parent: &Parent, name: &str, params: Params) -> Visit {
        let (visit, new) = {
            let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
            let new = !by_name.contains_key(name);
            let make = || self.make_child(parent, name, params);
            let namespace = by_name.entry(name.into()).or_insert_with(make);
            (self.visit(namespace), new)
        };
        if new {
            self.begin(&visit.namespace);
        }
        visit
    }

    fn make_child(&self, parent: &Parent, name: &str, params: Params) -> Namespace {
        parent.namespace.child(name, params, self.adapter.is_some())
    }

    fn visit(self: &Arc<Self>, namespace: &Namespace) -> Visit {
        if let Kind::Child { occupants, .. } = namespace.space().kind() {
            occupants.fetch_add(1, Ordering::Relaxed);
        }
        Visit { namespace: namespace.clone(), server: Arc::clone(self) }
    }

    fn leave(&self, namespace: &Namespace) {
        let Kind::Child { occupants, family, .. } = namespace.space().kind() else { return };
        if occupants.fetch_sub(1, Ordering::AcqRel) > 1 || !self.config.cleanup_empty_child_namespaces {
            return;
        }
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have come before we had the lock.
        if occupants.load(Ordering::Acquire) == 0 && by_name.get(namespace.name()) == Some(namespace) {
            by_name.remove(namespace.name());
            family.remove(namespace.name());
            drop(by_name);
            trace::removed(namespace.name());
            namespace.close();
        }
    }

    /// Does for a namespace that was just made what calls the application: opens the adapter, runs the hooks. Nothing is
    /// locked, so they may use the server as they like; clients that ask for the namespace wait for the end of it.
    fn begin(&self, namespace: &Namespace) {
        Beginning { server: self, namespace, opened: false }.run();
    }

    /// The namespace of this name, if there is one.
    pub(crate) fn existing(&self, name: &str) -> Option<Namespace> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The namespace that the application names, made if it does not exist.
    pub(crate) fn of(&self, name: &str) -> Namespace {
        let slash = if name.starts_with('/') { "" } else { "/" };
        let name = format!("{slash}{name}");
        let (namespace, new) = {
            let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
            let new = !by_name.contains_key(name.as_str());
            let make = || self.make(&name);
            (by_name.entry(name.as_str().into()).or_insert_with(make).clone(), new)
        };
        if new {
            self.begin(&namespace);
        }
        namespace
    }

    /// A namespace whose name fits a pattern belongs to that parent, whoever names it first.
    fn make(&self, name: &str) -> Namespace {
        for parent in self.parents.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Matcher::Pattern(pattern) = &parent.matcher {
                if let Some(params) = pattern.capture(name) {
                    return self.make_child(parent, name, params);
                }
            }
        }
        Namespace::new(name, &self.config, &self.state, self.adapter.is_some())
    }

    /// The parent of namespaces whose names fit a pattern.
    pub(crate) fn of_pattern(&self, pattern: Pattern) -> Namespace {
        self.add_parent(&pattern.to_string(), Matcher::Pattern(pattern))
    }

    /// The parent of namespaces that a function agrees to.
    pub(crate) fn of_function<F, Fut>(&self, function: F) -> Namespace
    where
        F: Fn(NamespaceRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        let ask: Ask = Box::new(move |request| Box::pin(function(request)));
        self.add_parent("/*", Matcher::Function(ask))
    }

    fn add_parent(&self, name: &str, matcher: Matcher) -> Namespace {
        let namespace = Namespace::parent(name, &self.config, &self.state, Arc::new(Family::default()));
        let parent = Arc::new(Parent { matcher, namespace: namespace.clone() });
        self.parents.write().unwrap_or_else(PoisonError::into_inner).push(parent);
        namespace
    }

    /// Calls `hook` for each namespace that comes to be from now on.
    pub(crate) fn on_new(&self, hook: NewHook) {
        self.on_new.write().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    /// The names of the namespaces that are there.
    pub(crate) fn names(&self) -> Vec<String> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.keys().map(|name| name.to_string()).collect()
    }

    /// The server is shutting down: that is why sockets leave from now on.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        for namespace in self.by_name.read().unwrap_or_else(PoisonError::into_inner).values() {
            namespace.close();
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

/// A namespace between its making and its announcement.
struct Beginning<'a> {
    server: &'a Namespaces,
    namespace: &'a Namespace,
    opened: bool,
}

impl Beginning<'_> {
    fn run(mut self) {
        if let Some(adapter) = &self.server.adapter {
            Inbound::open(&self.namespace.space().hub, &**adapter);
        }
        self.opened = true;
        trace::made(self.namespace.name());
        let hooks = self.server.on_new.read().unwrap_or_else(PoisonError::into_inner).clone();
        hooks.iter().for_each(|hook| hook(self.namespace));
    }
}

/// Those who wait must hear of the end even if a hook panics. A namespace whose adapter did is none.
impl Drop for Beginning<'_> {
    fn drop(&mut self) {
        if !self.opened {
            let name = self.namespace.name();
            self.server.by_name.write().unwrap_or_else(PoisonError::into_inner).remove(name);
            if let Kind::Child { family, .. } = self.namespace.space().kind() {
                family.remove(name);
            }
            self.namespace.space().hub.stay_alone();
        }
        self.namespace.space().announce(self.opened);
        self.server.announced.notify_waiters();
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Visit").field(&self.namespace).finish()
    }
}
