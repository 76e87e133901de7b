//! Checks of a configuration beyond the types of its settings. They apply to every source of the
//! configuration.

use thiserror::Error;

use super::secret::MIN_KEY_LEN;
use super::{Config, STATS_NAMESPACE, Secret, urls};

/// Error for a setting with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {message}")]
#[non_exhaustive]
pub struct InvalidSetting {
    /// Name of the setting, such as `server.path`, or of its section.
    pub key: &'static str,
    /// Expected value. The message never contains the actual one, which may be a secret.
    pub message: &'static str,
}

/// Warning about a setting whose value is valid and carries a risk that the operator should know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {message}")]
#[non_exhaustive]
pub struct RiskySetting {
    /// Name of the setting.
    pub key: &'static str,
    /// Description of the risk. It never contains the value.
    pub message: &'static str,
}

impl Config {
    /// Risky settings, to be reported before clients can reach the gateway. `check-config` prints them, and
    /// `serve` writes them to the log.
    pub fn risks(&self) -> Vec<RiskySetting> {
        let mut risks = Vec::new();
        let mut risk = |key, message| risks.push(RiskySetting { key, message });
        if urls::is_in_the_open(&self.auth.jwks) {
            risk(
                "auth.jwks",
                "plain HTTP: an attacker on the network path can replace the keys, and sign in as any user",
            );
        }
        if urls::is_in_the_open(&self.webhooks.url) {
            risk(
                "webhooks.url",
                "plain HTTP: an attacker on the network path can read events of clients, and answer in place of the backend",
            );
        }
        risks
    }

    /// Checks all settings and returns every invalid one. [`Gateway::new`](crate::Gateway::new) runs the same
    /// check.
    pub fn check(&self) -> Result<(), Vec<InvalidSetting>> {
        let invalid_settings = invalid_settings(self);
        if invalid_settings.is_empty() { Ok(()) } else { Err(invalid_settings) }
    }
}

