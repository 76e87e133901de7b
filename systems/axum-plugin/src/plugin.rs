//! The interface of plug-ins, and the order of the calls.

use std::future::Future;
use std::pin::Pin;

use axum::Router;

use crate::events::HandlerInfo;

/// The future of a plug-in's shutdown.
pub type ShutdownFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A part of an application with the same lifetime. The application calls
/// [`on_registered`](Self::on_registered) and [`on_ready`](Self::on_ready) in this order while it is built,
/// and [`on_shutdown`](Self::on_shutdown) when it stops.
pub trait Plugin: Send + Sync + 'static {
    /// The name of the plug-in on the command line.
    fn name(&self) -> &'static str;

    /// All handlers and routes are declared. Nothing is served yet.
    fn on_registered(&mut self) -> Result<(), PluginError> {
        Ok(())
    }

    /// The application is about to serve: the plug-in adds its layers and routes to the router.
    fn on_ready(&mut self, router: Router) -> Result<Router, PluginError>;

    /// The application is about to stop. It continues to answer requests until this future completes.
    fn on_shutdown(&self) -> ShutdownFuture<'_> {
        Box::pin(async {})
    }

    /// The event handlers that were declared with the plug-in. Listings call this without the other methods.
    fn handlers(&self) -> Vec<HandlerInfo> {
        Vec::new()
    }

    /// The routes that the plug-in adds. Listings call this without the other methods.
    fn routes(&self) -> Vec<Route> {
        Vec::new()
    }
}

/// Description of a route of the application, for listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The methods, separated by commas.
    pub methods: String,
    /// The path, as axum writes it.
    pub path: String,
    /// The name of the handler function or of the plug-in.
    pub handler: String,
}

/// Errors while an application is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// Two plug-ins have the same name.
    #[error("there are two plug-ins with the name {0}")]
    Twice(&'static str),
    /// An option of the Socket.IO plug-in is invalid.
    #[error("the Socket.IO plug-in: {0}")]
    Socket(#[from] engineio::ConfigError),
    /// A plug-in of the application failed.
    #[error("the plug-in {name}: {source}")]
    Other {
        /// The name of the plug-in.
        name: &'static str,
        /// The error of the plug-in.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
