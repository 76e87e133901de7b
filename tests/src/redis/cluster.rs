//! A Redis Cluster of three masters.

use super::{RedisServer, replicated, until};
use crate::ports::free_port;
use crate::tls::Authority;

/// The number of slots.
const SLOTS: usize = 16384;

/// Three servers, each with a third of the slots.
#[derive(Debug)]
pub struct RedisCluster {
    /// The servers.
    pub servers: Vec<RedisServer>,
    /// Further arguments of each server.
    arguments: Vec<String>,
    scheme: &'static str,
}

impl RedisCluster {
    /// Starts the servers, and waits until they know each other.
    pub async fn start() -> Self {
        Self::start_with(&[], "redis-cluster").await
    }

    /// As [`start`](Self::start), with TLS alone, between the servers too.
    pub async fn start_with_tls(authority: &Authority) -> Self {
        Self::start_with(&authority.arguments_of_redis(), "rediss-cluster").await
    }

    async fn start_with(arguments: &[&str], scheme: &'static str) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut servers = Vec::new();
        let mut bus_ports = Vec::new();
        for _ in 0..3 {
            let (server, bus) = start_server(&arguments).await;
            servers.push(server);
            bus_ports.push(bus);
        }
        for (number, server) in servers.iter().enumerate() {
            let (first, last) = (number * SLOTS / 3, (number + 1) * SLOTS / 3 - 1);
            accepted(server, &format!("CLUSTER ADDSLOTSRANGE {first} {last}")).await;
            accepted(server, &format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1)).await;
        }
        for (server, bus) in servers.iter().zip(&bus_ports).skip(1) {
            accepted(&servers[0], &format!("CLUSTER MEET 127.0.0.1 {} {bus}", server.port())).await;
        }
        let cluster = Self { servers, arguments, scheme };
        cluster.settled().await;
        cluster
    }

    /// Adds a replica of a server, which takes over when that one is lost.
    pub async fn add_replica(&mut self, of: usize) {
        let (replica, bus) = start_server(&self.arguments).await;
        accepted(&self.servers[0], &format!("CLUSTER MEET 127.0.0.1 {} {bus}", replica.port())).await;
        for server in self.servers.iter().chain([&replica]) {
            until(server, "CLUSTER INFO", "cluster_known_nodes:4").await;
        }
        let id = self.id(of).await;
        accepted(&replica, &format!("CLUSTER REPLICATE {id}")).await;
        until(&replica, "ROLE", "connected").await;
        for server in &self.servers {
            until(server, "CLUSTER NODES", &format!("slave {id}")).await;
        }
        self.servers.push(replica);
    }

    /// Waits until the replica that was added has what the server has now.
    pub async fn replicated(&self, of: usize) {
        let replica = self.servers.last().expect("a replica");
        replicated(&self.servers[of], replica).await;
    }

    async fn id(&self, number: usize) -> String {
        let id = self.servers[number].command("CLUSTER MYID").await;
        id.lines().nth(1).expect("an id").to_owned()
    }

    /// Waits until every server knows who has which slots.
    pub async fn settled(&self) {
        for server in &self.servers {
            for wanted in ["cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:3"] {
                until(server, "CLUSTER INFO", wanted).await;
            }
        }
    }

    /// The URL of the cluster.
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
        format!("{}://{}", self.scheme, hosts.join(","))
    }

    /// The server that had the slot of a key at the start.
    pub async fn owner(&self, key: &str) -> usize {
        let slot = self.slot(key).await;
        (0..3).find(|number| slot < (number + 1) * SLOTS / 3).expect("a slot")
    }

    async fn slot(&self, key: &str) -> usize {
        let reply = self.servers[0].command(&format!("CLUSTER KEYSLOT \"{key}\"")).await;
        reply.trim().trim_start_matches(':').parse().expect("a number")
    }

    /// Moves the slot of a key from its first owner to another server, with what is in it.
    pub async fn move_slot(&self, key: &str, to: usize) {
        let slot = self.slot(key).await;
        let from = self.owner(key).await;
        let mut ids = Vec::new();
        for number in 0..self.servers.len() {
            ids.push(self.id(number).await);
        }
        let (source, target) = (&self.servers[from], &self.servers[to]);
        accepted(target, &format!("CLUSTER SETSLOT {slot} IMPORTING {}", ids[from])).await;
        accepted(source, &format!("CLUSTER SETSLOT {slot} MIGRATING {}", ids[to])).await;
        loop {
            let keys = source.command(&format!("CLUSTER GETKEYSINSLOT {slot} 100")).await;
            let keys: Vec<&str> =
                keys.lines().filter(|line| !line.starts_with(['*', '$']) && !line.is_empty()).collect();
            if keys.is_empty() {
                break;
            }
            for key in keys {
                accepted(source, &format!("MIGRATE 127.0.0.1 {} \"{key}\" 0 5000", target.port())).await;
            }
        }
        let other = &self.servers[3 - from - to];
        for server in [target, source, other] {
            accepted(server, &format!("CLUSTER SETSLOT {slot} NODE {}", ids[to])).await;
        }
    }
}

/// A server of a cluster, with the port for the other servers.
async fn start_server(more: &[String]) -> (RedisServer, u16) {
    let bus = free_port();
    let port = bus.to_string();
    let mut arguments = vec![
        "--cluster-enabled",
        "yes",
        "--cluster-config-file",
        "nodes.conf",
        "--cluster-port",
        &port,
        "--cluster-node-timeout",
        "1000",
        "--cluster-require-full-coverage",
        "no",
        "--repl-diskless-sync-delay",
        "0",
    ];
    arguments.extend(more.iter().map(String::as_str));
    (RedisServer::start_on_tcp(&arguments).await, bus)
}

async fn accepted(server: &RedisServer, command: &str) {
    let reply = server.command(command).await;
    assert!(reply.starts_with("+OK"), "{command}: {reply}");
}
