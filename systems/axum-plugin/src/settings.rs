//! Options from a configuration file and the environment.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engineio::{Origins, Transport};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use socketio_server::Recovery;
use toml::{Table, Value};

use crate::options::SocketOptions;

/// Prefix of the environment variables: `SOCKETIO_PING_INTERVAL_MS` is the key `ping_interval_ms`.
const PREFIX: &str = "SOCKETIO_";

/// Errors of options from a file or the environment. Each names its source and the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is not TOML, or contains an unknown key or a wrong value.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The path of the file.
        path: PathBuf,
        /// The error, with its line.
        source: toml::de::Error,
    },
    /// A variable is unknown, or has a wrong value.
    #[error("{name}: {message}")]
    Variable {
        /// The name of the variable.
        name: String,
        /// The error.
        message: String,
    },
}

impl SocketOptions {
    /// Options of a TOML file, if one is given, and of these environment variables, of which those with the prefix
    /// `SOCKETIO_` count. A variable takes precedence over the file, and the file over the defaults. The keys are the names
    /// of the fields, with times in milliseconds: `ping_interval_ms`, `ping_timeout_ms`, `shutdown_deadline_ms`,
    /// `shutdown_spread_ms`, and `recovery_ms` for `connection_state_recovery`, 0 for none. Lists may be texts with commas.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OptionsError> {
        let mut table = match file {
            Some(path) => read(path)?,
            None => Table::new(),
        };
        for (name, text) in environment {
            let Some(key) = name.strip_prefix(PREFIX) else { continue };
            let (key, value) = (key.to_lowercase(), value(&text));
            let alone = Table::from_iter([(key.clone(), value.clone())]);
            let checked: Result<Self, _> = alone.try_into();
            let failed = |error: toml::de::Error| error.message().to_owned();
            checked.map_err(|error| OptionsError::Variable { name, message: failed(error) })?;
            table.insert(key, value);
        }
        // Each part has been checked.
        table.try_into().map_err(|source| toml_error(file.unwrap_or(Path::new(PREFIX)), source))
    }
}

fn read(path: &Path) -> Result<Table, OptionsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| OptionsError::File { path: path.to_owned(), source })?;
    // Errors of the text have a line, which those of a table lack.
    let _: SocketOptions = toml::from_str(&text).map_err(|source| toml_error(path, source))?;
    toml::from_str(&text).map_err(|source| toml_error(path, source))
}

fn toml_error(path: &Path, source: toml::de::Error) -> OptionsError {
    OptionsError::Toml { path: path.to_owned(), source }
}

/// The value of a variable: a number, a truth value or a list as in TOML, otherwise a text.
fn value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>();
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The options as keys of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    origins: List,
    credentials: bool,
    ping_interval_ms: u64,
    ping_timeout_ms: u64,
    path: String,
    transports: List,
    allow_upgrades: bool,
    max_http_buffer_size: usize,
    recovery_ms: u64,
    logger: bool,
    engineio_logger: bool,
    error_event: bool,
    shutdown_deadline_ms: u64,
    shutdown_spread_ms: u64,
}

/// A list, or a text with commas.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a list of texts, or a text with commas")]
enum List {
    Texts(Vec<String>),
    Text(String),
}

impl List {
    fn into_texts(self) -> Vec<String> {
        let texts = match self {
            Self::Texts(texts) => texts,
            Self::Text(text) => text.split(',').map(str::to_owned).collect(),
        };
        let texts = texts.into_iter().map(|text| text.trim().to_owned());
        texts.filter(|text| !text.is_empty()).collect()
    }
}

impl Default for Keys {
    fn default() -> Self {
        let options = SocketOptions::default();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let transports = options.transports.iter().map(|transport| transport.as_str().to_owned());
        Self {
            // No origins besides the same host.
            origins: List::Texts(Vec::new()),
            credentials: options.credentials,
            ping_interval_ms: milliseconds(options.ping_interval),
            ping_timeout_ms: milliseconds(options.ping_timeout),
            transports: List::Texts(transports.collect()),
            path: options.path,
            allow_upgrades: options.allow_upgrades,
            max_http_buffer_size: options.max_http_buffer_size,
            recovery_ms: 0,
            logger: options.logger,
            engineio_logger: options.engineio_logger,
            error_event: options.error_event,
            shutdown_deadline_ms: milliseconds(options.shutdown_deadline),
            shutdown_spread_ms: milliseconds(options.shutdown_spread),
        }
    }
}

