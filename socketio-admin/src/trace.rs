//! Log events, with the feature `tracing`.

use socketio_server::EmitError;

/// Evaluates to nothing without the feature, but uses its arguments.
macro_rules! log {
    ($level:ident, $($field:ident = $value:expr),* ; $message:literal) => {{
        #[cfg(feature = "tracing")]
        tracing::$level!(target: "socketio_admin", $($field = %$value,)* $message);
        #[cfg(not(feature = "tracing"))]
        { $(let _ = &$value;)* }
    }};
}

pub(crate) fn disabled() {
    log!(warn, ; "authentication is disabled: every client may use the admin UI");
}

pub(crate) fn refused(reason: &impl std::fmt::Display) {
    log!(warn, reason = reason; "an operator was refused");
}

pub(crate) fn reports_dropped() {
    log!(warn, ; "events of clients are not shown, as too many wait");
}

pub(crate) fn not_sent(event: &str, error: &EmitError) {
    log!(debug, event = event, error = error; "an event was not sent to the admin UI");
}

pub(crate) fn command_ignored(command: &str, reason: &str) {
    log!(debug, command = command, reason = reason; "a command of the admin UI was ignored");
}
