//! The nodes of a simulated cluster, and what each of them does.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_server::cluster::ClusterStats;
use socketio_server::{Ack, Args, GatherError, Server, Socket};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::client::{Client, Violations};
use crate::medium::{Kind, Medium, Port};
use crate::numbers::Numbers;

/// Uptime of a node after which the others must list it.
const SETTLED: Duration = Duration::from_secs(20);
/// The deadline of requests.
const DEADLINE: Duration = Duration::from_secs(5);

/// What the simulation knows of a node.
pub(crate) struct Known {
    name: String,
    /// Since when the node is there and its link works.
    pub(crate) well_since: Instant,
    pub(crate) is_cut: bool,
    pub(crate) is_gone: bool,
}

/// All nodes that ever joined.
#[derive(Clone, Default)]
pub(crate) struct Register(Arc<Mutex<Vec<Known>>>);

impl Register {
    fn add(&self, name: &str) -> usize {
        let mut nodes = self.0.lock().unwrap();
        nodes.push(Known {
            name: name.to_owned(),
            well_since: Instant::now(),
            is_cut: false,
            is_gone: false,
        });
        nodes.len() - 1
    }

    pub(crate) fn change(&self, at: usize, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.lock().unwrap()[at]);
    }

    /// The nodes that were well for a long time before `begun`, and still are.
    fn settled(&self, begun: Instant) -> Vec<String> {
        let nodes = self.0.lock().unwrap();
        let settled = nodes.iter().filter(|node| {
            !node.is_cut && !node.is_gone && begun.saturating_duration_since(node.well_since) > SETTLED
        });
        settled.map(|node| node.name.clone()).collect()
    }

    /// Whether a node has joined or its link has returned since then. A medium that counts its nodes cannot tell its
    /// answer from that of an older node.
    fn grew_since(&self, begun: Instant) -> bool {
        self.0.lock().unwrap().iter().any(|node| node.well_since + Duration::from_secs(2) > begun)
    }
}

pub(crate) struct Node {
    pub(crate) at: usize,
    pub(crate) name: String,
    pub(crate) port: Arc<Port>,
    pub(crate) client: Client,
    server: Server,
    actor: JoinHandle<()>,
}

impl Node {
    pub(crate) fn join(
        medium: &Medium,
        kind: Kind,
        number: usize,
        register: &Register,
        violations: &Violations,
        numbers: Numbers,
    ) -> Self {
        let name = format!("n{number}");
        let server = Server::builder().ping_interval(Duration::from_secs(3600));
        let server = server.adapter(medium.clone()).node_name(name.as_str()).build().unwrap();
        let port = medium.newest();
        server.on_server_event("hello", || async { Ack(1) });
        let own = name.clone();
        server.on_connect(move |socket: Socket| {
            let own = own.clone();
            async move {
                socket.data().set("node", own).unwrap();
                socket.join("all");
            }
        });
        let client = Client::open(&server, &name, violations);
        let at = register.add(&name);
        let actor = Actor {
            server: server.clone(),
            name: name.clone(),
            kind,
            register: register.clone(),
            violations: violations.clone(),
            numbers,
            sent: 0,
        };
        let actor = tokio::spawn(actor.run());
        Self { at, name, port, client, server, actor }
    }

    /// The node disappears without a word.
    pub(crate) fn crash(self, medium: &Medium) {
        medium.remove(&self.port);
        self.actor.abort();
        self.server.engine().close();
    }

    /// The node does nothing any more of its own accord.
    pub(crate) fn rest(&self) {
        self.actor.abort();
    }

    pub(crate) fn stats(&self) -> ClusterStats {
        self.server.cluster_stats()
    }

    /// The last event of the node.
    pub(crate) async fn say_last(&self) -> bool {
        self.server.emit("event", &Args((&*self.name, u64::MAX))).await.is_ok()
    }
}

/// What a node does of its own accord.
struct Actor {
    server: Server,
    name: String,
    kind: Kind,
    register: Register,
    violations: Violations,
    numbers: Numbers,
    sent: u64,
}

impl Actor {
    async fn run(mut self) {
        loop {
            tokio::time::sleep(self.numbers.milliseconds(6000)).await;
            let begun = Instant::now();
            let operation = self.numbers.below(12);
            if timeout(DEADLINE + Duration::from_millis(10), self.act(operation, begun)).await.is_err() {
                let elapsed = begun.elapsed();
                self.violations.add(format!("operation {operation} of {} took {elapsed:?}", self.name));
            }
        }
    }

    async fn act(&mut self, operation: usize, begun: Instant) {
        let io = self.server.clone();
        match operation {
            0..=5 => {
                self.sent += 1;
                let event = Args((&*self.name, self.sent));
                let _ = if operation < 4 {
                    io.emit("event", &event).await
                } else {
                    io.to(["all", "even"]).emit("event", &event).await
                };
            }
            6 => drop(io.sockets_join("even").await),
            7 => drop(io.r#in("even").sockets_leave("even").await),
            8 | 9 => {
                let found = io.fetch_sockets().await;
                self.check(begun, found, |found, settled| {
                    let names: HashSet<&str> =
                        found.iter().filter_map(|socket| socket.data()["node"].as_str()).collect();
                    settled.iter().all(|node| names.contains(node.as_str()))
                });
            }
            10 => {
                let all = io.timeout(DEADLINE);
                let answers = all.emit_with_ack::<u32>("question", &()).await;
                self.check(begun, answers, |answers, settled| answers.len() >= settled.len());
            }
            _ => {
                let answers = io.server_side_emit_with_ack::<u32>("hello", &()).await;
                // All but this node.
                self.check(begun, answers, |answers, settled| answers.len() + 1 >= settled.len());
            }
        }
    }

    /// A result without an error has the answers of all nodes that are well; one with an error says what is missing.
    fn check<T>(
        &self,
        begun: Instant,
        result: Result<Vec<T>, GatherError<T>>,
        is_complete: impl FnOnce(&[T], &[String]) -> bool,
    ) {
        let settled = self.register.settled(begun);
        let uncertain = self.kind != Kind::Heartbeats && self.register.grew_since(begun);
        match result {
            Ok(answers) if settled.contains(&self.name) && !uncertain => {
                self.violations.count_check();
                if !is_complete(&answers, &settled) {
                    let (found, of) = (answers.len(), settled.len());
                    self.violations
                        .add(format!("{} got {found} answers of {of} without an error", self.name));
                }
            }
            Err(GatherError::Partial(partial)) if partial.missing == 0 && partial.health.is_connected() => {
                self.violations.add(format!("{} got an error that names nobody", self.name));
            }
            Ok(_) | Err(_) => {}
        }
    }
}
