//! What is logged, to the standard error: the standard output is for what a program was asked for.

use tracing_subscriber::EnvFilter;

/// Logs what `RUST_LOG` says, `info` if it says nothing. Once in a program.
pub fn log() {
    log_at(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")));
}

/// Logs what a filter lets through. Once in a program.
pub fn log_at(filter: EnvFilter) {
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
