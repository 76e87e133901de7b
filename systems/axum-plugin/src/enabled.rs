//! Which plug-ins are switched on, kept in a small JSON file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// Which plug-ins are switched on. Default: all that the application configures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enabled {
    /// Those that are not.
    #[serde(default)]
    disabled: BTreeSet<String>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnabledError {
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{path}: {source}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl Enabled {
    /// Whether a plug-in is switched on.
    pub fn contains(&self, plugin: &str) -> bool {
        !self.disabled.contains(plugin)
    }

    /// Switches a plug-in on or off. `false` if it was so before.
    pub fn set(&mut self, plugin: &str, on: bool) -> bool {
        if on { self.disabled.remove(plugin) } else { self.disabled.insert(plugin.to_owned()) }
    }

    /// Reads the file. One that does not exist switches everything on.
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
