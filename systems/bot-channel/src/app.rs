//! The application around a channel: health endpoints, the agent of the settings, and the shutdown.

use axum::Json;
use axum_plugin::{App, Application, PluginError};
use serde::Serialize;

use crate::agent::Agent;
use crate::backend::{BackendAgent, BackendConfigError};
use crate::channel::Channel;
use crate::config::{AgentConfig, Config};
use crate::rules::RuleAgent;
use crate::token::TokenConfigError;

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
    /// The settings of the Socket.IO server are invalid.
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// An application with a channel, `GET /` and `GET /health`.
pub fn application(channel: &Channel) -> App {
    App::new("a conversational channel").configure(channel.plugin()).get("/", health).get("/health", health)
}

/// The application that settings describe.
pub fn from_config(config: Config) -> Result<Application, BuildError> {
    let agent: Box<dyn Agent> = match config.agent {
        AgentConfig::Rules(rules) => Box::new(RuleAgent::new(rules)),
        AgentConfig::Http(backend) => Box::new(BackendAgent::new(&backend)?),
    };
    let channel = Channel::new(config.socketio, agent)?;
    Ok(application(&channel).build()?)
}
