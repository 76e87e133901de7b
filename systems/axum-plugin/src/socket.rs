//! The Socket.IO plug-in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::{Extension, Router};
use engineio::sync::Mutex;
use socketio_server::ServerBuilder;

use crate::api::SocketApi;
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

/// Lifecycle hooks of the application.
#[derive(Default)]
struct Hooks {
    registered: Option<OnRegistered>,
    ready: Option<OnReady>,
    shutdown: Option<OnShutdown>,
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

    /// Calls `hook` with the list of handlers when all of them are declared.
    pub fn when_registered(mut self, hook: impl FnOnce(&[HandlerInfo]) + Send + Sync + 'static) -> Self {
        self.hooks.registered = Some(Box::new(hook));
        self
    }

    /// Calls `hook` when the handlers are bound and the endpoint is mounted, before the first request.
    pub fn when_ready(mut self, hook: impl FnOnce(&SocketApi) + Send + Sync + 'static) -> Self {
        self.hooks.ready = Some(Box::new(hook));
        self
    }

    /// Calls `hook` at the start of a shutdown, while all clients are still connected. The clients are
    /// disconnected when the future of the hook completes.
    pub fn before_shutdown<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(SocketApi) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.shutdown = Some(Arc::new(move |api| Box::pin(hook(api))));
        self
    }
}

impl Plugin for SocketPlugin {
    fn name(&self) -> &'static str {
        "socket"
    }

    fn on_registered(&mut self) -> Result<(), PluginError> {
        self.handlers = self.events.iter().flat_map(SocketEvents::handlers).collect();
        if let Some(hook) = self.hooks.registered.take() {
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
        for events in self.events.drain(..) {
            let namespace = io.of(events.namespace());
            events.bind(&namespace);
        }
        let api = SocketApi::new(io.clone());
        *self.api.lock() = Some(api.clone());
        if let Some(hook) = self.hooks.ready.take() {
            hook(&api);
        }
        Ok(router.layer(io.layer()).layer(Extension(api)))
    }

    fn on_shutdown(&self) -> ShutdownFuture<'_> {
        Box::pin(async {
            let api = self.api.lock().take();
            let Some(api) = api else { return };
            if let Some(hook) = &self.hooks.shutdown {
                hook(api.clone()).await;
            }
            api.drain(self.options.shutdown_deadline, self.options.shutdown_spread).await;
        })
    }

    fn handlers(&self) -> Vec<HandlerInfo> {
        self.handlers.clone()
    }

    fn routes(&self) -> Vec<Route> {
        let path = format!("{}/", self.options.mount_point());
        vec![Route { methods: "GET,POST,OPTIONS".to_owned(), path, handler: "plug-in socket".to_owned() }]
    }
}
