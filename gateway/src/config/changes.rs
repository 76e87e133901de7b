//! Differences between two configurations, and the settings among them that need a restart.

use serde_json::{Map, Value};

use super::Config;
use super::keys;
use super::load::template;

/// Settings that a reload applies. Of `tls` only the contents of the files are read again.
const RELOADED: &[&str] = &[
    "api.keys",
    "auth.jwks",
    "auth.jwks_age_ms",
    "auth.jwks_interval_ms",
    "auth.jwt_audience",
    "auth.jwt_issuer",
    "auth.jwt_key",
    "auth.jwt_method",
    "auth.metadata_claims",
    "auth.session_ms",
    "auth.session_secret",
    "auth.user_claim",
];

/// Names of the settings that differ and do not take effect before the next start. Values of keys and secrets
/// are not compared, as they serialize to a mask; those of the cluster are.
pub(crate) fn needing_restart(before: &Config, after: &Config) -> Vec<String> {
    let mut changed_secrets = Vec::new();
    for (name, [before, after]) in [
        ("cluster.redis", [&before.cluster.redis, &after.cluster.redis]),
        ("cluster.postgres", [&before.cluster.postgres, &after.cluster.postgres]),
        ("cluster.nats", [&before.cluster.nats, &after.cluster.nats]),
        ("admin_ui.password_hash", [&before.admin_ui.password_hash, &after.admin_ui.password_hash]),
        ("cluster.peers_key", [&before.cluster.peers_key, &after.cluster.peers_key]),
    ] {
        if before != after {
            changed_secrets.push(name);
        }
    }
    let [before, after] = [tree(before), tree(after)];
    let differs = |name: &String| {
        let at = |tree: &Map<String, Value>| {
            let (section, key) = name.split_once('.')?;
            tree.get(section)?.get(key).cloned()
        };
        let differs = at(&before) != at(&after) || changed_secrets.contains(&name.as_str());
        !RELOADED.contains(&name.as_str()) && differs
    };
    keys::all(&template()).into_iter().filter(differs).collect()
}

fn tree(config: &Config) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(tree)) => tree,
        // A struct with named fields is an object.
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_need_a_restart_are_named() {
        let before = Config::default();
        let mut after = before.clone();
        assert_eq!(needing_restart(&before, &after), Vec::<String>::new());
        after.server.port = 1;
        after.auth.anonymous = false;
        after.auth.jwt_method = "HS512".to_owned();
        after.api.keys = vec!["a key of an operator".into()];
        assert_eq!(needing_restart(&before, &after), ["auth.anonymous", "server.port"]);
        let before = Config { cluster: cluster("redis://127.0.0.1/"), ..Config::default() };
        let after = Config { cluster: cluster("redis://127.0.0.1:1/"), ..Config::default() };
        assert_eq!(needing_restart(&before, &before), Vec::<String>::new());
        assert_eq!(needing_restart(&before, &after), ["cluster.redis"]);
        let mut after = before.clone();
        after.cluster.peers_key = "a key of all gateways".into();
        after.cluster.peers_listen = "10.0.0.1:4000".to_owned();
        let expected = ["cluster.peers_key", "cluster.peers_listen"];
        assert_eq!(needing_restart(&before, &after), expected);
        let before = after.clone();
        after.cluster.peers_key = "another key of all gateways".into();
        assert_eq!(needing_restart(&before, &after), ["cluster.peers_key"]);
    }

    fn cluster(redis: &str) -> crate::config::Cluster {
        crate::config::Cluster { redis: redis.into(), ..Default::default() }
    }

    #[test]
    fn reloaded_settings_exist() {
        let names = keys::all(&template());
        assert!(RELOADED.iter().all(|name| names.iter().any(|known| known == name)));
    }
}
