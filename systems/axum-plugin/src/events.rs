//! Handlers, declared next to the namespace that they belong to.

use std::any::type_name;

use socketio_server::{
    ConnectContext, ConnectError, DisconnectContext, EventContext, HandlerFn, Namespace, Reply, Screen,
};

/// The handlers of one namespace. Nothing happens until a [`SocketPlugin`](crate::SocketPlugin) takes them; then
/// they are bound when the application is ready.
#[must_use = "handlers are called once a plug-in has them"]
pub struct SocketEvents {
    namespace: String,
    declared: Vec<Declared>,
}

/// A handler, for people who want to see which there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerInfo {
    /// The namespace.
    pub namespace: String,
    /// The event; `connect`, `disconnect` and the like for those, and `(connect)` or `(event)` for middlewares.
    pub event: String,
    /// The function.
    pub handler: &'static str,
}

struct Declared {
    event: String,
    handler: &'static str,
    bind: Bind,
}

type Bind = Box<dyn FnOnce(&Namespace) + Send + Sync>;

impl SocketEvents {
    /// Starts with none. The slash in front may be left out; the default namespace is `/`.
    pub fn of(namespace: &str) -> Self {
        let slash = if namespace.starts_with('/') { "" } else { "/" };
        Self { namespace: format!("{slash}{namespace}"), declared: Vec::new() }
    }

    /// Asks whether a client may join: see [`Namespace::middleware`]. This is the place to look at tokens.
    pub fn middleware<H, M, E>(self, middleware: H) -> Self
    where
        H: HandlerFn<ConnectContext, M, Output = Result<(), E>>,
        E: Into<ConnectError> + 'static,
    {
        self.declare::<H>("(connect)", move |namespace| {
            namespace.middleware(middleware);
        })
    }

    /// Shows each event to a middleware first: see [`Namespace::event_middleware`].
    pub fn event_middleware<H, M>(self, middleware: H) -> Self
    where
        H: HandlerFn<EventContext, M>,
        H::Output: Screen,
    {
        self.declare::<H>("(event)", move |namespace| {
            namespace.event_middleware(middleware);
        })
    }

    /// Calls the handler for each client that has joined.
    pub fn on_connect<H, M>(self, handler: H) -> Self
    where
        H: HandlerFn<ConnectContext, M, Output = ()>,
    {
        self.declare::<H>("connect", move |namespace| {
            namespace.on_connect(handler);
        })
    }

    /// Calls the handler for each client that has left.
    pub fn on_disconnect<H, M>(self, handler: H) -> Self
    where
        H: HandlerFn<DisconnectContext, M, Output = ()>,
    {
        self.declare::<H>("disconnect", move |namespace| {
            namespace.on_disconnect(handler);
        })
    }

    /// Calls the handler for each event of this name. What it returns is the acknowledgement.
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

    /// What was declared.
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
