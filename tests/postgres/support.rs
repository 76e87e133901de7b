//! Clusters of servers of both kinds on one PostgreSQL server.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use socketio_postgres::{Emitter, Postgres, PostgresAdapter, PostgresEmitter};
pub(crate) use tests::cluster::{Client, NONE, Rust};
use tests::postgres::PostgresServer;
use tests::raw::soon;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Senders of the answers that are awaited.
type Answers = Arc<std::sync::Mutex<Vec<(u64, oneshot::Sender<Result<Value, String>>)>>>;

/// The official server.
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    /// The events of other servers.
    pub(crate) hello: mpsc::UnboundedReceiver<Value>,
    input: Mutex<ChildStdin>,
    answers: Answers,
    next: AtomicU64,
    _process: Child,
}

impl Node {
    /// Starts a server with these options of its adapter.
    pub(crate) async fn start(postgres: &PostgresServer, options: Value) -> Self {
        let mut process = tests::node::command()
            .args(["cluster-node.mjs", "postgres"])
            .arg(postgres.path())
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect(tests::node::NEEDED);
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port: u16 = soon(lines.next_line()).await.unwrap().unwrap().parse().unwrap();
        let answers = Answers::default();
        let (sender, hello) = mpsc::unbounded_channel();
        let waiting = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut said: Value = serde_json::from_str(&line).unwrap();
                if said["ev"] == "hello" {
                    let _ = sender.send(said["args"].take());
                    continue;
                }
                let mut waiting = waiting.lock().unwrap();
                let at = waiting.iter().position(|(id, _)| said["id"] == *id).unwrap();
                let (_, sender) = waiting.remove(at);
                let answer = match said["error"].as_str() {
                    Some(error) => Err(error.to_owned()),
                    None => Ok(said["ok"].take()),
                };
                let _ = sender.send(answer);
            }
        });
        Self {
            addr: ([127, 0, 0, 1], port).into(),
            hello,
            input: Mutex::new(process.stdin.take().unwrap()),
            answers,
            next: AtomicU64::new(0),
            _process: process,
        }
    }

    /// Carries out a command, and returns its answer.
    pub(crate) async fn ask(&self, op: &str, mut command: Value) -> Result<Value, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        (command["id"], command["op"]) = (id.into(), op.into());
        let (sender, answer) = oneshot::channel();
        self.answers.lock().unwrap().push((id, sender));
        self.input.lock().await.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        soon(answer).await.unwrap()
    }

    /// Carries out a command that cannot fail.
    pub(crate) async fn run(&self, op: &str, command: Value) -> Value {
        self.ask(op, command).await.unwrap()
    }
}

/// Two servers of each kind, with a client at each: the first two are ours.
pub(crate) struct Cluster {
    pub(crate) postgres: PostgresServer,
    pub(crate) rust: Vec<Rust>,
    pub(crate) node: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    threshold: usize,
}

impl Cluster {
    /// A cluster in which messages of more bytes are rows.
    pub(crate) async fn start(threshold: usize) -> Self {
        let postgres = PostgresServer::start().await;
        let settings = Postgres::open(&postgres.url()).unwrap();
        let adapter = || PostgresAdapter::builder(&settings).payload_threshold(threshold).build();
        let rust = vec![Rust::start(adapter()).await, Rust::start(adapter()).await];
        let options = json!({"payloadThreshold": threshold});
        let node = vec![Node::start(&postgres, options.clone()).await, Node::start(&postgres, options).await];
        Self::of(postgres, rust, node, threshold).await
    }

    /// The addresses of the servers.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let rust = self.rust.iter().map(|rust| rust.addr);
        rust.chain(self.node.iter().map(|node| node.addr)).collect()
    }

    /// The events of servers, at each server.
    pub(crate) fn hellos(&mut self) -> impl Iterator<Item = &mut mpsc::UnboundedReceiver<Value>> {
        let rust = self.rust.iter_mut().map(|rust| &mut rust.hello);
        rust.chain(self.node.iter_mut().map(|node| &mut node.hello))
    }

    /// An emitter for the servers.
    pub(crate) fn emitter(&self) -> Emitter {
        let postgres = Postgres::open(&self.postgres.url()).unwrap();
        PostgresEmitter::new(&postgres).payload_threshold(self.threshold).build()
    }

    /// A cluster of these servers, with a client at each, and emitters whose messages of more bytes are rows.
    pub(crate) async fn of(
        postgres: PostgresServer,
        rust: Vec<Rust>,
        node: Vec<Node>,
        threshold: usize,
    ) -> Self {
        let mut cluster = Self { postgres, rust, node, clients: Vec::new(), threshold };
        for addr in cluster.addresses() {
            cluster.clients.push(Client::connect(addr).await);
        }
        cluster.settled().await;
        cluster
    }

    /// Waits until each server finds the sockets of all.
    async fn settled(&self) {
        let all = self.clients.len();
        soon(async {
            for rust in &self.rust {
                while !rust.io.fetch_sockets().await.is_ok_and(|found| found.len() == all) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            for node in &self.node {
                while !node
                    .ask("fetch", json!({}))
                    .await
                    .is_ok_and(|found| found.as_array().unwrap().len() == all)
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        })
        .await;
    }

    /// The next text packet of each client.
    pub(crate) async fn texts(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        for client in &mut self.clients {
            texts.push(client.text().await);
        }
        texts
    }

    /// Checks that these texts are the next ones of these clients, and that the others receive nothing
    /// before.
    pub(crate) async fn only(&mut self, clients: &[usize], text: &str) {
        for client in clients {
            assert_eq!(self.clients[*client].text().await, text, "client {client}");
        }
        self.nothing_else().await;
    }

    /// Checks that everything published before has been received: each server emits a last event, which is
    /// the next one of each client from each server.
    pub(crate) async fn nothing_else(&mut self) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        self.subscribed().await;
        for number in 0..self.rust.len() + self.node.len() {
            let mark = NUMBER.fetch_add(1, Ordering::Relaxed);
            if let Some(rust) = self.rust.get(number) {
                rust.io.emit("mark", &mark).await.unwrap();
            } else {
                let emit = json!({"event": "mark", "args": [mark]});
                self.node[number - self.rust.len()].run("emit", emit).await;
            }
            let expected = format!(r#"42["mark",{mark}]"#);
            for (client, text) in self.texts().await.into_iter().enumerate() {
                assert_eq!(text, expected, "client {client}, from server {number}");
            }
        }
    }

    /// Waits until our servers have the channels of their rooms. Official servers do not tell; they have
    /// answered by then.
    async fn subscribed(&self) {
        for rust in &self.rust {
            soon(rust.connections.ready()).await;
        }
    }

    /// The ids of the clients.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.clients.iter().map(|client| client.id.clone()).collect()
    }

    /// Waits until a server has handled what another one has said: the rooms of each socket, in the order of
    /// the clients.
    pub(crate) async fn rooms(&self) -> Vec<Vec<String>> {
        let found = self.rust[0].io.fetch_sockets().await.unwrap();
        let rooms = |id: &String| {
            let socket = found.iter().find(|socket| socket.id() == id).unwrap();
            let rooms = socket.rooms().iter().map(ToString::to_string);
            let mut rooms: Vec<String> = rooms.filter(|room| room != id).collect();
            rooms.sort();
            rooms
        };
        self.ids().iter().map(rooms).collect()
    }
}
