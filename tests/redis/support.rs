//! Clusters of servers of both kinds on one Redis server.

use std::net::SocketAddr;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use socketio_redis::{
    ClassicAdapter, ClassicEmitter, Connections, Emitter, Redis, ShardedAdapter, ShardedEmitter,
    StreamsAdapter, StreamsEmitter, SubscriptionMode,
};
use socketio_server::cluster::Adapter;
use socketio_server::{Ack, Arguments, Parser, RawArgs, Server, ServerBuilder, Socket};
pub(crate) use tests::cluster::{Client, NONE};
use tests::program::Program;
use tests::raw::soon;
use tests::redis::RedisServer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin};
use tokio::sync::{Mutex, mpsc, oneshot};

/// A server of ours.
pub(crate) struct Rust {
    pub(crate) io: Server,
    pub(crate) addr: SocketAddr,
    pub(crate) connections: Connections,
    /// The events of other servers.
    pub(crate) hello: mpsc::UnboundedReceiver<Value>,
}

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

impl Rust {
    /// Starts a server with this adapter, and waits until it hears the others.
    pub(crate) async fn start(adapter: ClassicAdapter) -> Self {
        let connections = adapter.connections().clone();
        Self::start_with(adapter, connections).await
    }

    /// As [`start`](Self::start), with an adapter of any kind.
    pub(crate) async fn start_with(adapter: impl Adapter, connections: Connections) -> Self {
        Self::build(Server::builder().adapter(adapter), connections).await
    }

