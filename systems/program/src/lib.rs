//! What the programs of the systems have in common.
//!
//! | file | what it is about |
//! | --- | --- |
//! | `settings` | variables of the environment |
//! | `log` | what is logged, to the standard error |
//! | `secret` | whether two secrets are the same |
//! | `serve` | an axum router on a port, until its end |
//! | `stop` | being told to stop, and how a program ends |

mod log;
mod secret;
mod serve;
mod settings;
mod stop;

pub use self::log::{log, log_at};
pub use self::secret::is_same;
pub use self::serve::{PATIENCE, name_peers, serve};
pub use self::settings::{SettingError, parsed, secret, variable};
pub use self::stop::{Failure, exit_code, told_to_stop};
