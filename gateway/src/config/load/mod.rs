//! Sources of settings: file, environment and command line, in ascending precedence.
//!
//! All sources are merged into one JSON tree before it is deserialized as a [`Config`], so a setting has the
//! same name everywhere: `server.port` in the file, `GATEWAY_SERVER_PORT` in the environment, `--set
//! server.port=…` on the command line.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use thiserror::Error;

use super::keys::{self, Unknown};
use super::{Config, WrongValue};

/// Environment variables that similar programs read, with the setting each maps to. `GATEWAY_…` variables
/// take precedence.
const CUSTOMARY: &[(&str, &str)] = &[
    ("PORT", "server.port"),
    ("SOCKET_IO_PORT", "server.port"),
    ("WEBSOCKET_PORT", "server.port"),
    ("LOG_LEVEL", "log.level"),
    ("CORS_ORIGIN", "origins.allowed"),
];
const PREFIX: &str = "GATEWAY_";

/// Error of loading a configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// I/O error.
        source: std::io::Error,
    },
    /// The file is not valid TOML or JSON, whichever its name says.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// Path of the file.
        path: PathBuf,
        /// Position and cause.
        message: String,
    },
    /// A setting is named that does not exist.
    #[error("{origin}: there is no setting {key}{}", did_you_mean(near.as_deref()))]
    UnknownKey {
        /// Source that names it: the path of the file, the environment, or the command line.
        origin: String,
        /// Unknown name.
        key: String,
        /// Most similar known name.
        near: Option<String>,
    },
    /// A setting has an invalid value.
    #[error("{key}: {message}")]
    Value {
        /// Name of the setting.
        key: String,
        /// Expected value.
        message: String,
    },
}

impl From<WrongValue> for LoadError {
    fn from(WrongValue { key, message }: WrongValue) -> Self {
        Self::Value { key: key.to_owned(), message: message.to_owned() }
    }
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

/// All sources of settings.
#[derive(Clone, Default)]
pub struct Sources {
    /// Configuration file: JSON if its name ends in `.json`, otherwise TOML.
    pub file: Option<PathBuf>,
    /// Environment variables, as name and value.
    pub environment: Vec<(String, String)>,
    /// Settings of the command line, as `section.key` and value.
    pub flags: Vec<(String, String)>,
}

/// Shows names only, because values of the environment and the command line may be keys.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            |pairs: &[(String, String)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("environment", &names(&self.environment))
            .field("flags", &names(&self.flags))
            .finish()
    }
}

impl Sources {
    /// Loads the configuration, or returns all errors found.
    pub fn load(&self) -> Result<Config, Vec<LoadError>> {
        let tree = match self.file.as_deref().map(read) {
            None => Map::new(),
            Some(Ok(tree)) => tree,
            Some(Err(error)) => return Err(vec![error]),
        };
        self.merge(tree)
    }

