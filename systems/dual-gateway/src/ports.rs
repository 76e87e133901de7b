//! The two ports: an API with Socket.IO, and a gateway for both protocols. Both share the same gateway.

use std::future::Future;
use std::io;
use std::sync::Arc;

use socketio_gateway::{Config, Gateway, StartError};
use tokio::net::TcpListener;

use crate::chat::{ChatOptions, Model};
use crate::{api, chat};

/// Both ports, before they are opened.
#[derive(Clone)]
pub struct DualGateway {
    gateway: Gateway,
}

/// Errors while the gateway is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DualError {
    /// No session secret is set: sessions could not be verified, so no client could connect.
    #[error("auth.session_secret is empty")]
    NoSecret,
    /// The gateway cannot start with its settings.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl DualGateway {
    /// A server with the gateway's settings, and this model for `ai:chat`. Clients need a token, whatever
    /// `auth.anonymous` says: a session token, for which `auth.session_secret` must be set, or a JWT, if a
    /// key for JWTs is set.
    pub fn new(config: Config, model: impl Model) -> Result<Self, DualError> {
        Self::with_options(config, ChatOptions::default(), model)
    }

    /// The same, with custom limits for `ai:chat`.
    pub fn with_options(
        mut config: Config,
        options: ChatOptions,
        model: impl Model,
    ) -> Result<Self, DualError> {
        if config.auth.session_secret.is_empty() {
            return Err(DualError::NoSecret);
        }
        config.auth.anonymous = false;
        let gateway = Gateway::new(config)?;
        chat::register(&gateway.io().of("/"), options, Arc::new(model));
        Ok(Self { gateway })
    }

    /// The gateway, for custom handlers and emits: they reach the clients of both ports and protocols.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Serves the API and Socket.IO on `main`, and both protocols on `websocket`, until `stop` completes;
    /// then the clients are disconnected.
    pub async fn serve(
        &self,
        main: TcpListener,
        websocket: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let stop = async {
            stop.await;
            self.gateway.drain().await;
        };
        let router = api::router(&self.gateway, websocket.local_addr()?.port());
        let api = system_support::serve(main, router, stop, system_support::SHUTDOWN_TIMEOUT);
        tokio::try_join!(api, self.gateway.serve_clients(websocket)).map(|_| ())
    }
}
