//! Checks of a configuration beyond the types of its settings. They apply to every source of the
//! configuration.

use thiserror::Error;

use super::secret::MIN_KEY_LEN;
use super::{Config, STATS_NAMESPACE, Secret, keys, origin_list, urls};

/// Signature algorithms of `auth.jwt_method`.
const JWT_METHODS: &[&str] = &[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
    "EdDSA",
];
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// Error for a setting with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {message}")]
#[non_exhaustive]
pub struct InvalidSetting {
    /// Name of the setting, such as `server.path`, or of its section.
    pub key: &'static str,
    /// Expected value, and the value that was probably meant. It contains no value of a setting that is a
    /// secret.
    pub message: String,
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
        if !self.webhooks.url.is_empty() && self.webhooks.secrets.is_empty() {
            risk(
                "webhooks.secrets",
                "empty: webhooks are not signed, so the backend cannot distinguish them from requests of others",
            );
        }
        if urls::is_in_the_open(self.cluster.redis.expose()) {
            risk(
                "cluster.redis",
                "no TLS: an attacker on the network path can read and send events of clients, and the password of Redis",
            );
        }
        if urls::is_postgres_in_the_open(self.cluster.postgres.expose()) {
            risk(
                "cluster.postgres",
                "no TLS: an attacker on the network path can read and send events of clients; sslmode=require is with TLS",
            );
        }
        if urls::is_in_the_open(self.cluster.nats.expose()) {
            risk(
                "cluster.nats",
                "no TLS: an attacker on the network path can read and send events of clients, and the password of NATS",
            );
        }
        for (key, message) in self.cluster.risks_of_peers() {
            risk(key, message);
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
    let mut error = |key, message: &str| errors.push(InvalidSetting { key, message: message.to_owned() });
    if !config.server.path.starts_with('/') || config.server.path.len() < 2 {
        error("server.path", "a path such as /socket.io is expected");
    }
    if config.server.namespaces.is_empty() {
        error("server.namespaces", "at least one name is expected, such as /");
    }
    for name in &config.server.namespaces {
        if let Some(message) = invalid_namespace(name) {
            error("server.namespaces", &message);
        }
    }
    for origin in &config.origins.allowed {
        if let Some(sent) = origin_list::correction(origin) {
            let message = format!(
                "{origin:?} matches no page: an origin is scheme, host and port; did you mean {sent}?"
            );
            error("origins.allowed", &message);
        }
    }
    if let Some((key, message)) = super::AdminUi::invalid(config) {
        error(key, message);
    }
    if let Some(message) = invalid_level(&config.log.level) {
        error("log.level", &message);
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
    if !JWT_METHODS.contains(&auth.jwt_method.as_str()) {
        error("auth.jwt_method", &unknown_name(&auth.jwt_method, JWT_METHODS, ""));
    }
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
    for (key, message) in config.webhooks.invalid_settings(&config.transport) {
        error(key, message);
    }
    for (key, message) in config.cluster.invalid_settings(&config.transport) {
        error(key, &message);
    }
    for (key, message) in config.invalid_workers() {
        error(key, message);
    }
    if config.origins.credentials && config.origins.allowed.iter().any(|origin| origin == "*") {
        error("origins.credentials", "not possible with the origin *: any page could act as its user");
    }
    errors
}

fn invalid_namespace(name: &str) -> Option<String> {
    if !name.starts_with('/') {
        return Some(format!("{name:?}: a name begins with a slash; did you mean /{name}?"));
    }
    if name == STATS_NAMESPACE {
        return Some(format!("{name} is reserved for the gateway"));
    }
    if !name.contains('{') {
        return None;
    }
    // The server that would have the namespace knows the syntax of patterns.
    let server = socketio_server::Server::builder().build().ok()?;
    server.of_pattern(name).err().map(|error| format!("{name}: {error}"))
}

/// What is wrong with a log level. A single word that is no level would be a target, and switch off all
/// others.
fn invalid_level(level: &str) -> Option<String> {
    let is_level = |word: &str| {
        LEVELS.contains(&word.to_lowercase().as_str())
            || word.eq_ignore_ascii_case("off")
            || word.parse::<u8>().is_ok()
    };
    for directive in level.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
        if !is_level(level) && !directive.contains('[') {
            return Some(unknown_name(level, LEVELS, ", or directives such as info,engineio=debug"));
        }
    }
    level.parse::<tracing_subscriber::EnvFilter>().err().map(|error| error.to_string())
}

/// An unknown name, the known ones, and the most similar of them.
fn unknown_name(name: &str, known: &[&str], or: &str) -> String {
    let nearest = known
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name))
        .map(|known| (*known).to_owned())
        .or_else(|| keys::nearest(name, known.iter().copied()));
    let meant = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
    format!("{name:?} is unknown: {}{or}{meant}", keys::one_of(known))
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
        let named = |error: &InvalidSetting| (error.key, error.message.clone());
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

    #[test]
    fn the_settings_of_a_cluster_are_checked() {
        let mut config = Config::default();
        config.cluster.node = "ignored without a cluster!".to_owned();
        assert_eq!(config.check(), Ok(()));
        let many = format!("redis-cluster://:sesame@{}", ["host"; 17].join(","));
        for url in [
            "(secret)",
            "127.0.0.1:6379",
            "http://:sesame@127.0.0.1/",
            "redis://:sesame@host:port/",
            "redis-sentinel://:sesame@host",
            "redis-cluster://:sesame@host/1",
            "redis-cluster+unix:///sesame",
            &many,
        ] {
            config.cluster.redis = url.into();
            config.cluster.prefix = "chat*".to_owned();
            config.cluster.request_timeout_ms = 0;
            let errors = config.check().unwrap_err();
            let keys: Vec<_> = errors.iter().map(|error| error.key).collect();
            let expected = ["cluster.redis", "cluster.prefix", "cluster.node", "cluster.request_timeout_ms"];
            assert_eq!(keys, expected);
            assert!(errors.iter().all(|error| !error.message.contains("sesame")), "{errors:?}");
            for form in ["redis://", "redis+unix://", "redis-sentinel://", "redis-cluster://", "rediss://"] {
                assert!(errors[0].message.contains(form), "{form}: {errors:?}");
            }
        }
        config.cluster = crate::config::Cluster::default();
        for url in [
            "redis-sentinel://:sesame@127.0.0.1:1,localhost/service/3",
            "rediss-sentinel://10.0.0.1/service",
            "redis-cluster://:sesame@127.0.0.1:1,[::1]",
            "rediss-cluster://10.0.0.1/",
            "redis+unix:///run/redis.sock",
            "rediss://10.0.0.1/",
            "redis://:sesame@127.0.0.1/",
        ] {
            config.cluster.redis = url.into();
            assert_eq!((config.check(), config.risks()), (Ok(()), vec![]), "{url}");
        }
        let Err(StartError::Cluster(error)) = Gateway::new(config) else { panic!("no runtime") };
        assert!(error.to_string().contains("tokio"), "{error}");
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

    /// Anyone who can reach the backend can send it requests that look like webhooks.
    #[test]
    fn unsigned_webhooks_are_a_risk() {
        let mut config = Config::default();
        config.webhooks.url = "https://example.com/".to_owned();
        let risks: Vec<_> = config.risks().iter().map(|risk| risk.key).collect();
        assert_eq!(risks, ["webhooks.secrets"]);
    }

    #[test]
    fn log_levels_are_words_or_directives() {
        for level in
            ["info", "WARN", "off", "info,engineio=debug", "engineio=trace", "info,[span{id=1}]=debug", ""]
        {
            assert_eq!(invalid_level(level), None, "{level}");
        }
        for level in ["verbose", "engineio", "engineio=loud", "info,quiet", "warning"] {
            let message = invalid_level(level).unwrap();
            assert!(message.contains("error, warn, info, debug or trace is expected"), "{level}: {message}");
        }
    }

    #[test]
    fn plain_http_to_others_is_a_risk() {
        let mut config = Config::default();
        config.auth.jwks = "http://127.0.0.1/keys".to_owned();
        config.webhooks.url = "https://example.com/".to_owned();
        config.webhooks.secrets = vec!["a secret of 16 bytes".into()];
        assert_eq!(config.risks(), []);
        config.auth.jwks = "http://keys.example.com/".to_owned();
        config.webhooks.url = "http://10.0.0.1/".to_owned();
        config.cluster.redis = "redis://:sesame@10.0.0.2:6379/".into();
        let risks: Vec<_> = config.risks().iter().map(|risk| risk.key).collect();
        assert_eq!(risks, ["auth.jwks", "webhooks.url", "cluster.redis"]);
        assert_eq!(config.check(), Ok(()));
    }
}
