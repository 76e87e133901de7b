//! Settings of the official admin UI.

use serde::{Deserialize, Serialize};
use socketio_admin::{AdminUi as Ui, Auth, Mode};

use super::{Config, STATS_NAMESPACE, Secret};

/// Namespace of the page of the official admin UI.
pub(crate) const ADMIN_NAMESPACE: &str = "/admin";

/// The official admin UI: the protocol of `@socket.io/admin-ui`, in the namespace `/admin`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminUi {
    /// bcrypt hash of the password of operators, as `htpasswd -nBC 10 admin` prints it behind the colon. Default empty:
    /// no admin UI, and no cost. With it two counters for each packet, and an event each two seconds.
    pub password_hash: Secret,
    /// Name of operators. Default `admin`.
    pub username: String,
    /// Whether operators can only look. Default `true`; with `false` they emit events, move sockets between rooms and
    /// disconnect them.
    pub read_only: bool,
    /// Details that operators see. Default `production`.
    pub mode: AdminMode,
}

/// Details that operators see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdminMode {
    /// The numbers of servers and namespaces.
    #[default]
    Production,
    /// Each client, room and event too. Cost: one or more events for each event of a client while a page is open, and in
    /// a cluster all the time. Operators read what clients say.
    Development,
}

impl Default for AdminUi {
    fn default() -> Self {
        Self {
            password_hash: Secret::default(),
            username: "admin".to_owned(),
            read_only: true,
            mode: AdminMode::default(),
        }
    }
}

impl AdminUi {
    /// The admin UI, if there is a valid hash.
    pub(crate) fn open(&self) -> Option<Ui> {
        if self.password_hash.is_empty() {
            return None;
        }
        let mode = match self.mode {
            AdminMode::Production => Mode::Production,
            AdminMode::Development => Mode::Development,
        };
        let auth = Auth::basic(&*self.username, self.password_hash.expose()).ok()?;
        let ui = Ui::new(auth).namespace(ADMIN_NAMESPACE).read_only(self.read_only).mode(mode);
        // The statistics of operators have a page of their own.
        Some(ui.namespaces(|name| name != STATS_NAMESPACE))
    }

    /// The invalid settings, with the expected values.
    pub(super) fn invalid(config: &Config) -> Option<(&'static str, &'static str)> {
        let Self { password_hash, .. } = &config.admin_ui;
        if password_hash.is_empty() {
            return None;
        }
        if Auth::basic("", password_hash.expose()).is_err() {
            return Some(("admin_ui.password_hash", "a bcrypt hash is expected, such as $2y$10$…"));
        }
        let is_taken = config.server.namespaces.iter().any(|name| name == ADMIN_NAMESPACE);
        is_taken.then_some(("server.namespaces", "/admin is reserved for the admin UI"))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_hash_turns_the_admin_ui_on() {
        let mut config = Config::default();
        config.server.namespaces.push("/admin".to_owned());
        assert!(config.check().is_ok() && config.admin_ui.open().is_none());
        config.admin_ui.password_hash = "changeit".into();
        let errors = config.check().unwrap_err();
        assert_eq!(errors[0].key, "admin_ui.password_hash");
        assert!(!errors[0].to_string().contains("changeit"), "{errors:?}");
        config.admin_ui.password_hash = "$2a$04$1et7WCAXJnJEKLFQGEy2z.GbZCvbtdOCR1Pzooxz3ID88JtTe8yZu".into();
        assert_eq!(config.check().unwrap_err()[0].key, "server.namespaces");
        config.server.namespaces.pop();
        assert!(config.check().is_ok() && config.admin_ui.open().is_some());
    }
}
