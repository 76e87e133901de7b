//! Log output to the standard error; the standard output is for the result of a program.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::settings::{SettingError, variable};

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A line of text for each event, with colours if the standard error is a terminal.
    Human,
    /// A JSON object per line.
    Json,
}

impl Format {
    fn read(name: Option<&str>) -> Result<Self, SettingError> {
        match name {
            None | Some("human") => Ok(Self::Human),
            Some("json") => Ok(Self::Json),
            Some(other) => Err(SettingError::Invalid {
                name: "LOG_FORMAT",
                value: other.to_owned(),
                expected: "human or json".to_owned(),
            }),
        }
    }
}

/// Starts logging with the filter `RUST_LOG`, `info` by default. To be called once per program.
pub fn log() -> Result<(), SettingError> {
    let filter = match variable(EnvFilter::DEFAULT_ENV) {
        None => EnvFilter::new("info"),
        Some(filter) => EnvFilter::try_new(&filter).map_err(|error| SettingError::Invalid {
            name: EnvFilter::DEFAULT_ENV,
            value: filter,
            expected: format!("a log filter such as info ({error})"),
        })?,
    };
    log_at(filter)
}

/// Starts logging with a filter, in the format of `LOG_FORMAT`: `human`, the default, or `json`. To be called once
/// per program.
pub fn log_at(filter: EnvFilter) -> Result<(), SettingError> {
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match Format::read(variable("LOG_FORMAT").as_deref())? {
        Format::Human => {
            // Files and pipes keep the escape codes of colours. https://no-color.org
            let colours = io::stderr().is_terminal() && variable("NO_COLOR").is_none();
            subscriber.with_ansi(colours).init();
        }
        Format::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_names() {
        assert_eq!(Format::read(None), Ok(Format::Human));
        assert_eq!(Format::read(Some("json")), Ok(Format::Json));
        let error = Format::read(Some("xml")).unwrap_err();
        assert_eq!(error.to_string(), "LOG_FORMAT: \"xml\" is invalid; human or json is expected");
    }
}