    /// Loads the configuration with `text` as the contents of the file.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn load_text(&self, file: &Path, text: &str) -> Result<Config, Vec<LoadError>> {
        self.merge(parse(file, text).map_err(|error| vec![error])?)
    }

    /// Merges the tree of the file with the environment and the command line.
    fn merge(&self, mut tree: Map<String, Value>) -> Result<Config, Vec<LoadError>> {
        let template = template();
        let mut errors = Vec::new();
        let origin = self.file.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        errors.extend(keys::unknown(&template, &tree).into_iter().map(|it| unknown(&origin, it)));
        // serde would deserialize a list as the fields of the section in their order.
        errors.extend(tree.iter().filter(|(_, settings)| !settings.is_object()).map(|(section, _)| {
            LoadError::Value { key: section.clone(), message: "a table is expected".to_owned() }
        }));
        self.environment(&template, &mut tree, &mut errors);
        for (key, value) in &self.flags {
            if let Err(error) = set(&template, &mut tree, "the command line", key, value) {
                errors.push(error);
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let config: Config = serde_path_to_error::deserialize(Value::Object(tree)).map_err(|error| {
            let key = error.path().to_string();
            vec![LoadError::Value { key, message: error.into_inner().to_string() }]
        })?;
        match config.check() {
            Ok(()) => Ok(config),
            Err(errors) => Err(errors.into_iter().map(LoadError::from).collect()),
        }
    }

    fn environment(
        &self,
        template: &Map<String, Value>,
        tree: &mut Map<String, Value>,
        errors: &mut Vec<LoadError>,
    ) {
        for (variable, key) in CUSTOMARY {
            if let Some((_, value)) = self.environment.iter().find(|(name, _)| name == variable) {
                // Other programs read these variables too, and some write the level in upper case.
                let value = if *key == "log.level" { value.to_lowercase() } else { value.clone() };
                errors.extend(set(template, tree, variable, key, &value).err());
            }
        }
        let names = keys::all(template);
        let variables: Vec<(String, &String)> = names
            .iter()
            .map(|name| (format!("{PREFIX}{}", name.replace('.', "_").to_uppercase()), name))
            .collect();
        for (variable, value) in &self.environment {
            if !variable.starts_with(PREFIX) || variable == "GATEWAY_CONFIG" {
                continue;
            }
            match variables.iter().find(|(known, _)| known == variable) {
                Some((_, key)) => errors.extend(set(template, tree, variable, key, value).err()),
                None => errors.push(LoadError::UnknownKey {
                    origin: "the environment".to_owned(),
                    key: variable.clone(),
                    near: keys::nearest(variable, variables.iter().map(|(known, _)| known.as_str())),
                }),
            }
        }
    }
}

/// Defaults as a JSON tree. Its keys are the known settings.
pub(crate) fn template() -> Map<String, Value> {
    match serde_json::to_value(Config::default()) {
        Ok(Value::Object(tree)) => tree,
        // Unreachable: a struct with named fields serializes to an object.
        _ => Map::new(),
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Map<String, Value>, LoadError> {
    let syntax = |message: String| LoadError::Syntax { path: path.to_owned(), message };
    if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(text).map_err(|error| syntax(error.to_string()))
    } else {
        let table: toml::Table = toml::from_str(text).map_err(|error| syntax(toml_error(text, &error)))?;
        match serde_json::to_value(table) {
            Ok(Value::Object(tree)) => Ok(tree),
            _ => Err(syntax("not a table".to_owned())),
        }
    }
}

/// Position and cause of a TOML error. The line itself is left out, because it may hold a key.
fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    format!("TOML parse error at line {line}, column {column}: {}", error.message())
}

fn unknown(origin: &str, Unknown { key, near }: Unknown) -> LoadError {
    LoadError::UnknownKey { origin: origin.to_owned(), key, near }
}

/// Converts a textual value to the type of the setting's default, and stores it in the tree.
fn set(
    template: &Map<String, Value>,
    tree: &mut Map<String, Value>,
    origin: &str,
    name: &str,
    text: &str,
) -> Result<(), LoadError> {
    let place = name
        .split_once('.')
        .and_then(|(section, key)| Some((section, key, template.get(section)?.get(key)?)));
    let Some((section, key, default)) = place else {
        let names = keys::all(template);
        let near =
            keys::elsewhere(template, name).or_else(|| keys::nearest(name, names.iter().map(String::as_str)));
        return Err(LoadError::UnknownKey { origin: origin.to_owned(), key: name.to_owned(), near });
    };
    let wrong =
        |message: &str| LoadError::Value { key: format!("{origin} ({name})"), message: message.to_owned() };
    let value = match default {
        Value::Bool(_) => match text {
            "true" | "1" | "yes" | "on" => true.into(),
            "false" | "0" | "no" | "off" => false.into(),
            _ => return Err(wrong("true or false is expected")),
        },
        Value::Number(_) => {
            text.parse::<u64>().map(Value::from).map_err(|_| wrong("a whole number is expected"))?
        }
        Value::Array(_) if text.starts_with('[') => serde_json::from_str(text)
            .map_err(|_| wrong("a list is expected, as JSON or separated by commas"))?,
        Value::Array(_) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect()
        }
        Value::Object(_) => serde_json::from_str(text).map_err(|_| wrong("a table is expected, as JSON"))?,
        Value::Null | Value::String(_) => text.into(),
    };
    if let Some(section) = tree.entry(section).or_insert_with(|| Map::new().into()).as_object_mut() {
        section.insert(key.to_owned(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::Secret;
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(extension: &str, text: &str) -> tempfile::TempPath {
        let mut file = tempfile::Builder::new().suffix(extension).tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.into_temp_path()
    }

    fn said(sources: &Sources) -> Vec<String> {
        sources.load().unwrap_err().iter().map(LoadError::to_string).collect()
    }

    #[test]
    fn what_comes_later_counts() {
        for (extension, text) in [
            (".toml", "[server]\nport = 1\nhost = \"0.0.0.0\"\n[log]\nlevel = \"warn\"\n"),
            (".json", r#"{"server":{"port":1,"host":"0.0.0.0"},"log":{"level":"warn"}}"#),
        ] {
            let path = file(extension, text);
            let mut sources = Sources { file: Some(path.to_path_buf()), ..Sources::default() };
            let config = sources.load().unwrap();
            assert_eq!((config.server.port, config.log.level.as_str()), (1, "warn"));
            assert_eq!(config.server.path, "/socket.io", "what the file leaves out has its default");
            sources.environment = pairs(&[("SOCKET_IO_PORT", "2"), ("LOG_LEVEL", "DEBUG"), ("HOME", "/")]);
            let config = sources.load().unwrap();
            assert_eq!((config.server.port, config.log.level.as_str()), (2, "debug"));
            sources.environment.extend(pairs(&[("GATEWAY_SERVER_PORT", "3")]));
            assert_eq!(sources.load().unwrap().server.port, 3);
            sources.flags =
                pairs(&[("server.port", "4"), ("origins.allowed", "https://a.test, https://b.test")]);
            let config = sources.load().unwrap();
            assert_eq!(config.server.port, 4);
            assert_eq!(config.origins.allowed, ["https://a.test", "https://b.test"]);
            assert_eq!(config.server.host.to_string(), "0.0.0.0");
        }
    }

    #[test]
    fn every_unknown_key_is_named_with_what_was_meant() {
        let path = file(".toml", "[server]\nprot = 1\n[orgins]\nallowed = []\n[xyz]\n");
        let sources = Sources {
            file: Some(path.to_path_buf()),
            environment: pairs(&[("GATEWAY_SERVER_PROT", "1")]),
            flags: pairs(&[("log.levl", "x"), ("port", "1")]),
        };
        let at = path.display();
        assert_eq!(
            said(&sources),
            [
                format!("{at}: there is no setting orgins; did you mean origins?"),
                format!("{at}: there is no setting server.prot; did you mean server.port?"),
                format!("{at}: there is no setting xyz"),
                "the environment: there is no setting GATEWAY_SERVER_PROT; did you mean GATEWAY_SERVER_PORT?"
                    .to_owned(),
                "the command line: there is no setting log.levl; did you mean log.level?".to_owned(),
                "the command line: there is no setting port; did you mean server.port?".to_owned(),
            ]
        );
    }

    #[test]
    fn a_list_is_no_table() {
        let path = file(".json", r#"{"server": ["0.0.0.0", 1], "log": []}"#);
        let sources = Sources { file: Some(path.to_path_buf()), ..Sources::default() };
        assert_eq!(said(&sources), ["log: a table is expected", "server: a table is expected"]);
    }

    #[test]
    fn wrong_values_are_named() {
        let of = |flags: &[(&str, &str)]| {
            let sources = Sources { flags: pairs(flags), ..Sources::default() };
            let errors = sources.load().err().unwrap_or_default();
            errors.iter().map(LoadError::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            of(&[("server.port", "x")]),
            ["the command line (server.port): a whole number is expected"]
        );
        assert!(
            of(&[("server.port", "70000")])[0].starts_with("server.port: invalid value: integer `70000`")
        );
        assert!(of(&[("log.format", "xml")])[0].starts_with("log.format: unknown variant `xml`"));
        assert_eq!(of(&[("server.path", "x")]), ["server.path: a path such as /socket.io is expected"]);
        assert_eq!(
            of(&[("transport.ping_timeout_ms", "0")]),
            ["transport.ping_timeout_ms: more than 0 is expected"]
        );
        assert!(of(&[("api.keys", "too short")])[0].starts_with("api.keys: keys of at least 16 bytes"));
        assert_eq!(
            of(&[("server.namespaces", "/gateway")]),
            ["server.namespaces: /gateway is the gateway's own"]
        );
        for address in ["", "0.0.0.0:9000", "192.0.2.1:9000", "[::]:9000"] {
            assert_eq!(
                of(&[("internal.address", address), ("internal.allow_without_key", "true")]),
                ["internal.allow_without_key: only with a loopback internal.address, such as 127.0.0.1:9000"],
                "{address}"
            );
        }
        for address in ["127.0.0.1:9000", "[::1]:9000"] {
            let flags = [("internal.address", address), ("internal.allow_without_key", "true")];
            assert_eq!(of(&flags), [""; 0], "{address}");
        }
        let both = of(&[("origins.allowed", "*"), ("origins.credentials", "yes")]);
        assert!(both[0].starts_with("origins.credentials: not together"));
        let hooks = [
            ("hooks.url", "http://localhost/"),
            ("hooks.secrets", "too short"),
            ("hooks.connect_ms", "10000"),
            ("hooks.failures", "0"),
        ];
        assert_eq!(of(&hooks[1..]), [""; 0], "nothing of it counts without a backend");
        assert_eq!(
            of(&hooks),
            [
                "hooks.secrets: at least 16 bytes are expected, such as `openssl rand -hex 32` prints",
                "hooks.failures: more than 0 is expected",
                "hooks.connect_ms: less than transport.connect_timeout_ms is expected",
            ]
        );
        let path = file(".toml", "[server\n");
        let broken = Sources { file: Some(path.to_path_buf()), ..Sources::default() };
        assert!(said(&broken)[0].contains("TOML parse error at line 1"));
    }

    /// Neither the printed configuration nor an error shows a key.
    #[test]
    fn keys_are_not_shown() {
        let secret = "6 unguessable words";
        let session_secret = format!("{secret} more");
        let mut flags = ["api.keys", "auth.jwt_key", "hooks.secrets"].map(|key| (key, secret)).to_vec();
        flags.push(("auth.session_secret", &session_secret));
        let sources = Sources { flags: pairs(&flags), environment: pairs(&[("X", secret)]), file: None };
        let config = sources.load().unwrap();
        assert_eq!([&config.api.keys[0], &config.auth.jwt_key].map(Secret::expose), [secret, secret]);
        let mut shown = vec![
            format!("{sources:?}"),
            format!("{config:?}"),
            toml::to_string(&config).unwrap(),
            serde_json::to_string(&config).unwrap(),
        ];
        for text in [
            format!("[api]\nkeys = \"{secret}\"\n"),
            format!("[api]\nkeys = [[\"{secret}\"]]\n"),
            format!("[auth]\njwt_key = [\"{secret}\"]\n"),
            format!("[auth]\nsession_secret = {{ a = \"{secret}\" }}\n"),
            format!("[auth]\nsession_secret = \"{secret}\n"),
            format!("[auth]\nsession_secret = {secret}\n"),
        ] {
            let path = file(".toml", &text);
            shown.extend(said(&Sources { file: Some(path.to_path_buf()), ..Sources::default() }));
        }
        assert_eq!(shown.len(), 10);
        for text in shown {
            assert!(!text.contains("unguessable"), "{text}");
        }
    }

    /// The output of `gen-config` contains every setting, with its default value.
    #[test]
    fn the_sample_file_is_true() {
        let sample: toml::Table = toml::from_str(crate::SAMPLE_CONFIG).unwrap();
        let sample = serde_json::to_value(sample).unwrap();
        let read: Config = serde_json::from_value(sample.clone()).unwrap();
        assert_eq!(read, Config::default());
        let template = template();
        assert_eq!(keys::unknown(&template, sample.as_object().unwrap()), []);
        for name in keys::all(&template) {
            let (section, key) = name.split_once('.').unwrap();
            let optional = template[section][key].is_null();
            let shown = sample[section].get(key).is_some()
                || optional && crate::SAMPLE_CONFIG.contains(&format!("\n# {key} ="));
            assert!(shown, "{name} is missing");
        }
    }
}
