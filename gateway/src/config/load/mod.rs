//! Sources of settings: file, environment and command line, in ascending precedence.
//!
//! All sources are merged into one JSON tree before it is deserialized as a [`Config`], so a setting has the
//! same name everywhere: `server.port` in the file, `GATEWAY_SERVER_PORT` in the environment, `--set
//! server.port=…` on the command line.

mod file;
mod value;

use std::collections::HashMap;
use std::fmt;
#[cfg(feature = "fuzzing")]
use std::path::Path;
use std::path::PathBuf;

use serde_json::{Map, Value};
use thiserror::Error;

use self::file::FileSettings;
use super::Config;
use super::keys::{self, Unknown};

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
const COMMAND_LINE: &str = "the command line";
/// Settings whose checks read other settings of their section too.
const JOINT: &[&str] = &["tls", "auth.anonymous", "internal.allow_without_key"];

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
        /// Source that names it: the path and line of the file, the environment, or the command line.
        origin: String,
        /// Unknown name.
        key: String,
        /// Most similar known name.
        near: Option<String>,
    },
    /// A setting has an invalid value.
    #[error("{}{key}: {message}", prefix(origin))]
    Value {
        /// Source of the value: the path and line of the file, the environment, or the command line. Empty
        /// for a default that does not fit the other settings.
        origin: String,
        /// Name of the setting.
        key: String,
        /// Expected value.
        message: String,
    },
}

fn prefix(origin: &str) -> String {
    if origin.is_empty() { String::new() } else { format!("{origin}: ") }
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

/// Merged sources.
#[derive(Default)]
struct Merged {
    tree: Map<String, Value>,
    /// Source of each section and setting.
    origins: HashMap<String, String>,
    errors: Vec<LoadError>,
}

impl Sources {
    /// Loads the configuration, or returns all errors found.
    pub fn load(&self) -> Result<Config, Vec<LoadError>> {
        self.merge(self.file()?).config()
    }

    /// Loads the configuration of a program that embeds the gateway. The file may have these further sections, which are
    /// returned as they are, as a JSON tree.
    pub fn load_with(&self, sections: &[&str]) -> Result<(Config, Map<String, Value>), Vec<LoadError>> {
        let mut file = self.file()?;
        let mut own = Map::new();
        for section in sections {
            if let Some(settings) = file.tree.remove(*section) {
                own.insert((*section).to_owned(), settings);
            }
        }
        Ok((self.merge(file).config()?, own))
    }

    /// The settings that these sources contain, without defaults, as a JSON tree.
    pub(crate) fn given(&self) -> Result<Map<String, Value>, Vec<LoadError>> {
        self.load()?;
        Ok(self.merge(self.file()?).tree)
    }

    fn file(&self) -> Result<FileSettings, Vec<LoadError>> {
        match self.file.as_deref().map(file::read) {
            None => Ok(FileSettings::default()),
            Some(read) => read.map_err(|error| vec![error]),
        }
    }

    /// Loads the configuration with `text` as the contents of the file.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn load_text(&self, file: &Path, text: &str) -> Result<Config, Vec<LoadError>> {
        self.merge(file::parse(file, text).map_err(|error| vec![error])?).config()
    }

    /// Merges the tree of the file with the environment and the command line. Unknown settings are errors.
    fn merge(&self, FileSettings { mut tree, lines }: FileSettings) -> Merged {
        let template = template();
        let path = self.file.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        let at = |name: &str| lines.get(name).map_or_else(|| path.clone(), |line| format!("{path}:{line}"));
        let unknown = keys::unknown(&template, &tree);
        let mut errors: Vec<LoadError> = unknown
            .into_iter()
            .map(|Unknown { key, near }| LoadError::UnknownKey { origin: at(&key), key, near })
            .collect();
        tree.retain(|section, settings| {
            let is_known = template.contains_key(section);
            // serde would deserialize a list as the fields of the section in their order.
            if is_known && !settings.is_object() {
                let message = "a table is expected".to_owned();
                errors.push(LoadError::Value { origin: at(section), key: section.clone(), message });
            }
            is_known && settings.is_object()
        });
        let origins = lines.keys().map(|name| (name.clone(), at(name))).collect();
        let mut merged = Merged { tree, origins, errors };
        self.environment(&template, &mut merged);
        for (key, value) in &self.flags {
            merged.set(&template, COMMAND_LINE, key, value);
        }
        merged
    }

    fn environment(&self, template: &Map<String, Value>, merged: &mut Merged) {
        for (variable, key) in CUSTOMARY {
            if let Some((_, value)) = self.environment.iter().find(|(name, _)| name == variable) {
                // Other programs read these variables too, and some write the level in upper case.
                let value = if *key == "log.level" { value.to_lowercase() } else { value.clone() };
                merged.set(template, variable, key, &value);
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
                Some((_, key)) => merged.set(template, variable, key, value),
                None => merged.errors.push(LoadError::UnknownKey {
                    origin: "the environment".to_owned(),
                    key: variable.clone(),
                    near: keys::nearest(variable, variables.iter().map(|(known, _)| known.as_str())),
                }),
            }
        }
    }
}

