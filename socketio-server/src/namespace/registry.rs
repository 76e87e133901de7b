//! The namespaces of a server, including those that are created on request of a client.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engineio::RequestHead;
use engineio::sync::RwLock;
use socketio_parser::ConnectionParser;
use tokio::sync::Notify;

use super::Namespace;
use super::parent::{Matcher, NamespaceRequest, Parent};
use crate::broadcast::Family;
use crate::cluster::{Adapter, ClusterInbox};
use crate::config::Config;
use crate::extensions::Extensions;
use crate::params::{Params, Pattern};
use crate::socket::Kind;
use crate::socket::detached::DetachedHandlers;
use crate::socket::handshake::Handshake;
use crate::trace;
use crate::wire::Wire;

/// Maximum wait for the last messages to other nodes, twice the time in which an adapter has to send one.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);

/// The namespaces of a server.
pub(crate) struct NamespaceRegistry {
    pub(crate) config: Arc<Config>,
    state: Arc<Extensions>,
    adapter: Option<Arc<dyn Adapter>>,
    by_name: RwLock<HashMap<Box<str>, Namespace>>,
    parents: RwLock<Vec<Arc<Parent>>>,
    on_new: RwLock<Vec<NamespaceHook>>,
    /// Notified when a namespace has been announced.
    announced: Notify,
    closing: AtomicBool,
    /// Selects the parser of a connection. `None`: all use the server's.
    connection_parser: Option<SelectParser>,
    /// Counter of the handlers of disconnected clients.
    pub(crate) detached_handlers: Arc<DetachedHandlers>,
}

/// Selects the parser of a connection by its opening request.
pub(crate) type SelectParser = Box<dyn Fn(&RequestHead) -> ConnectionParser + Send + Sync>;
type NamespaceHook = Arc<dyn Fn(&Namespace) + Send + Sync>;
/// State of the search for a namespace.
pub(crate) enum Search {
    Found(Occupancy),
    Deciding(Pin<Box<dyn Future<Output = Option<Occupancy>> + Send>>),
    Unknown,
}

impl Search {
    /// A client may join when the namespace has been announced.
    fn of(occupancy: Occupancy) -> Self {
        match occupancy.namespace.namespace_state().announced() {
            Some(true) => Self::Found(occupancy),
            Some(false) => Self::Unknown,
            None => Self::Deciding(Box::pin(occupancy.announced())),
        }
    }
}

/// Guard of a client that has joined a namespace or is joining it. A dynamic namespace is removed with its
/// last guard.
pub(crate) struct Occupancy {
    pub(crate) namespace: Namespace,
    server: Arc<NamespaceRegistry>,
}

impl Occupancy {
    /// Whether the namespace counts its occupants.
    pub(crate) fn is_counted(&self) -> bool {
        matches!(self.namespace.namespace_state().kind(), Kind::Child { .. })
    }

    /// Waits until the namespace has been announced. `None` if its setup failed.
    async fn announced(self) -> Option<Self> {
        let server = Arc::clone(&self.server);
        loop {
            // Created before the check, so that a notification in between is not missed.
            let announced = server.announced.notified();
            match self.namespace.namespace_state().announced() {
                Some(true) => return Some(self),
                Some(false) => return None,
                None => announced.await,
            }
        }
    }
}

impl Drop for Occupancy {
    fn drop(&mut self) {
        self.server.leave(&self.namespace);
    }
}

