//! The application: an axum router with named routes, and its plug-ins.

use std::any::type_name;
use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
use tokio::net::TcpListener;

use crate::enabled::Enabled;
use crate::events::HandlerInfo;
use crate::plugin::{Plugin, PluginError, Route};

/// The builder of an application.
#[must_use = "an application does nothing before it is built"]
pub struct App {
    title: String,
    router: Router,
    routes: Vec<Route>,
    plugins: Vec<Box<dyn Plugin>>,
    enabled: Enabled,
}

/// An application that is ready to serve.
pub struct Application {
    title: String,
    router: Router,
    routes: Vec<Route>,
    plugins: Arc<[Box<dyn Plugin>]>,
}

impl App {
    /// An application without routes and plug-ins.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            router: Router::new(),
            routes: Vec::new(),
            plugins: Vec::new(),
            enabled: Enabled::default(),
        }
    }

    /// Adds a plug-in with its options.
    pub fn configure(mut self, plugin: impl Plugin) -> Self {
        self.plugins.push(Box::new(plugin));
        self
    }

    /// Sets the enabled plug-ins. Default: all.
    pub fn enabled(mut self, enabled: Enabled) -> Self {
        self.enabled = enabled;
        self
    }

    /// Adds a handler of GET (and HEAD) requests for a path.
    pub fn get<H: Handler<T, ()>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.route("GET", MethodFilter::GET, path, handler)
    }

    /// Adds a handler of POST requests for a path.
    pub fn post<H: Handler<T, ()>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.route("POST", MethodFilter::POST, path, handler)
    }

    /// Adds a handler of PUT requests for a path.
    pub fn put<H: Handler<T, ()>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.route("PUT", MethodFilter::PUT, path, handler)
    }

    /// Adds a handler of PATCH requests for a path.
    pub fn patch<H: Handler<T, ()>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.route("PATCH", MethodFilter::PATCH, path, handler)
    }

    /// Adds a handler of DELETE requests for a path.
    pub fn delete<H: Handler<T, ()>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.route("DELETE", MethodFilter::DELETE, path, handler)
    }

    /// Passes a value to all handlers of the routes added so far, as axum's `Extension`.
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.router = self.router.layer(Extension(value));
        self
    }

    /// Adds the routes of an existing router, whose state has been given to it by `with_state`. Its handlers may take the
    /// accessors of plug-ins, and its fallback answers all other paths; only one router may have a fallback. Listings do
    /// not contain these routes, as axum does not name them.
    pub fn merge(mut self, router: Router) -> Self {
        self.router = self.router.merge(router);
        self
    }

    fn route<H: Handler<T, ()>, T: 'static>(
        mut self,
        methods: &str,
        filter: MethodFilter,
        path: &str,
        handler: H,
    ) -> Self {
        let name = type_name::<H>().to_owned();
        self.routes.push(Route { methods: methods.to_owned(), path: path.to_owned(), handler: name });
        let method: MethodRouter = on(filter, handler);
        self.router = self.router.route(path, method);
        self
    }

    /// The routes of the application and its plug-ins, whether they are enabled or not. Nothing is started.
    pub(crate) fn listing(self) -> Result<Listing, PluginError> {
        let Self { routes, plugins, enabled, .. } = self;
        check(&plugins)?;
        let listed = plugins.iter().map(|plugin| ListedPlugin {
            name: plugin.name(),
            is_enabled: enabled.contains(plugin.name()),
            handlers: plugin.handlers(),
            routes: plugin.routes(),
        });
        Ok(Listing { routes, plugins: listed.collect() })
    }

    /// Calls the enabled plug-ins: first `on_registered` of all, then `on_ready` of all.
    pub fn build(self) -> Result<Application, PluginError> {
        let Self { title, mut router, mut routes, plugins, enabled } = self;
        let mut plugins: Vec<_> =
            plugins.into_iter().filter(|plugin| enabled.contains(plugin.name())).collect();
        check(&plugins)?;
        for plugin in &mut plugins {
            plugin.on_registered()?;
        }
        for plugin in &mut plugins {
            router = plugin.on_ready(router)?;
            routes.extend(plugin.routes());
        }
        let router = system_support::with_error_bodies(router);
        let router = system_support::with_peer_addresses(router);
        Ok(Application { title, router, routes, plugins: plugins.into() })
    }
}

/// Content of an application that is not built.
pub(crate) struct Listing {
    pub(crate) routes: Vec<Route>,
    pub(crate) plugins: Vec<ListedPlugin>,
}

pub(crate) struct ListedPlugin {
    pub(crate) name: &'static str,
    pub(crate) is_enabled: bool,
    pub(crate) handlers: Vec<HandlerInfo>,
    pub(crate) routes: Vec<Route>,
}

/// Two plug-ins cannot have the same name.
fn check(plugins: &[Box<dyn Plugin>]) -> Result<(), PluginError> {
    for (at, plugin) in plugins.iter().enumerate() {
        if plugins[..at].iter().any(|before| before.name() == plugin.name()) {
            return Err(PluginError::Twice(plugin.name()));
        }
    }
    Ok(())
}

impl Application {
    /// The title of the application.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The whole application as one router, for embedders that serve it themselves. They must call
    /// [`shutdown`](Self::shutdown) at the end. Socket.IO is a route of it, so it may be merged with other routers in any
    /// order; handlers of those have no accessor, for which [`App::merge`] takes them into the application.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// All routes, including those of the plug-ins.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The names of the enabled plug-ins.
    pub fn plugins(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.plugins.iter().map(|plugin| plugin.name())
    }

    /// The event handlers of a plug-in, `None` if there is no such plug-in.
    pub fn handlers(&self, plugin: &str) -> Option<Vec<HandlerInfo>> {
        self.plugins.iter().find(|known| known.name() == plugin).map(|plugin| plugin.handlers())
    }

    /// Serves until `stop` completes. Then the plug-ins shut down while requests are still answered, and
    /// requests in flight have ten seconds to finish.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let plugins = Arc::clone(&self.plugins);
        let stop = async move {
            stop.await;
            shutdown(&plugins).await;
        };
        system_support::serve(listener, self.router, stop, system_support::SHUTDOWN_TIMEOUT).await
    }

    /// Shuts the plug-ins down in reverse order.
    pub async fn shutdown(&self) {
        shutdown(&self.plugins).await;
    }
}

async fn shutdown(plugins: &[Box<dyn Plugin>]) {
    for plugin in plugins.iter().rev() {
        plugin.on_shutdown().await;
    }
}
