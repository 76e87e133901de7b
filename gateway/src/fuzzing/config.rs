//! Fuzz target for settings from files, environment variables and flags.

use serde_json::Value;
use tokio::time::sleep;

use super::{LONG, client, run};
use crate::config::load::{self, Sources};
use crate::config::{Config, Secret};
use crate::gateway::Gateway;

/// Loads a configuration. It asserts that an accepted configuration is valid, survives a round trip, and
/// makes a gateway that serves a client or returns an error.
///
/// The first byte selects the format of the file. Zero bytes separate the file and the variables; a part that
/// begins with `--` is a flag.
pub fn config(data: &[u8]) {
    let [format, data @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default();
    let mut sources = Sources::default();
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.strip_prefix("--") {
            Some(flag) => sources.flags.push((flag.to_owned(), value.to_owned())),
            None => sources.environment.push((name.to_owned(), value.to_owned())),
        }
    }
    let name = if format & 1 == 0 { "a.toml" } else { "a.json" };
    match sources.load_text(name.as_ref(), file) {
        Ok(config) => {
            assert_eq!(config.check(), Ok(()), "what is loaded is checked");
            check_again(&config);
            serve(config);
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "an error says what is wrong");
            errors.iter().for_each(|error| assert!(!error.to_string().is_empty()));
        }
    }
}

/// Asserts that the configuration is unchanged after serialization and deserialization, except for the
/// secrets, which are masked.
fn check_again(config: &Config) {
    let mut config = config.clone();
    (config.auth.jwt_key, config.auth.session_secret) = (Secret::default(), Secret::default());
    (config.api.keys, config.webhooks.secrets) = (Vec::new(), Vec::new());
    config.cluster.redis = Secret::default();
    let written = serde_json::to_value(&config).expect("settings are JSON");
    assert_eq!(serde_json::from_value::<Config>(written.clone()).expect("what was written"), config);
    let Value::Object(tree) = written else { panic!("settings are an object") };
    assert_eq!(tree.keys().collect::<Vec<_>>(), load::template().keys().collect::<Vec<_>>());
}

/// Starts and drains a gateway with these settings. Settings that need files or the network are skipped.
fn serve(config: Config) {
    if !config.tls.certificate.is_empty() || !config.auth.jwks.is_empty() || !config.cluster.redis.is_empty()
    {
        return;
    }
    run(async {
        let is_alone = config.webhooks.url.is_empty();
        let Ok(gateway) = Gateway::new(config) else { return };
        if is_alone {
            let stream = client(&gateway, &["/"]).await;
            gateway.stats();
            gateway.drain().await;
            drop(stream);
            sleep(LONG).await;
            assert_eq!(gateway.io().engine().stats().sessions, 0, "a client is left");
        }
    });
}
