//! Settings of the log.

use serde::{Deserialize, Serialize};

/// Log, written to the standard error. If the reader is too slow, up to 1 MiB of lines is queued (2 MiB with
/// those being written); further lines are dropped and counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`, or directives of `tracing`. Default `info`.
    pub level: String,
    /// Format of the lines: text for humans, or JSON for programs. Default `human`.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Human }
    }
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for humans.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}
