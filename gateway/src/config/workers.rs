//! The checks of `server.workers`: several processes behind one port.

use super::Config;

/// Limit of the number of workers.
const MAX_WORKERS: usize = 64;
/// Limit of the length of `cluster.node` beside workers, to which slot and generation are appended, in bytes.
const MAX_NODE: usize = 58;

impl Config {
    /// The invalid settings of workers, with the expected values.
    pub(super) fn invalid_workers(&self) -> Vec<(&'static str, &'static str)> {
        let mut invalid_settings = Vec::new();
        if self.server.workers == 0 {
            return invalid_settings;
        }
        let mut invalid = |key, message| invalid_settings.push((key, message));
        if self.server.workers > MAX_WORKERS {
            invalid("server.workers", "at most 64 are expected");
        }
        if !cfg!(unix) {
            invalid("server.workers", "not possible on this system: workers need Unix");
        }
        if self.cluster.has_peers() || !self.cluster.peers.is_empty() {
            let message = "not possible beside server.workers, whose processes share their sessions by sockets of \
                their own";
            invalid("cluster.peers", message);
        }
        if self.cluster.node.len() > MAX_NODE {
            invalid("cluster.node", "up to 58 letters, digits and - _ . are expected beside server.workers");
        }
        invalid_settings
    }
}

#[cfg(all(test, unix))]
mod tests {
    use crate::config::Config;

    fn keys(change: impl FnOnce(&mut Config)) -> Vec<&'static str> {
        let mut config = Config::default();
        config.server.workers = 3;
        change(&mut config);
        config.check().err().into_iter().flatten().map(|error| error.key).collect()
    }

    #[test]
    fn each_mistake_has_its_key() {
        assert_eq!(keys(|_| {}), [""; 0]);
        assert_eq!(keys(|config| config.server.workers = 64), [""; 0]);
        assert_eq!(keys(|config| config.server.workers = 65), ["server.workers"]);
        assert_eq!(keys(|config| config.cluster.redis = "redis://127.0.0.1/".into()), [""; 0]);
        assert_eq!(keys(|config| config.cluster.node = "n".repeat(58)), [""; 0]);
        assert_eq!(keys(|config| config.cluster.node = "n".repeat(59)), ["cluster.node"]);
        let shared = |config: &mut Config| {
            config.cluster.redis = "redis://127.0.0.1/".into();
            config.cluster.peers = vec!["unix:/run/a.sock".to_owned()];
            config.cluster.peers_listen = "unix:/run/a.sock".to_owned();
        };
        assert_eq!(keys(shared), ["cluster.peers"]);
        // Without workers both are right.
        let alone = |config: &mut Config| {
            shared(config);
            config.server.workers = 0;
        };
        assert_eq!(keys(alone), [""; 0]);
    }
}
