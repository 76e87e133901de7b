//! Rasa's `credentials.yml`, whose section `socketio` has settings of the channel.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::config::{ChannelConfig, ConfigError, read};

/// The settings of the section `socketio`. Missing ones leave those of the channel as they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Credentials {
    user_message_evt: Option<String>,
    bot_message_evt: Option<String>,
    namespace: Option<String>,
    session_persistence: Option<bool>,
    socketio_path: Option<String>,
    jwt_key: Option<String>,
    jwt_method: Option<String>,
    metadata_key: Option<String>,
}

/// The whole file. The sections of other channels are Rasa's.
#[derive(Deserialize)]
struct File {
    /// A section without settings is null.
    socketio: Option<Credentials>,
    #[serde(flatten)]
    _others: BTreeMap<String, IgnoredAny>,
}

impl Credentials {
    /// Parses a file; `name` is its source, for error messages.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let file: File = serde_saphyr::from_str(text)
            .map_err(|error| ConfigError::Yaml(name.to_owned(), Box::new(error)))?;
        Ok(file.socketio.unwrap_or_default())
    }

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (text, name) = read(path)?;
        Self::parse(&text, &name)
    }

    /// Sets the settings of the file.
    pub fn apply(self, config: &mut ChannelConfig) {
        fn set<T>(setting: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *setting = value;
            }
        }
        set(&mut config.user_message_evt, self.user_message_evt);
        set(&mut config.bot_message_evt, self.bot_message_evt);
        set(&mut config.namespace, self.namespace);
        set(&mut config.session_persistence, self.session_persistence);
        set(&mut config.socketio_path, self.socketio_path);
        set(&mut config.jwt_method, self.jwt_method);
        set(&mut config.metadata_key, self.metadata_key);
        config.jwt_key = self.jwt_key.or(config.jwt_key.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RASA: &str = r#"
rest:
#  nothing to set

socketio:
  user_message_evt: said
  bot_message_evt: "answered"
  session_persistence: true
  socketio_path: /live
  namespace:
  jwt_key: |
    a key of
    several lines
  jwt_method: "HS512"
  metadata_key: about

slack:
  slack_token: "xoxb-1"
  conversation_granularity: [sender, channel]
rasa:
  url: "http://localhost:5002/api"
"#;

    #[test]
    fn the_section_socketio_is_read() {
        let mut config = ChannelConfig::default();
        Credentials::parse(RASA, "x").unwrap().apply(&mut config);
        assert_eq!([&config.user_message_evt, &config.bot_message_evt], ["said", "answered"]);
        assert_eq!([&config.socketio_path, &config.namespace, &config.metadata_key], ["/live", "/", "about"]);
        assert_eq!(
            (config.jwt_key.as_deref(), &*config.jwt_method),
            (Some("a key of\nseveral lines\n"), "HS512")
        );
        assert!(config.session_persistence);
        for nothing in ["socketio:\n", "rest:\n", "{}"] {
            let mut same = config.clone();
            Credentials::parse(nothing, "x").unwrap().apply(&mut same);
            assert_eq!(
                (same.user_message_evt, same.jwt_key),
                (config.user_message_evt.clone(), config.jwt_key.clone())
            );
        }
    }

    #[test]
    fn errors_name_the_setting_and_its_line() {
        for (text, name, line) in [
            ("rest:\nsocketio:\n  user_event: x\n", "user_event", "line 3"),
            ("socketio:\n  session_persistence: maybe\n", "maybe", "line 2"),
            ("socketio: [1", "", "line 1"),
            ("socketio:\n  namespace: a\n  namespace: b\n", "namespace", "line 3"),
        ] {
            let error = Credentials::parse(text, "credentials.yml").unwrap_err().to_string();
            assert!(error.starts_with("credentials.yml: "), "{error}");
            assert!(error.contains(name) && error.contains(line), "{error}");
        }
        let missing = Credentials::load(Path::new("no such file"));
        assert!(matches!(missing, Err(ConfigError::Io(..))));
    }
}
