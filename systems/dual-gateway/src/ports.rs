//! The two ports: an API with Socket.IO, and a gateway for both protocols. What lives behind them is the same.

use std::future::Future;
use std::io;
use std::sync::Arc;

use gateway::{Config, Gateway, StartError};
use tokio::net::TcpListener;

use crate::chat::{ChatOptions, Model};
use crate::{api, chat};

/// Both ports, before they are opened.
#[derive(Clone)]
pub struct DualGateway {
    gateway: Gateway,
}

/// Why there is nothing to open ports for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DualError {
    /// Sessions could not be proved, and without one nobody comes in.
    #[error("auth.session_secret is empty")]
    NoSecret,
    /// The gateway cannot be what its settings say.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl DualGateway {
    /// With the gateway's settings, and this model for `ai:chat`. Only those come in who bring a token, whatever
    /// `auth.anonymous` says: of a session, for which `auth.session_secret` has to be set, or a JWT, if there is a key
    /// for those.
    pub fn new(config: Config, model: impl Model) -> Result<Self, DualError> {
        Self::with_options(config, ChatOptions::default(), model)
    }

    /// The same, with other limits for `ai:chat`.
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

    /// The gateway, for handlers and emits of one's own: they reach the clients of both ports and protocols.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Serves the API and Socket.IO on the one, both protocols on the other, until `stop` is done; then clients are
    /// told to go.
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
        let api = program::serve(main, api::router(&self.gateway), stop, program::PATIENCE);
        tokio::try_join!(api, self.gateway.serve_clients(websocket)).map(|_| ())
    }
}
