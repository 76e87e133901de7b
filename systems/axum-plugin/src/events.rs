//! Handlers, declared next to the namespace that they belong to.

use std::any::type_name;

use socketio_server::{
    ConnectContext, ConnectError, DisconnectContext, EventContext, HandlerFn, Namespace, Outcome, Reply,
    Screen,
};

/// The handlers of one namespace. A [`SocketPlugin`](crate::SocketPlugin) registers them when the application
/// is ready.
#[must_use = "handlers are called once a plug-in has them"]
pub struct SocketEvents {
    namespace: String,
    declared: Vec<Declared>,
}

/// Description of a handler, for listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerInfo {
    /// The namespace.
    pub namespace: String,
    /// The event; `connect`, `disconnect` and similar for lifecycle handlers, and `(connect)` or `(event)`
    /// for middlewares.
    pub event: String,
    /// The name of the function.
    pub handler: &'static str,
}

struct Declared {
    event: String,
    handler: &'static str,
    bind: Bind,
}

type Bind = Box<dyn FnOnce(&Namespace) + Send + Sync>;

impl SocketEvents {
    /// An empty set of handlers. The leading slash may be omitted; the default namespace is `/`.
    pub fn of(namespace: &str) -> Self {
        let slash = if namespace.starts_with('/') { "" } else { "/" };
        Self { namespace: format!("{slash}{namespace}"), declared: Vec::new() }
    }

    /// Adds a middleware that accepts or refuses clients: see [`Namespace::middleware`]. It is the place for
    /// token checks.
    pub fn middleware<H, M, E>(self, middleware: H) -> Self
    where
        H: HandlerFn<ConnectContext, M, Output = Result<(), E>>,
        E: Into<ConnectError> + 'static,
    {
        self.declare::<H>("(connect)", move |namespace| {
            namespace.middleware(middleware);
        })
    }

    /// Adds a middleware that runs before the event handlers: see [`Namespace::event_middleware`].
    pub fn event_middleware<H, M>(self, middleware: H) -> Self
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Screen,
    {
        self.declare::<H>("(event)", move |namespace| {
            namespace.event_middleware(middleware);
        })
    }

    /// Adds a handler for connected clients.
    pub fn on_connect<H, M>(self, handler: H) -> Self
    where
        H: HandlerFn<ConnectContext, M>,
        H::Output: Outcome,
    {
        self.declare::<H>("connect", move |namespace| {
            namespace.on_connect(handler);
        })
    }

    /// Adds a handler for disconnected clients.
    pub fn on_disconnect<H, M>(self, handler: H) -> Self
    where
        H: HandlerFn<DisconnectContext, M>,
        H::Output: Outcome,
    {
        self.declare::<H>("disconnect", move |namespace| {
            namespace.on_disconnect(handler);
        })
    }

    /// Adds a handler for events of this name. Its return value is the acknowledgement.
    pub fn on<H, M>(self, event: &str, handler: H) -> Self
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Reply,
    {
        let name = event.to_owned();
        self.declare::<H>(event, move |namespace| {
            namespace.on(&name, handler);
        })
    }

    /// The name of the namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The declared handlers.
    pub fn handlers(&self) -> impl Iterator<Item = HandlerInfo> + '_ {
        self.declared.iter().map(|declared| HandlerInfo {
            namespace: self.namespace.clone(),
            event: declared.event.clone(),
            handler: declared.handler,
        })
    }

    fn declare<H>(mut self, event: &str, bind: impl FnOnce(&Namespace) + Send + Sync + 'static) -> Self {
        let bind = Box::new(bind);
        self.declared.push(Declared { event: event.to_owned(), handler: type_name::<H>(), bind });
        self
    }

    pub(crate) fn bind(self, namespace: &Namespace) {
        for declared in self.declared {
            (declared.bind)(namespace);
        }
    }
}
