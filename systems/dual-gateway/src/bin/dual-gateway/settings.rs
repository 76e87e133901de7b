//! The settings of the program, from the environment.

use std::time::Duration;

use dual_gateway::{ChatOptions, HttpModel, HttpModelOptions};
use socketio_gateway::Config;
use socketio_gateway::config::load::Sources;
use system_support::{Failure, parsed, secret, variable};
use tracing::warn;

/// Minimum secret length: with a token at hand, a shorter secret can be found by brute force.
const MIN_SECRET: usize = 16;
/// Default of `RECOVERY_SECONDS`: as the official server.
const RECOVERY: u64 = 120;

/// The ports of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Both ports.
    Both,
    /// The API and Socket.IO.
    Api,
    /// Socket.IO and plain WebSocket.
    Websocket,
}

/// The settings of the gateway: those of its file and its variables, then the variables of this program.
pub(crate) fn gateway() -> Result<Config, Failure> {
    let environment = std::env::vars().filter(|(name, _)| name.starts_with("GATEWAY_")).collect();
    let file = variable("GATEWAY_CONFIG").map(Into::into);
    let loaded = Sources { file, environment, ..Sources::default() }.load();
    let mut config = loaded.map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        errors.join("\n")
    })?;
    if let Some(origins) = variable("CORS_ORIGIN") {
        config.origins.allowed = origins.split(',').map(|origin| origin.trim().to_owned()).collect();
    }
    if let Some(secret) = variable("SESSION_SECRET") {
        if secret.len() < MIN_SECRET {
            return Err(format!("SESSION_SECRET: at least {MIN_SECRET} bytes are expected").into());
        }
        config.auth.session_secret = secret.into();
    }
    let seconds = parsed::<u64>("SESSION_SECONDS", config.auth.session_ms / 1000)?;
    config.auth.session_ms = seconds.saturating_mul(1000);
    let recovery = match config.transport.recovery_ms {
        0 => RECOVERY,
        set => set / 1000,
    };
    config.transport.recovery_ms = parsed("RECOVERY_SECONDS", recovery)?.saturating_mul(1000);
    Ok(config)
}

/// The same, checked for the ports that a process serves.
pub(crate) fn serving(role: Role) -> Result<Config, Failure> {
    let mut config = gateway()?;
    if config.auth.session_secret.is_empty() {
        if role != Role::Both {
            return Err("SESSION_SECRET: processes with one port each need the same secret".into());
        }
        warn!("SESSION_SECRET is not set: sessions end with this process");
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        config.auth.session_secret = format!("{:032x}", u128::from_le_bytes(secret)).into();
    }
    let cluster = &config.cluster;
    let media = [&cluster.redis, &cluster.postgres, &cluster.nats];
    let is_alone = media.iter().all(|medium| medium.is_empty()) && cluster.ipc.as_os_str().is_empty();
    if role != Role::Both && is_alone {
        warn!("cluster.redis is not set: clients of the other port are not reached");
    }
    Ok(config)
}

/// The listen address of operators; `None` if it is switched off.
pub(crate) fn operators(config: &Config) -> Option<String> {
    let address = match variable("OPERATOR_ADDRESS") {
        Some(address) => address,
        None if config.internal.address.is_empty() => "127.0.0.1:0".to_owned(),
        None => config.internal.address.clone(),
    };
    (address != "off").then_some(address)
}

/// The limits of `ai:chat`.
pub(crate) fn chat() -> Result<ChatOptions, Failure> {
    let answers_per_connection = parsed("MAX_ANSWERS", ChatOptions::default().answers_per_connection)?;
    Ok(ChatOptions { answers_per_connection })
}

/// The model behind `MODEL_URL`, if it is set.
pub(crate) fn model() -> Result<Option<HttpModel>, Failure> {
    let Some(url) = variable("MODEL_URL") else { return Ok(None) };
    let name = variable("MODEL_NAME").ok_or("MODEL_NAME: the name of the model at MODEL_URL is expected")?;
    let mut options = HttpModelOptions::new(url, name);
    options.key = secret("MODEL_KEY")?;
    options.timeout = Duration::from_secs(parsed("MODEL_TIMEOUT_SECONDS", options.timeout.as_secs())?);
    options.max_response_bytes = parsed("MODEL_MAX_BYTES", options.max_response_bytes)?;
    options.max_conversation_bytes = parsed("MODEL_MAX_CONVERSATION_BYTES", options.max_conversation_bytes)?;
    options.max_requests = parsed("MODEL_MAX_REQUESTS", options.max_requests)?;
    Ok(Some(HttpModel::new(options).map_err(|error| format!("MODEL_URL: {error}"))?))
}
