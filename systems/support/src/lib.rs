//! Code that the programs of the systems share.
//!
//! | file | content |
//! | --- | --- |
//! | `settings` | environment variables |
//! | `log` | log output to the standard error |
//! | `secret` | comparison of secrets |
//! | `listen` | listen addresses |
//! | `serve` | an axum router on a port, with graceful shutdown |
//! | `cors` | CORS of an API |
//! | `failure` | responses to requests that fail |
//! | `http_client` | feature `http-client`: a client for HTTP and HTTPS |
//! | `stop` | stop signals, and the exit code |

mod cors;
mod failure;
#[cfg(feature = "http-client")]
mod http_client;
mod listen;
mod log;
mod secret;
mod serve;
mod settings;
mod stop;

pub use self::cors::with_cors;
pub use self::failure::{failure, with_error_bodies};
#[cfg(feature = "http-client")]
pub use self::http_client::{HttpClient, http_client, http_client_within, http_url};
pub use self::listen::{ListenError, listen};
pub use self::log::{log, log_at};
pub use self::secret::is_equal;
pub use self::serve::{SHUTDOWN_TIMEOUT, serve, with_peer_addresses};
pub use self::settings::{SettingError, parsed, secret, variable};
pub use self::stop::{Failure, exit_code, stop_signal};
