//! A master, a replica and three sentinels.

use std::time::Duration;

use super::{RedisServer, replicated, until};
use crate::raw::soon;
use crate::tls::Authority;

/// The name of the service.
const SERVICE: &str = "tests";

/// A service that Sentinel watches: two servers, of which one is the master.
#[derive(Debug)]
pub struct Sentinels {
    /// The servers.
    pub servers: [RedisServer; 2],
    /// The sentinels.
    pub sentinels: Vec<RedisServer>,
    scheme: &'static str,
}

impl Sentinels {
    /// Starts them, and waits until they know each other.
    pub async fn start() -> Self {
        Self::start_with(&[], "redis-sentinel").await
    }

    /// As [`start`](Self::start), with TLS alone.
    pub async fn start_with_tls(authority: &Authority) -> Self {
        Self::start_with(&authority.arguments_of_redis(), "rediss-sentinel").await
    }

    async fn start_with(more: &[&str], scheme: &'static str) -> Self {
        let arguments = [&["--repl-diskless-sync-delay", "0"], more].concat();
        let master = RedisServer::start_on_tcp(&arguments).await;
        let replica_of = format!("127.0.0.1 {}", master.port());
        let replica =
            RedisServer::start_on_tcp(&[&arguments[..], &["--replicaof", &replica_of]].concat()).await;
        let servers = [master, replica];
        until(&servers[1], "ROLE", "connected").await;
        let configuration = format!(
            "sentinel monitor {SERVICE} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {SERVICE} 500\n\
             sentinel failover-timeout {SERVICE} 1000\n",
            servers[0].port()
        );
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(RedisServer::sentinel_with(&configuration, more).await);
        }
        let group = Self { servers, sentinels, scheme };
        group.settled().await;
        group
    }

    /// The URL of the service.
    pub fn url(&self) -> String {
        let sentinels: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("{}://{}/{SERVICE}", self.scheme, sentinels.join(","))
    }

    /// Has the sentinels change the master.
    pub async fn fail_over(&self) {
        let command = format!("SENTINEL FAILOVER {SERVICE}");
        soon(async {
            while !self.sentinels[0].command(&command).await.starts_with("+OK") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Waits until the replica has what the master has now.
    pub async fn replicated(&self) {
        replicated(&self.servers[0], &self.servers[1]).await;
    }

    /// Waits until every sentinel knows the others, and the replica has the data of the master.
    async fn settled(&self) {
        for sentinel in &self.sentinels {
            let command = format!("SENTINEL MASTER {SERVICE}");
            for wanted in
                ["num-other-sentinels\r\n$1\r\n2", "num-slaves\r\n$1\r\n1", "flags\r\n$6\r\nmaster\r\n"]
            {
                until(sentinel, &command, wanted).await;
            }
            let replicas = format!("SENTINEL REPLICAS {SERVICE}");
            until(sentinel, &replicas, "master-link-status\r\n$2\r\nok").await;
        }
    }
}
