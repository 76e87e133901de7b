//! What a plug-in is, and when the application calls it.

use std::future::Future;
use std::pin::Pin;

use axum::Router;

use crate::events::HandlerInfo;

/// What a plug-in does while the application shuts down.
pub type ShutdownFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Something that stands in an application and lives as long as it does. The application calls
/// [`on_registered`](Self::on_registered) and [`on_ready`](Self::on_ready) when it is built, in this order, and
/// [`on_shutdown`](Self::on_shutdown) when it is told to stop.
pub trait Plugin: Send + Sync + 'static {
    /// By what name the command line knows it.
    fn name(&self) -> &'static str;

    /// All handlers and routes are declared. Nothing is served yet.
    fn on_registered(&mut self) -> Result<(), PluginError> {
        Ok(())
    }

    /// The application is about to serve: the plug-in puts its part in front of the routes, or beside them.
    fn on_ready(&mut self, router: Router) -> Result<Router, PluginError>;

    /// The application is about to stop. It goes on answering until this is done.
    fn on_shutdown(&self) -> ShutdownFuture<'_> {
        Box::pin(async {})
    }

    /// The event handlers that were declared with it.
    fn handlers(&self) -> Vec<HandlerInfo> {
        Vec::new()
    }

    /// The routes that it adds.
    fn routes(&self) -> Vec<Route> {
        Vec::new()
    }
}

/// A route of the application, for people who want to see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The methods, separated by commas.
    pub methods: String,
    /// The path, as axum writes it.
    pub path: String,
    /// The function that answers, or the plug-in.
    pub handler: String,
}

/// Why an application cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// Two plug-ins have the same name.
    #[error("there are two plug-ins with the name {0}")]
    Twice(&'static str),
    /// An option of the Socket.IO plug-in is wrong.
    #[error("the Socket.IO plug-in: {0}")]
    Socket(#[from] engineio::ConfigError),
    /// A plug-in of the application's own says no.
    #[error("the plug-in {name}: {source}")]
    Other {
        /// Its name.
        name: &'static str,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
