//! Settings, from files, variables and flags.

use serde_json::Value;
use tokio::time::sleep;

use super::{LONG, client, run};
use crate::config::load::{self, Sources};
use crate::config::{Config, Secret};
use crate::gateway::Gateway;

/// A file and variables: what is taken is right, is read as the same again, and makes a gateway that serves a client, or
/// none with an error.
///
/// The first byte is the format of the file. Behind a zero byte follow variables, and flags if they begin with `--`.
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

/// Written and read again it is the same, but for the secrets, which nobody can write.
fn check_again(config: &Config) {
    let mut config = config.clone();
    (config.auth.jwt_key, config.auth.session_secret) = (Secret::default(), Secret::default());
    (config.api.keys, config.hooks.secrets) = (Vec::new(), Vec::new());
    let written = serde_json::to_value(&config).expect("settings are JSON");
    assert_eq!(serde_json::from_value::<Config>(written.clone()).expect("what was written"), config);
    let Value::Object(tree) = written else { panic!("settings are an object") };
    assert_eq!(tree.keys().collect::<Vec<_>>(), load::template().keys().collect::<Vec<_>>());
}

/// A gateway with these settings comes and goes. Nothing outside is read or asked.
fn serve(config: Config) {
    if !config.tls.certificate.is_empty() || !config.auth.jwks.is_empty() {
        return;
    }
    run(async {
        let is_alone = config.hooks.url.is_empty();
        let Ok(gateway) = Gateway::new(config) else { return };
        if is_alone {
            let stream = client(&gateway, &["/"]).await;
            gateway.numbers();
            gateway.drain().await;
            drop(stream);
            sleep(LONG).await;
            assert_eq!(gateway.io().engine().stats().sessions, 0, "a client is left");
        }
    });
}