    /// A server with these settings, whose adapter has these connections.
    pub(crate) async fn build(builder: ServerBuilder, connections: Connections) -> Self {
        let io = builder.ping_interval(Duration::from_secs(60)).build().unwrap();
        io.on_connect(|socket: Socket| async move {
            socket.data().set("user", "rust").unwrap();
        });
        io.on("echo", |args: RawArgs| async move { Ack(args) });
        let (sender, hello) = mpsc::unbounded_channel();
        io.on_server_event("hello", move |Arguments(args): Arguments<Value>| {
            // The test may be over.
            let _ = sender.send(args.clone());
            async move { Ack(json!({"from": "rust", "args": args})) }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = io.clone();
        tokio::spawn(async move { serving.serve(listener).await });
        soon(connections.ready()).await;
        Self { io, addr, connections, hello }
    }

    pub(crate) async fn classic(redis: &RedisServer) -> Self {
        Self::start(ClassicAdapter::new(&Redis::open(&redis.url()).unwrap())).await
    }

    pub(crate) async fn sharded(redis: &RedisServer, mode: SubscriptionMode) -> Self {
        let builder = ShardedAdapter::builder(&Redis::open(&redis.url()).unwrap());
        let adapter = builder.subscription_mode(mode).build();
        let connections = adapter.connections().clone();
        Self::start_with(adapter, connections).await
    }

    pub(crate) async fn streams(redis: &RedisServer) -> Self {
        let adapter = StreamsAdapter::new(&Redis::open(&redis.url()).unwrap());
        let connections = adapter.connections().clone();
        Self::start_with(adapter, connections).await
    }
}

impl Node {
    /// Starts a server with an adapter and its options.
    pub(crate) async fn start(kind: &str, redis: &RedisServer, options: Value) -> Self {
        Self::start_on(kind, redis.path().to_str().unwrap(), options).await
    }

    /// As [`start`](Self::start), at a path or a URL.
    pub(crate) async fn start_on(kind: &str, redis: &str, options: Value) -> Self {
        let mut node = tests::node::command();
        node.args(["cluster-node.mjs", kind, redis, &options.to_string()]).stdin(Stdio::piped());
        let mut program = Program::start(&mut node, tests::node::NEEDED);
        let port: u16 = program.line().await.parse().unwrap();
        let Program { mut process, mut lines } = program;
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
    pub(crate) redis: RedisServer,
    pub(crate) rust: Vec<Rust>,
    pub(crate) node: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    medium: Medium,
}

#[derive(Clone, Copy)]
enum Medium {
    Classic,
    Sharded(SubscriptionMode),
    Streams,
}

impl Cluster {
    pub(crate) async fn classic() -> Self {
        let redis = RedisServer::start().await;
        let rust = vec![Rust::classic(&redis).await, Rust::classic(&redis).await];
        let node = vec![
            Node::start("classic", &redis, json!({})).await,
            Node::start("classic", &redis, json!({"publishOnSpecificResponseChannel": true})).await,
        ];
        Self::of(redis, rust, node, Medium::Classic).await
    }

    /// With JSON in place of msgpack.
    pub(crate) async fn classic_json() -> Self {
        let redis = RedisServer::start().await;
        let settings = Redis::open(&redis.url()).unwrap();
        let adapter = || ClassicAdapter::builder(&settings).parser(Parser::Json).key("json").build();
        let rust = vec![Rust::start(adapter()).await, Rust::start(adapter()).await];
        let options = json!({"parser": "json", "key": "json"});
        let node = vec![
            Node::start("classic", &redis, options.clone()).await,
            Node::start("classic", &redis, options).await,
        ];
        Self::of(redis, rust, node, Medium::Classic).await
    }

    pub(crate) async fn sharded(mode: SubscriptionMode) -> Self {
        let redis = RedisServer::start().await;
        let rust = vec![Rust::sharded(&redis, mode).await, Rust::sharded(&redis, mode).await];
        let name = match mode {
            SubscriptionMode::Static => "static",
            SubscriptionMode::Dynamic => "dynamic",
            SubscriptionMode::DynamicPrivate => "dynamic-private",
        };
        let options = json!({"subscriptionMode": name});
        let node = vec![
            Node::start("sharded", &redis, options.clone()).await,
            Node::start("sharded", &redis, options).await,
        ];
        Self::of(redis, rust, node, Medium::Sharded(mode)).await
    }

    pub(crate) async fn streams() -> Self {
        let redis = RedisServer::start().await;
        let rust = vec![Rust::streams(&redis).await, Rust::streams(&redis).await];
        let options = json!({"blockTimeInMs": 200});
        let node = vec![
            Node::start("streams", &redis, options.clone()).await,
            Node::start("streams", &redis, options).await,
        ];
        Self::of(redis, rust, node, Medium::Streams).await
    }

    /// The events of servers, at each server.
    pub(crate) fn hellos(&mut self) -> impl Iterator<Item = &mut mpsc::UnboundedReceiver<Value>> {
        let rust = self.rust.iter_mut().map(|rust| &mut rust.hello);
        rust.chain(self.node.iter_mut().map(|node| &mut node.hello))
    }

    /// An emitter for the adapter of the servers.
    pub(crate) fn emitter(&self) -> Emitter {
        let redis = Redis::open(&self.redis.url()).unwrap();
        match self.medium {
            Medium::Classic => ClassicEmitter::new(&redis).build(),
            Medium::Sharded(mode) => ShardedEmitter::new(&redis).subscription_mode(mode).build(),
            Medium::Streams => StreamsEmitter::new(&redis).build(),
        }
    }

    async fn of(redis: RedisServer, rust: Vec<Rust>, node: Vec<Node>, medium: Medium) -> Self {
        let addresses = rust.iter().map(|rust| rust.addr).chain(node.iter().map(|node| node.addr));
        let mut clients = Vec::new();
        for addr in addresses {
            clients.push(Client::connect(addr).await);
        }
        let mut cluster = Self { redis, rust, node, clients, medium };
        cluster.settled().await;
        if matches!(cluster.medium, Medium::Streams) {
            cluster.flowing().await;
        }
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

    /// Waits until the official servers have read an entry of the stream. Until then they lose those that are
    /// written between two of their reads.
    async fn flowing(&mut self) {
        let io = self.rust[0].io.clone();
        for client in &mut self.clients[self.rust.len()..] {
            let mut text = pin!(client.text());
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                tokio::select! {
                    _ = &mut text => break,
                    _ = ticks.tick() => io.emit("begin", &NONE).await.unwrap(),
                }
            }
        }
        io.emit("begun", &NONE).await.unwrap();
        for client in &mut self.clients {
            while client.text().await != r#"42["begun"]"# {}
        }
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
