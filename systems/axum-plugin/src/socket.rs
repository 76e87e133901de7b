//! The Socket.IO plug-in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::{Extension, Router};
use engineio::sync::Mutex;
use socketio_server::{Server, ServerBuilder};

use crate::api::SocketApi;
use crate::error_event;
use crate::events::{HandlerInfo, SocketEvents};
use crate::logs;
use crate::options::SocketOptions;
use crate::plugin::{Plugin, PluginError, Route, ShutdownFuture};

/// Puts a Socket.IO server in front of an application's routes.
#[must_use = "an application takes it by `configure`"]
pub struct SocketPlugin {
    options: SocketOptions,
    tune: Option<Tune>,
    events: Vec<SocketEvents>,
    handlers: Vec<HandlerInfo>,
    hooks: Hooks,
    /// Until the shutdown.
    api: Mutex<Option<SocketApi>>,
}

type Tune = Box<dyn FnOnce(ServerBuilder) -> ServerBuilder + Send + Sync>;
type OnRegistered = Box<dyn FnOnce(&[HandlerInfo]) + Send + Sync>;
type OnReady = Box<dyn FnOnce(&SocketApi) + Send + Sync>;
type OnShutdown = Arc<dyn Fn(SocketApi) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Lifecycle hooks of the application, in the order in which they were added.
#[derive(Default)]
struct Hooks {
    registered: Vec<OnRegistered>,
    ready: Vec<OnReady>,
    shutdown: Vec<OnShutdown>,
}

impl SocketPlugin {
    /// A plug-in with these options, and without handlers yet.
    pub fn new(options: SocketOptions) -> Self {
        Self {
            options,
            tune: None,
            events: Vec::new(),
            handlers: Vec::new(),
            hooks: Hooks::default(),
            api: Mutex::default(),
        }
    }

    /// Adds the handlers of a namespace.
    pub fn events(mut self, events: SocketEvents) -> Self {
        self.events.push(events);
        self
    }

    /// Changes settings that [`SocketOptions`] lacks: adapters, the parser, state for handlers, hooks of the
    /// transport. These changes are applied after the options and override them; an `allow_request` runs
    /// after the check of origins.
    pub fn server(
        mut self,
        tune: impl FnOnce(ServerBuilder) -> ServerBuilder + Send + Sync + 'static,
    ) -> Self {
        self.tune = Some(Box::new(tune));
        self
    }

    /// Calls `hook` with the list of handlers when all of them are declared. Hooks of all kinds are called in the order in
    /// which they were added.
    pub fn when_registered(mut self, hook: impl FnOnce(&[HandlerInfo]) + Send + Sync + 'static) -> Self {
        self.hooks.registered.push(Box::new(hook));
        self
    }

    /// [`when_registered`](Self::when_registered), by the name of the plug-in's own call.
    pub fn on_controllers_loaded(self, hook: impl FnOnce(&[HandlerInfo]) + Send + Sync + 'static) -> Self {
        self.when_registered(hook)
    }

    /// Calls `hook` when the handlers are bound and the endpoint is mounted, before the first request.
    pub fn when_ready(mut self, hook: impl FnOnce(&SocketApi) + Send + Sync + 'static) -> Self {
        self.hooks.ready.push(Box::new(hook));
        self
    }

    /// [`when_ready`](Self::when_ready), by the name of the plug-in's own call.
    pub fn on_ready(self, hook: impl FnOnce(&SocketApi) + Send + Sync + 'static) -> Self {
        self.when_ready(hook)
    }

    /// Calls `hook` at the start of a shutdown, while all clients are still connected. The clients are
    /// disconnected when the future of the hook completes.
    pub fn before_shutdown<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(SocketApi) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.shutdown.push(Arc::new(move |api| Box::pin(hook(api))));
        self
    }

    /// [`before_shutdown`](Self::before_shutdown), by the name of the plug-in's own call.
    pub fn on_shutdown_async<F, Fut>(self, hook: F) -> Self
    where
        F: Fn(SocketApi) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.before_shutdown(hook)
    }
}

/// Adds the endpoint as routes: a layer would be lost when another router with a fallback is merged.
fn mount(router: Router, io: &Server, path: &str) -> Router {
    if !io.engine().matches(&format!("{path}/")) || path == "/" {
        // `server` has changed the path, or the endpoint has all paths.
        return router.layer(io.layer());
    }
    // Braces would be parameters.
    let path = path.replace('{', "{{").replace('}', "}}");
    let mut router = router
        .route_service(&format!("{path}/"), io.service())
        .route_service(&format!("{path}/{{*rest}}"), io.service());
    if io.engine().matches(&path) {
        router = router.route_service(&path, io.service());
    }
    router
}

impl Plugin for SocketPlugin {
    fn name(&self) -> &'static str {
        "socket"
    }

    fn on_registered(&mut self) -> Result<(), PluginError> {
        self.handlers = self.events.iter().flat_map(SocketEvents::handlers).collect();
        for hook in self.hooks.registered.drain(..) {
            hook(&self.handlers);
        }
        Ok(())
    }

    fn on_ready(&mut self, router: Router) -> Result<Router, PluginError> {
        let mut builder = self.options.builder();
        if self.options.engineio_logger {
            builder = logs::log_transport(builder);
        }
        if let Some(tune) = self.tune.take() {
            builder = tune(builder);
        }
        let io = builder.build()?;
        if self.options.logger {
            logs::log_sockets(&io);
        }
        if self.options.error_event {
            error_event::register(&io);
        }
        for events in self.events.drain(..) {
            let namespace = io.of(events.namespace());
            events.bind(&namespace);
        }
        let api = SocketApi::new(io.clone());
        *self.api.lock() = Some(api.clone());
        for hook in self.hooks.ready.drain(..) {
            hook(&api);
        }
        Ok(mount(router, &io, &self.options.mount_point()).layer(Extension(api)))
    }

    fn on_shutdown(&self) -> ShutdownFuture<'_> {
        Box::pin(async {
            let api = self.api.lock().take();
            let Some(api) = api else { return };
            for hook in &self.hooks.shutdown {
                hook(api.clone()).await;
            }
            api.drain(self.options.shutdown_deadline, self.options.shutdown_spread).await;
        })
    }

    fn handlers(&self) -> Vec<HandlerInfo> {
        let declared = self.events.iter().flat_map(SocketEvents::handlers);
        self.handlers.iter().cloned().chain(declared).collect()
    }

    fn routes(&self) -> Vec<Route> {
        let path = format!("{}/", self.options.mount_point());
        vec![Route { methods: "GET,POST,OPTIONS".to_owned(), path, handler: "plug-in socket".to_owned() }]
    }
}