impl Merged {
    /// Stores a textual value of the environment or the command line, converted to the type of the setting's
    /// default.
    fn set(&mut self, template: &Map<String, Value>, origin: &str, name: &str, text: &str) {
        let place = name
            .split_once('.')
            .and_then(|(section, key)| Some((section, key, template.get(section)?.get(key)?)));
        let Some((section, key, default)) = place else {
            let names = keys::all(template);
            let near = keys::elsewhere(template, name)
                .or_else(|| keys::nearest(name, names.iter().map(String::as_str)));
            self.errors.push(LoadError::UnknownKey { origin: origin.to_owned(), key: name.to_owned(), near });
            return;
        };
        let Some(value) = typed(default, text) else {
            let message = value::expected(name, default);
            self.errors.push(LoadError::Value { origin: origin.to_owned(), key: name.to_owned(), message });
            return;
        };
        if let Some(section) = self.tree.entry(section).or_insert_with(|| Map::new().into()).as_object_mut() {
            section.insert(key.to_owned(), value);
            self.origins.insert(name.to_owned(), origin.to_owned());
        }
    }

    fn error(&self, key: &str, message: String) -> LoadError {
        let origin = self.origins.get(key).cloned().unwrap_or_default();
        LoadError::Value { origin, key: key.to_owned(), message }
    }

    /// The configuration, or all errors: unknown settings, values of wrong types, and what [`Config::check`]
    /// finds in the other settings.
    fn config(mut self) -> Result<Config, Vec<LoadError>> {
        let template = template();
        let mut tree = std::mem::take(&mut self.tree);
        let mut rejected = Vec::new();
        for (section, settings) in tree.iter_mut().filter_map(|(name, it)| Some((name, it.as_object_mut()?)))
        {
            settings.retain(|key, value| {
                let name = format!("{section}.{key}");
                let default = template.get(section).and_then(|it| it.get(key));
                let message = default.and_then(|default| value::rejection(&name, default, value));
                rejected.extend(message.clone().map(|message| (name, message)));
                message.is_none()
            });
        }
        let section_of = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let incomplete: Vec<String> = rejected.iter().map(|(name, _)| section_of(name)).collect();
        for (name, message) in rejected {
            let error = self.error(&name, message);
            self.errors.push(error);
        }
        let config: Config = match serde_json::from_value(Value::Object(tree)) {
            Ok(config) => config,
            // Unreachable: each value was accepted alone.
            Err(error) => {
                let message = error.to_string();
                self.errors.push(LoadError::Value {
                    origin: String::new(),
                    key: "settings".to_owned(),
                    message,
                });
                return Err(self.errors);
            }
        };
        for invalid in config.check().err().into_iter().flatten() {
            if !(JOINT.contains(&invalid.key) && incomplete.contains(&section_of(invalid.key))) {
                let error = self.error(invalid.key, invalid.message);
                self.errors.push(error);
            }
        }
        if self.errors.is_empty() { Ok(config) } else { Err(self.errors) }
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

/// Converts a text to the type of a setting's default. A text that is no JSON is taken as it is where a
/// setting accepts texts.
fn typed(default: &Value, text: &str) -> Option<Value> {
    match default {
        Value::Bool(_) => match text {
            "true" | "1" | "yes" | "on" => Some(true.into()),
            "false" | "0" | "no" | "off" => Some(false.into()),
            _ => None,
        },
        Value::Number(_) => text.parse::<u64>().ok().map(Value::from),
        Value::Array(_) if text.starts_with('[') => serde_json::from_str(text).ok(),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(items.map(Value::from).collect())
        }
        Value::Object(_) => serde_json::from_str(text).ok(),
        Value::Null | Value::String(_) => Some(text.into()),
    }
}

#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod tests;