impl<'de> Deserialize<'de> for SocketOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Keys::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl TryFrom<Keys> for SocketOptions {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let transport = |name: String| {
            let known = Transport::from_name(&name);
            known.ok_or_else(|| format!("transports: {name:?} is none; polling and websocket are expected"))
        };
        let transports: Vec<Transport> =
            keys.transports.into_texts().into_iter().map(transport).collect::<Result<_, _>>()?;
        if transports.is_empty() {
            return Err("transports: polling or websocket is expected".to_owned());
        }
        let origins: Origins = keys.origins.into_texts().into_iter().collect();
        let recovery = Duration::from_millis(keys.recovery_ms);
        let recovery =
            (keys.recovery_ms > 0).then(|| Recovery::default().max_disconnection_duration(recovery));
        Ok(Self {
            origins,
            credentials: keys.credentials,
            ping_interval: Duration::from_millis(keys.ping_interval_ms),
            ping_timeout: Duration::from_millis(keys.ping_timeout_ms),
            path: keys.path,
            transports,
            allow_upgrades: keys.allow_upgrades,
            max_http_buffer_size: keys.max_http_buffer_size,
            connection_state_recovery: recovery,
            logger: keys.logger,
            engineio_logger: keys.engineio_logger,
            error_event: keys.error_event,
            shutdown_deadline: Duration::from_millis(keys.shutdown_deadline_ms),
            shutdown_spread: Duration::from_millis(keys.shutdown_spread_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<SocketOptions, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        SocketOptions::load(None, variables).map_err(|error| error.to_string())
    }

    #[test]
    fn without_settings_the_options_are_the_defaults() {
        let (read, defaults) = (with(&[("HOME", "/root")]).unwrap(), SocketOptions::default());
        assert_eq!(format!("{read:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn variables_take_precedence_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("socket.toml");
        let text =
            "path = \"live\"\nping_interval_ms = 7000\norigins = [\"https://a.test\"]\nrecovery_ms = 5000\n";
        std::fs::write(&file, text).unwrap();
        let variables = [("SOCKETIO_PING_INTERVAL_MS", "9000"), ("SOCKETIO_TRANSPORTS", "websocket")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = SocketOptions::load(Some(&file), variables).unwrap();
        assert_eq!((options.path.as_str(), options.ping_interval), ("live", Duration::from_secs(9)));
        assert_eq!(options.ping_timeout, Duration::from_secs(20));
        assert_eq!(options.transports, [Transport::WebSocket]);
        assert_eq!(options.origins, Origins::List(vec!["https://a.test".to_owned()]));
        let recovery = options.connection_state_recovery.unwrap();
        assert_eq!(recovery.max_disconnection_duration, Duration::from_secs(5));
    }

    #[test]
    fn lists_may_be_texts() {
        for text in [
            "https://a.test,https://b.test",
            "https://a.test, https://b.test",
            "[\"https://a.test\", \"https://b.test\"]",
        ] {
            let options = with(&[("SOCKETIO_ORIGINS", text)]).unwrap();
            let origins = ["https://a.test", "https://b.test"].map(str::to_owned);
            assert_eq!(options.origins, Origins::List(origins.to_vec()));
        }
        assert_eq!(with(&[("SOCKETIO_ORIGINS", "*")]).unwrap().origins, Origins::Any);
        assert_eq!(with(&[("SOCKETIO_ORIGINS", "")]).unwrap().origins, Origins::SameHost);
    }

    #[test]
    fn wrong_settings_are_named() {
        for (name, value, expected) in [
            ("SOCKETIO_PING_INTERVAL", "25", "unknown field `ping_interval`, expected one of `origins`"),
            ("SOCKETIO_PING_INTERVAL_MS", "soon", "invalid type: string \"soon\""),
            ("SOCKETIO_LOGGER", "1", "invalid type: integer `1`, expected a boolean"),
            ("SOCKETIO_TRANSPORTS", "smoke", "transports: \"smoke\" is none"),
            ("SOCKETIO_TRANSPORTS", "", "transports: polling or websocket is expected"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("{name}: {expected}")), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("socket.toml");
        let load = || SocketOptions::load(Some(&file), []).unwrap_err().to_string();
        assert!(load().starts_with(&format!("{}: ", file.display())));
        for (text, expected) in [("pats = \"live\"", "unknown field `pats`"), ("path = ", "line 1")] {
            std::fs::write(&file, text).unwrap();
            let error = load();
            assert!(error.contains(expected) && error.contains("socket.toml"), "{error}");
        }
    }
}
