//! What a channel can be told, in a file or by a program.

use std::path::Path;

use axum_plugin::SocketOptions;
use serde::Deserialize;

use crate::backend::BackendConfig;
use crate::rules::RulesConfig;

/// The sample with which the program starts when it is given no file.
pub const SAMPLE: &str = include_str!("../bot.toml");

/// Everything: the channel, and who answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How clients talk with it.
    #[serde(default)]
    pub socketio: ChannelConfig,
    /// Who answers.
    pub agent: AgentConfig,
}

/// How clients talk with the channel.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelConfig {
    /// The event by which users say something. Default `user_uttered`.
    pub user_message_evt: String,
    /// The event by which the bot answers. Default `bot_uttered`.
    pub bot_message_evt: String,
    /// The namespace. Default `/`.
    pub namespace: String,
    /// Whether a conversation goes on when its client comes back with the same session id, also beside another one.
    /// Default `false`: a conversation is a connection. Costs a room per client.
    pub session_persistence: bool,
    /// Where the endpoint is mounted. Default `/socket.io`.
    pub socketio_path: String,
    /// With it only those come in who bring a token that this key proves: a secret of at least 16 bytes for the HS methods, a
    /// public key in PEM for the others. A token without `exp` is good for as long as the key is. Default none. Costs a signature check per handshake.
    pub jwt_key: Option<String>,
    /// How tokens are signed: `HS256`, `RS256`, `ES256`, `EdDSA` and their like. Default `HS256`.
    pub jwt_method: String,
    /// Where in a user's message its metadata are. Default `metadata`.
    pub metadata_key: String,
    /// Whose pages may connect; `["*"]` is everybody's. Default none but those of the same host.
    pub cors_origins: Vec<String>,
    /// The largest message in bytes. Default 65,536. A client may make the server hold this much.
    pub max_message_bytes: usize,
    /// What the bot says when the agent fails; nothing if empty. Default an apology.
    pub apology: String,
}

/// Who answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AgentConfig {
    /// Rules: words, and what is answered to them.
    Rules(RulesConfig),
    /// An HTTP backend.
    Http(BackendConfig),
}

/// A file of settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Io(String, #[source] std::io::Error),
    /// It says something that means nothing, a setting that does not exist for example.
    #[error("{0}: {1}")]
    Toml(String, #[source] toml::de::Error),
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
        }
    }
}

impl ChannelConfig {
    /// The options of the Socket.IO plug-in that say the same.
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
    /// Reads settings in TOML; `name` says where they come from.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Toml(name.to_owned(), error))
    }

    /// Reads a file of settings.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Io(name.clone(), error))?;
        Self::parse(&text, &name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_says_the_defaults_where_it_does_not_say_otherwise() {
        let Config { socketio, agent } = Config::parse(SAMPLE, "sample").unwrap();
        let defaults = ChannelConfig::default();
        assert!(socketio.session_persistence && !defaults.session_persistence);
        assert_eq!((socketio.namespace, socketio.jwt_key), (defaults.namespace, None));
        assert_eq!(socketio.apology, defaults.apology);
        assert!(matches!(agent, AgentConfig::Rules(rules) if rules.rules.len() > 3));
    }

    #[test]
    fn what_does_not_exist_is_reported() {
        for wrong in ["[socketio]\nuser_message_event = 'x'", "[agent]\nkind = 'psychic'", ""] {
            let text = format!("{wrong}\n");
            assert!(matches!(Config::parse(&text, "x"), Err(ConfigError::Toml(..))), "{wrong}");
        }
        assert!(matches!(Config::load(Path::new("no such file")), Err(ConfigError::Io(..))));
    }
}
