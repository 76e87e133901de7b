//! The bot that settings describe, with a port for clients and one for operators.

use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_plugin::{Application, PluginError};
use http::header::CONTENT_TYPE;
use socketio_server::WeakServer;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::agent::Agent;
use crate::app::{application, health, without_home};
use crate::backend::{BackendAgent, BackendConfigError};
use crate::channel::Channel;
use crate::config::{AgentConfig, Config};
use crate::metrics::METRICS_CONTENT_TYPE;
use crate::page;
use crate::rules::RuleAgent;
use crate::token::TokenConfigError;
use crate::tracker::TrackerConfigError;

/// Deadline of requests of operators that are in progress at the end.
const LAST_RESPONSES: Duration = Duration::from_secs(1);

/// Errors while a bot is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The settings of tokens are invalid.
    #[error(transparent)]
    Token(#[from] TokenConfigError),
    /// The settings of the backend are invalid.
    #[error(transparent)]
    Backend(#[from] BackendConfigError),
    /// The settings of the tracker are invalid.
    #[error(transparent)]
    Tracker(#[from] TrackerConfigError),
    /// The settings of the Socket.IO server are invalid.
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

/// A bot with the port of its clients, and the one of its operators.
pub struct Bot {
    application: Application,
    operators: Router,
}

impl Bot {
    /// The bot that settings describe. It must be called within a runtime of tokio.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let mut backend = None;
        let agent: Box<dyn Agent> = match config.agent {
            AgentConfig::Rules(rules) => Box::new(RuleAgent::new(rules)),
            AgentConfig::Http(config) => Box::new(backend.insert(BackendAgent::new(&config)?).clone()),
        };
        let channel = Channel::with_tracker(config.socketio, agent, config.tracker.tracker()?)?;
        let io: Arc<OnceLock<WeakServer>> = Arc::default();
        let slot = Arc::clone(&io);
        let ready = move |api: &axum_plugin::SocketApi| drop(slot.set(api.server().downgrade()));
        let application = if config.page {
            without_home(&channel, ready).merge(page::routes(&channel))
        } else {
            application(&channel, ready)
        };
        let application = application.build()?;
        Ok(Self { application, operators: operators(channel, io, backend) })
    }

    /// Serves until `stop` completes, and then until the messages that have arrived are answered. Operators are answered
    /// until the end.
    pub async fn serve(
        self,
        listener: TcpListener,
        operators: Option<TcpListener>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let (done, ended) = oneshot::channel::<()>();
        let ended = async {
            let _ = ended.await;
        };
        let router = system_support::with_error_bodies(self.operators);
        let operating = operators
            .map(|listener| tokio::spawn(system_support::serve(listener, router, ended, LAST_RESPONSES)));
        self.application.serve(listener, stop).await?;
        drop(done);
        if let Some(operating) = operating {
            operating.await??;
        }
        Ok(())
    }
}

/// The routes for operators.
fn operators(channel: Channel, io: Arc<OnceLock<WeakServer>>, backend: Option<BackendAgent>) -> Router {
    let (ready, also) = (channel.clone(), channel.clone());
    let metrics = move || {
        let mut text = match io.get().and_then(WeakServer::upgrade) {
            Some(io) => channel.metrics(&io),
            None => String::new(),
        };
        text.extend(backend.as_ref().map(BackendAgent::metrics));
        let response: Response = ([(CONTENT_TYPE, METRICS_CONTENT_TYPE)], text).into_response();
        std::future::ready(response)
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(async || axum::Json(serde_json::json!({ "status": "ok" }))))
        .route("/health/ready", get(move || async move { health(&ready) }))
        .route("/health", get(move || async move { health(&also) }))
}