fn invalid_settings(config: &Config) -> Vec<InvalidSetting> {
    let mut errors = Vec::new();
    let mut error = |key, message| errors.push(InvalidSetting { key, message });
    if !config.server.path.starts_with('/') || config.server.path.len() < 2 {
        error("server.path", "a path such as /socket.io is expected");
    }
    if config.server.namespaces.is_empty()
        || config.server.namespaces.iter().any(|name| !name.starts_with('/'))
    {
        error("server.namespaces", "at least one name is expected, and each begins with a slash");
    }
    for (key, value) in [
        ("transport.ping_interval_ms", config.transport.ping_interval_ms),
        ("transport.ping_timeout_ms", config.transport.ping_timeout_ms),
        ("transport.connect_timeout_ms", config.transport.connect_timeout_ms),
        ("transport.max_payload_bytes", config.transport.max_payload_bytes as u64),
        ("transport.max_buffered_bytes", config.transport.max_buffered_bytes as u64),
        ("server.max_sessions", config.server.max_sessions as u64),
        ("server.max_queued_bytes", config.server.max_queued_bytes as u64),
        ("server.max_received_bytes", config.server.max_received_bytes as u64),
        ("server.max_connections", config.server.max_connections as u64),
        ("transport.head_timeout_ms", config.transport.head_timeout_ms),
        ("transport.body_timeout_ms", config.transport.body_timeout_ms),
        ("limits.burst_seconds", config.limits.burst_seconds.into()),
        ("auth.jwks_interval_ms", config.auth.jwks_interval_ms),
    ] {
        if value == 0 {
            error(key, "more than 0 is expected");
        }
    }
    if config.tls.certificate.is_empty() != config.tls.key.is_empty() {
        error("tls", "certificate and key must be set together");
    }
    if !config.internal.address.is_empty() && config.internal.listen().is_none() {
        error("internal.address", "an address with a port is expected, such as 127.0.0.1:9000");
    }
    if config.internal.allow_without_key && !config.internal.is_keyless() {
        error("internal.allow_without_key", "requires a loopback internal.address, such as 127.0.0.1:9000");
    }
    if config.api.keys.iter().any(|key| key.len() < MIN_KEY_LEN) {
        error("api.keys", "keys of at least 16 bytes are expected, such as `openssl rand -hex 16` prints");
    }
    let auth = &config.auth;
    let is_short = |secret: &Secret| !secret.is_empty() && secret.len() < MIN_KEY_LEN;
    for (key, secret) in [("auth.jwt_key", &auth.jwt_key), ("auth.session_secret", &auth.session_secret)] {
        if is_short(secret) {
            error(key, "at least 16 bytes are expected, such as `openssl rand -hex 32` prints");
        }
    }
    if !auth.jwt_key.is_empty() && auth.jwt_key == auth.session_secret {
        error("auth.session_secret", "a key other than auth.jwt_key is expected");
    }
    if !auth.anonymous && auth.jwt_key.is_empty() && auth.jwks.is_empty() && auth.session_secret.is_empty() {
        error(
            "auth.anonymous",
            "needs auth.jwt_key, auth.jwks or auth.session_secret: without one, every client would be refused",
        );
    }
    let no_user = "a URL without a user and a password is expected: they are not sent, and would be shown";
    if auth.jwks.contains("://") && urls::names_a_user(&auth.jwks) {
        error("auth.jwks", no_user);
    }
    if urls::names_a_user(&config.webhooks.url) {
        error("webhooks.url", no_user);
    }
    if config.server.namespaces.iter().any(|name| name == STATS_NAMESPACE) {
        error("server.namespaces", "/gateway is reserved for the gateway");
    }
    for (key, message) in config.webhooks.invalid_settings(&config.transport) {
        error(key, message);
    }
    if config.origins.credentials && config.origins.allowed.iter().any(|origin| origin == "*") {
        error("origins.credentials", "not possible with the origin *: any page could act as its user");
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gateway, ReloadError, StartError};

    #[test]
    fn the_defaults_are_right() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn every_wrong_value_is_named() {
        let mut config = Config::default();
        config.server.path = "socket.io".to_owned();
        config.transport.ping_timeout_ms = 0;
        config.api.keys = vec!["too short".into()];
        let errors = config.check().unwrap_err();
        let keys: Vec<_> = errors.iter().map(|error| error.key).collect();
        assert_eq!(keys, ["server.path", "transport.ping_timeout_ms", "api.keys"]);
        assert_eq!(errors[0].to_string(), "server.path: a path such as /socket.io is expected");
    }

    #[tokio::test]
    async fn a_gateway_refuses_invalid_settings_of_a_program() {
        let named = |error: &InvalidSetting| (error.key, error.message);
        let mut config = Config::default();
        let gateway = Gateway::new(config.clone()).unwrap();
        config.origins.allowed = vec!["*".to_owned()];
        config.origins.credentials = true;
        let invalid_settings = config.check().unwrap_err();
        let Err(StartError::Setting(error)) = Gateway::new(config.clone()) else { panic!("refused") };
        assert_eq!(named(&error), named(&invalid_settings[0]));
        assert!(error.to_string().starts_with("origins.credentials: "), "{error}");
        let Err(ReloadError::Setting(error)) = gateway.reload(&config) else { panic!("refused") };
        assert_eq!(error.key, "origins.credentials");
    }

    /// With a shared key, a signer of JWTs could also sign session tokens, and the reverse.
    #[test]
    fn sessions_and_jwts_have_keys_of_their_own() {
        let mut config = Config::default();
        config.auth.jwt_key = "a key of 16 bytes or more".into();
        config.auth.session_secret = config.auth.jwt_key.clone();
        let errors = config.check().unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].key, "auth.session_secret");
        config.auth.session_secret = "another key of 16 bytes".into();
        assert_eq!(config.check(), Ok(()));
    }

    /// A password in a URL would appear in the output of `check-config`, and was never sent.
    #[test]
    fn urls_have_no_passwords() {
        let mut config = Config::default();
        config.auth.jwks = "https://ada:sesame@example.com/keys".to_owned();
        config.webhooks.url = "ada:sesame@example.com".to_owned();
        let errors = config.check().unwrap_err();
        let keys: Vec<_> = errors.iter().map(|error| error.key).collect();
        assert_eq!(keys, ["auth.jwks", "webhooks.url"]);
        let Err(error) = Gateway::new(config.clone()) else { panic!("refused") };
        assert!(!errors.iter().map(ToString::to_string).any(|text| text.contains("sesame")));
        assert!(!error.to_string().contains("sesame"), "{error}");
        config.auth.jwks = "keys of ada@example.com.json".to_owned();
        config.webhooks.url = "https://example.com/hooks?of=ada@example.com".to_owned();
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn plain_http_to_others_is_a_risk() {
        let mut config = Config::default();
        config.auth.jwks = "http://127.0.0.1/keys".to_owned();
        config.webhooks.url = "https://example.com/".to_owned();
        assert_eq!(config.risks(), []);
        config.auth.jwks = "http://keys.example.com/".to_owned();
        config.webhooks.url = "http://10.0.0.1/".to_owned();
        let risks: Vec<_> = config.risks().iter().map(|risk| risk.key).collect();
        assert_eq!(risks, ["auth.jwks", "webhooks.url"]);
        assert_eq!(config.check(), Ok(()));
    }
}
