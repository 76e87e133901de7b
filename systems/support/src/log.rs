//! Log output to the standard error; the standard output is for the result of a program.

use tracing_subscriber::EnvFilter;

/// Starts logging with the filter `RUST_LOG`, `info` by default. To be called once per program.
pub fn log() {
    log_at(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")));
}

/// Starts logging with a filter. To be called once per program.
pub fn log_at(filter: EnvFilter) {
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
