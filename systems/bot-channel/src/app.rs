//! The application around a channel: health endpoints, the agent of the settings, and the shutdown.

use axum::Json;
use axum_plugin::{App, Application, PluginError};
use http::StatusCode;
use serde::Serialize;

use crate::agent::Agent;
use crate::backend::{BackendAgent, BackendConfigError};
use crate::channel::Channel;
use crate::config::{AgentConfig, Config};
use crate::rules::RuleAgent;
use crate::token::TokenConfigError;
use crate::tracker::TrackerConfigError;

/// Errors while an application is built.
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

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// The status 503 during a shutdown makes load balancers choose another server for new clients.
fn health(channel: &Channel) -> (StatusCode, Json<Health>) {
    if channel.is_open() {
        (StatusCode::OK, Json(Health { status: "ok" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "draining" }))
    }
}

/// An application with a channel, `GET /` and `GET /health`.
pub fn application(channel: &Channel) -> App {
    let (one, other) = (channel.clone(), channel.clone());
    App::new("a conversational channel")
        .configure(channel.plugin())
        .get("/", move || async move { health(&one) })
        .get("/health", move || async move { health(&other) })
}

/// The application that settings describe. It must be called within a runtime of tokio.
pub fn from_config(config: Config) -> Result<Application, BuildError> {
    let agent: Box<dyn Agent> = match config.agent {
        AgentConfig::Rules(rules) => Box::new(RuleAgent::new(rules)),
        AgentConfig::Http(backend) => Box::new(BackendAgent::new(&backend)?),
    };
    let channel = Channel::with_tracker(config.socketio, agent, config.tracker.tracker()?)?;
    Ok(application(&channel).build()?)
}
