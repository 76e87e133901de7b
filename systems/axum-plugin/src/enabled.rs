//! The enabled plug-ins, stored in a small JSON file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// The enabled plug-ins. Default: all that the application configures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enabled {
    /// The names of the disabled plug-ins.
    #[serde(default)]
    disabled: BTreeSet<String>,
}

/// Errors of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnabledError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The content of the file is invalid.
    #[error("{path}: {source}")]
    Format {
        /// The path of the file.
        path: PathBuf,
        /// The JSON error.
        source: serde_json::Error,
    },
}

impl Enabled {
    /// Whether a plug-in is enabled.
    pub fn contains(&self, plugin: &str) -> bool {
        !self.disabled.contains(plugin)
    }

    /// Enables or disables a plug-in. Returns `false` if nothing changed.
    pub fn set(&mut self, plugin: &str, on: bool) -> bool {
        if on { self.disabled.remove(plugin) } else { self.disabled.insert(plugin.to_owned()) }
    }

    /// Reads the file. Without a file all plug-ins are enabled.
    pub fn load(path: &Path) -> Result<Self, EnabledError> {
        match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|source| EnabledError::Format { path: path.to_owned(), source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(EnabledError::File { path: path.to_owned(), source }),
        }
    }

    /// Writes the file.
    pub fn save(&self, path: &Path) -> Result<(), EnabledError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| EnabledError::Format { path: path.to_owned(), source })?;
        fs::write(path, text + "\n").map_err(|source| EnabledError::File { path: path.to_owned(), source })
    }
}
