//! Lines of JSON for the control connection.

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

/// The sender of output lines, which wait until there is a connection.
#[derive(Clone)]
pub(crate) struct Output(UnboundedSender<String>);

impl Output {
    pub(crate) fn new(lines: UnboundedSender<String>) -> Self {
        Self(lines)
    }

    pub(crate) fn say(&self, body: &Value) {
        // Without the connection the process ends.
        let _ = self.0.send(format!("{body}\n"));
    }
}
