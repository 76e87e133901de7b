//! The ports: an API with Socket.IO, a gateway for both protocols, and one for operators. All share the same gateway; each
//! of the first two may be that of a process of its own.

use std::future::Future;
use std::io;
use std::sync::Arc;

use socketio_gateway::{Config, Gateway, Program, StartError};
use tokio::net::TcpListener;

use crate::chat::{ChatOptions, Model};
use crate::{api, chat};

/// This program, as the port of both protocols describes itself.
const PROGRAM: Program = Program { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };

/// The ports that a process serves. Default: none.
#[derive(Debug, Default)]
pub struct Ports {
    /// The port with the API and Socket.IO.
    pub api: Option<TcpListener>,
    /// The port with Socket.IO and plain WebSocket.
    pub websocket: Option<TcpListener>,
    /// The port for operators: metrics, health, and the API of the gateway. With `internal.address` it is the port that
    /// the settings describe; otherwise it also has the page, and needs a key of `api.keys` or the generated one.
    pub operators: Option<TcpListener>,
}

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
        let ports = Ports { api: Some(main), websocket: Some(websocket), operators: None };
        self.serve_ports(ports, stop).await
    }

    /// Serves these ports until `stop` completes; then the clients are disconnected. Processes with one port each need
    /// the same `auth.session_secret`, and a cluster (`cluster.redis` or another one), without which what a client says
    /// does not reach clients of the other process.
    pub async fn serve_ports(&self, ports: Ports, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Ports { api, websocket, operators } = ports;
        let port = websocket.as_ref().map(TcpListener::local_addr).transpose()?.map(|addr| addr.port());
        let stop = async {
            stop.await;
            self.gateway.drain().await;
        };
        let api = async {
            let Some(listener) = api else {
                stop.await;
                return Ok(());
            };
            let router = api::router(&self.gateway, port);
            system_support::serve(listener, router, stop, system_support::SHUTDOWN_TIMEOUT).await
        };
        let websocket = async {
            match websocket {
                Some(listener) => self.gateway.serve_clients(listener, PROGRAM).await,
                None => Ok(()),
            }
        };
        let operators = async {
            match operators {
                Some(listener) if self.gateway.config().internal.listen().is_some() => {
                    self.gateway.serve_internal(listener).await
                }
                Some(listener) => self.gateway.serve(listener).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(api, websocket, operators).map(|_| ())
    }
}