impl NamespaceRegistry {
    pub(crate) fn new(
        config: Arc<Config>,
        state: Arc<Extensions>,
        adapter: Option<Arc<dyn Adapter>>,
        connection_parser: Option<SelectParser>,
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
            connection_parser,
            detached_handlers: Arc::default(),
        }
    }

    /// The parser of a connection, if it is not the server's. Packets of a translated session are always those of
    /// the server's parser, for its translator.
    pub(crate) fn wire(&self, request: &RequestHead) -> Option<Arc<Wire>> {
        let select = self.connection_parser.as_ref().filter(|_| !request.is_translated())?;
        Wire::new(self.config.parser, select(request))
    }

    /// Searches the namespace that a client requested.
    pub(crate) fn search(self: &Arc<Self>, name: &str, handshake: &Handshake) -> Search {
        let existing = {
            // Counted under the lock, so that the namespace cannot be removed in between.
            let by_name = self.by_name.read();
            by_name.get(name).map(|namespace| self.occupancy(namespace))
        };
        if let Some(occupancy) = existing {
            return Search::of(occupancy);
        }
        let parents = self.parents.read().clone();
        for (at, parent) in parents.iter().enumerate() {
            if parent.matcher.is_function() {
                let request = NamespaceRequest::new(name, handshake);
                let parents = parents[at..].to_vec();
                return Search::Deciding(Box::pin(Arc::clone(self).find_parent(parents, request)));
            }
            if let Some(params) = parent.matcher.capture(name) {
                return Search::of(self.child(parent, name, params));
            }
        }
        Search::Unknown
    }

    async fn find_parent(
        self: Arc<Self>,
        parents: Vec<Arc<Parent>>,
        request: NamespaceRequest,
    ) -> Option<Occupancy> {
        for parent in parents {
            if let Some(params) = parent.matcher.decide(&request).await {
                return self.child(&parent, request.name(), params).announced().await;
            }
        }
        None
    }

    /// The namespace of this name below a parent; created unless another client was faster.
    fn child(self: &Arc<Self>, parent: &Parent, name: &str, params: Params) -> Occupancy {
        let (occupancy, new) = {
            let mut by_name = self.by_name.write();
            let new = !by_name.contains_key(name);
            let make = || self.make_child(parent, name, params);
            let namespace = by_name.entry(name.into()).or_insert_with(make);
            (self.occupancy(namespace), new)
        };
        if new {
            self.set_up(&occupancy.namespace);
        }
        occupancy
    }

    fn make_child(&self, parent: &Parent, name: &str, params: Params) -> Namespace {
        parent.namespace.child(name, params, self.adapter.is_some())
    }

    fn occupancy(self: &Arc<Self>, namespace: &Namespace) -> Occupancy {
        if let Kind::Child { occupants, .. } = namespace.namespace_state().kind() {
            occupants.fetch_add(1, Ordering::Relaxed);
        }
        Occupancy { namespace: namespace.clone(), server: Arc::clone(self) }
    }

    fn leave(&self, namespace: &Namespace) {
        let Kind::Child { occupants, family, .. } = namespace.namespace_state().kind() else { return };
        if occupants.fetch_sub(1, Ordering::AcqRel) > 1 || !self.config.cleanup_empty_child_namespaces {
            return;
        }
        let mut by_name = self.by_name.write();
        // Another client may have joined before the lock was acquired.
        if occupants.load(Ordering::Acquire) == 0 && by_name.get(namespace.name()) == Some(namespace) {
            by_name.remove(namespace.name());
            family.remove(namespace.name());
            drop(by_name);
            trace::namespace_removed(namespace.name());
            namespace.close();
        }
    }

    /// Deletes a namespace and disconnects its sockets. Returns `false` for `/`, and if there is no such namespace.
    pub(crate) fn delete(&self, name: &str) -> bool {
        if name == "/" {
            return false;
        }
        let Some(namespace) = self.by_name.write().remove(name) else { return false };
        let state = namespace.namespace_state();
        if let Kind::Child { family, .. } = state.kind() {
            family.remove(name);
        }
        state.delete();
        for socket in namespace.sockets() {
            socket.disconnect(false);
        }
        trace::namespace_removed(name);
        namespace.close();
        true
    }

    /// Runs the application's code for a new namespace: opens the adapter and calls the hooks. No lock is
    /// held, so this code may use the server. Clients that request the namespace wait until it is done.
    fn set_up(&self, namespace: &Namespace) {
        NamespaceSetup { server: self, namespace, opened: false }.run();
    }

    /// The namespace of this name, if it exists.
    pub(crate) fn existing(&self, name: &str) -> Option<Namespace> {
        self.by_name.read().get(name).cloned()
    }

    /// The namespace of this name for the application; created if it does not exist.
    pub(crate) fn of(&self, name: &str) -> Namespace {
        let name = with_slash(name);
        self.existing_or(&name, || self.make(&name))
    }

    /// The namespace of this name below a parent; created if no namespace has this name. `None` if `parent` is
    /// none.
    pub(crate) fn child_of(&self, parent: &Namespace, name: &str) -> Option<Namespace> {
        if !matches!(parent.namespace_state().kind(), Kind::Parent(_)) {
            return None;
        }
        let name = with_slash(name);
        let make = || parent.child(&name, Params::default(), self.adapter.is_some());
        Some(self.existing_or(&name, make))
    }

    fn existing_or(&self, name: &str, make: impl FnOnce() -> Namespace) -> Namespace {
        let (namespace, new) = {
            let mut by_name = self.by_name.write();
            let new = !by_name.contains_key(name);
            (by_name.entry(name.into()).or_insert_with(make).clone(), new)
        };
        if new {
            self.set_up(&namespace);
        }
        namespace
    }

    /// A namespace whose name matches a pattern belongs to that parent, whether the application or a client
    /// requests it first.
    fn make(&self, name: &str) -> Namespace {
        for parent in self.parents.read().iter() {
            if let Some(params) = parent.matcher.capture(name) {
                return self.make_child(parent, name, params);
            }
        }
        Namespace::new(name, &self.config, &self.state, self.adapter.is_some())
    }

    /// Adds the parent of the namespaces whose names match a pattern.
    pub(crate) fn of_pattern(&self, pattern: Pattern) -> Namespace {
        self.add_parent(&pattern.to_string(), Matcher::Pattern(pattern))
    }

    /// Adds the parent of the namespaces whose names match a regular expression.
    #[cfg(feature = "regex")]
    pub(crate) fn of_regex(&self, regex: regex::Regex) -> Namespace {
        self.add_parent(&format!("/{regex}/"), Matcher::Regex(regex))
    }

    /// Adds the parent of the namespaces that a function accepts.
    pub(crate) fn of_function<F, Fut>(&self, function: F) -> Namespace
    where
        F: Fn(NamespaceRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.add_parent("/*", Matcher::function(function))
    }

    fn add_parent(&self, name: &str, matcher: Matcher) -> Namespace {
        let namespace = Namespace::parent(name, &self.config, &self.state, Arc::new(Family::default()));
        let parent = Arc::new(Parent { matcher, namespace: namespace.clone() });
        self.parents.write().push(parent);
        namespace
    }

    /// Calls `hook` for each namespace that is created from now on.
    pub(crate) fn on_new(&self, hook: NamespaceHook) {
        self.on_new.write().push(hook);
    }

    /// Whether there is an adapter.
    pub(crate) fn is_clustered(&self) -> bool {
        self.adapter.is_some()
    }

    /// The names of all namespaces.
    pub(crate) fn names(&self) -> Vec<String> {
        let by_name = self.by_name.read();
        by_name.keys().map(|name| name.to_string()).collect()
    }

    /// Marks the server as closing, which determines the disconnect reason of its sockets.
    pub(crate) fn start_closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Announces to other nodes that this one leaves, without waiting for it.
    pub(crate) fn close(&self) {
        self.start_closing();
        for namespace in self.by_name.read().values() {
            namespace.close();
        }
    }

    /// Announces to other nodes that this one leaves, and waits until the last messages are sent, for at most
    /// [`FAREWELL_TIMEOUT`].
    pub(crate) async fn leave_cluster(&self) {
        let namespaces: Vec<Namespace> = self.by_name.read().values().cloned().collect();
        let leaving = futures_util::future::join_all(namespaces.iter().map(Namespace::leave_cluster));
        // After the timeout the other nodes detect the loss by themselves.
        let _ = tokio::time::timeout(FAREWELL_TIMEOUT, leaving).await;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

/// Setup of a namespace between creation and announcement.
struct NamespaceSetup<'a> {
    server: &'a NamespaceRegistry,
    namespace: &'a Namespace,
    opened: bool,
}

impl NamespaceSetup<'_> {
    fn run(mut self) {
        if let Some(adapter) = &self.server.adapter {
            let name = self.server.config.node_name.as_deref();
            ClusterInbox::open(&self.namespace.namespace_state().node, &**adapter, name);
        }
        self.opened = true;
        trace::namespace_created(self.namespace.name());
        let hooks = self.server.on_new.read().clone();
        hooks.iter().for_each(|hook| hook(self.namespace));
    }
}

/// Waiting clients are notified even if a hook panics. If the adapter panics, the namespace is removed again.
impl Drop for NamespaceSetup<'_> {
    fn drop(&mut self) {
        if !self.opened {
            let name = self.namespace.name();
            self.server.by_name.write().remove(name);
            if let Kind::Child { family, .. } = self.namespace.namespace_state().kind() {
                family.remove(name);
            }
            self.namespace.namespace_state().node.stay_alone();
        }
        self.namespace.namespace_state().announce(self.opened);
        self.server.announced.notify_waiters();
    }
}

fn with_slash(name: &str) -> String {
    let slash = if name.starts_with('/') { "" } else { "/" };
    format!("{slash}{name}")
}

impl fmt::Debug for Occupancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Occupancy").field(&self.namespace).finish()
    }
}
