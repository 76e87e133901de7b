//! Settings of a channel, from a file or from code.

use std::path::Path;

use axum_plugin::SocketOptions;
use serde::Deserialize;

use crate::backend::BackendConfig;
use crate::rate_limit::RateLimits;
use crate::rules::RulesConfig;
use crate::tracker::TrackerConfig;

/// The sample configuration, which the program uses without a file.
pub const SAMPLE: &str = include_str!("../bot.toml");

/// All settings: the channel and its agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether `GET /` of a browser is a page to talk with the bot. Default `false`. Cost: five routes.
    #[serde(default)]
    pub page: bool,
    /// Settings of the channel.
    #[serde(default)]
    pub socketio: ChannelConfig,
    /// Settings of the tracker.
    #[serde(default)]
    pub tracker: TrackerConfig,
    /// Settings of the agent.
    pub agent: AgentConfig,
}

/// Settings of the channel.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelConfig {
    /// Event name of user messages. Default `user_uttered`.
    pub user_message_evt: String,
    /// Event name of bot messages. Default `bot_uttered`.
    pub bot_message_evt: String,
    /// The namespace. Default `/`.
    pub namespace: String,
    /// Whether a conversation continues when its client reconnects with the same session id, also beside
    /// another client. Default `false`: each connection is a conversation of its own. Cost: a room per
    /// client.
    pub session_persistence: bool,
    /// Path of the endpoint. Default `/socket.io`.
    pub socketio_path: String,
    /// Key that verifies the tokens of clients: a secret of at least 16 bytes for the HS methods, a public
    /// key in PEM for the others. With a key, clients without a valid token are refused. A token without
    /// `exp` is valid as long as the key is. Default none. Cost: a signature check per handshake.
    pub jwt_key: Option<String>,
    /// Signature algorithm of the tokens: `HS256`, `RS256`, `ES256`, `EdDSA` and similar. Default `HS256`.
    pub jwt_method: String,
    /// Key of the metadata in a user's message. Default `metadata`.
    pub metadata_key: String,
    /// Origins that may connect; `["*"]` allows all. Default: only pages of the same host.
    pub cors_origins: Vec<String>,
    /// Maximum message size in bytes. Default 65,536. The server may have to hold this much per client.
    pub max_message_bytes: usize,
    /// Reply of the bot when the agent fails; no reply if empty. Default an apology.
    pub apology: String,
    /// Time in milliseconds that a shutdown waits for the answers to messages that have been taken. Default 10,000.
    /// Cost: the process ends later by up to this time, while clients stay connected.
    pub shutdown_ms: u64,
    /// Rate limits of each connection: the table `socketio.limits`.
    pub limits: RateLimits,
}

/// Kind and settings of the agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AgentConfig {
    /// Rules: words and the replies to them.
    Rules(RulesConfig),
    /// An HTTP backend.
    Http(BackendConfig),
}

/// Errors of a settings file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{0}: {1}")]
    Io(String, #[source] std::io::Error),
    /// The content is invalid, for example a setting that does not exist.
    #[error("{0}: {1}")]
    Toml(String, #[source] toml::de::Error),
    /// The content of a `credentials.yml` is invalid.
    #[error("{0}: {1}")]
    Yaml(String, #[source] Box<serde_saphyr::Error>),
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            user_message_evt: "user_uttered".to_owned(),
            bot_message_evt: "bot_uttered".to_owned(),
            namespace: "/".to_owned(),
            session_persistence: false,
            socketio_path: "/socket.io".to_owned(),
            jwt_key: None,
            jwt_method: "HS256".to_owned(),
            metadata_key: "metadata".to_owned(),
            cors_origins: Vec::new(),
            max_message_bytes: 65_536,
            apology: "Sorry, something went wrong. Please try again.".to_owned(),
            shutdown_ms: 10_000,
            limits: RateLimits::default(),
        }
    }
}

impl ChannelConfig {
    /// The equivalent options of the Socket.IO plug-in.
    pub(crate) fn options(&self) -> SocketOptions {
        SocketOptions {
            origins: self.cors_origins.iter().collect(),
            path: self.socketio_path.clone(),
            max_http_buffer_size: self.max_message_bytes,
            ..SocketOptions::default()
        }
    }
}

impl Config {
    /// Parses settings in TOML; `name` is their source, for error messages.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Toml(name.to_owned(), error))
    }

    /// Reads a file of settings.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (text, name) = read(path)?;
        Self::parse(&text, &name)
    }

    /// Settings with the defaults, and this agent.
    pub fn new(agent: AgentConfig) -> Self {
        Self { page: false, socketio: ChannelConfig::default(), tracker: TrackerConfig::default(), agent }
    }
}

/// The text of a file, and its name for error messages.
pub(crate) fn read(path: &Path) -> Result<(String, String), ConfigError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((text, name)),
        Err(error) => Err(ConfigError::Io(name, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_configuration_matches_the_defaults() {
        let Config { socketio, agent, .. } = Config::parse(SAMPLE, "sample").unwrap();
        let defaults = ChannelConfig::default();
        assert!(socketio.session_persistence && !defaults.session_persistence);
        assert_eq!((socketio.namespace, socketio.jwt_key), (defaults.namespace, None));
        assert_eq!(socketio.apology, defaults.apology);
        assert!(matches!(agent, AgentConfig::Rules(rules) if rules.rules.len() > 3));
    }

    #[test]
    fn unknown_settings_are_reported() {
        for wrong in ["[socketio]\nuser_message_event = 'x'", "[agent]\nkind = 'psychic'", ""] {
            let text = format!("{wrong}\n");
            assert!(matches!(Config::parse(&text, "x"), Err(ConfigError::Toml(..))), "{wrong}");
        }
        assert!(matches!(Config::load(Path::new("no such file")), Err(ConfigError::Io(..))));
    }
}
