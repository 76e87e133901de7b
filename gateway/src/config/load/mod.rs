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
use super::{Config, InvalidSetting};

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
    #[error("{origin}: unknown setting {key}{}", did_you_mean(near.as_deref()))]
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

impl From<InvalidSetting> for LoadError {
    fn from(InvalidSetting { key, message }: InvalidSetting) -> Self {
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
mod tests;
