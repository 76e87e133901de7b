//! NATS servers for tests.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use socketio_nats::Nats;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::gate::Gate;
use crate::ports::free_port;
use crate::raw::{Request, soon};
use crate::tls::Authority;

/// Error message when NATS cannot be started.
const NEEDED: &str = "nats-server 2 is needed on the PATH, or `cargo xtask test`, which installs it";

/// A running NATS server on a TCP port. It is killed on drop.
#[derive(Debug)]
pub struct NatsServer {
    process: Child,
    folder: TempDir,
    port: u16,
    /// The port of its monitoring.
    monitoring: Option<u16>,
}

impl NatsServer {
    /// Starts a server.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts a server with this configuration.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_with(configuration: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a directory"), free_port());
        std::fs::write(folder.path().join("nats.conf"), configuration)
            .expect("the directory can be written to");
        let server = Self { process: spawn(&folder, port), folder, port, monitoring: None };
        server.started().await;
        server
    }

    /// Starts a server that requires TLS.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_with_tls(authority: &Authority) -> Self {
        let root = authority.root_path();
        let folder = root.parent().expect("a folder").display();
        let [certificate, key] = ["server.pem", "server.key"].map(|file| format!("{folder}/{file}"));
        Self::start_with(&format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}")).await
    }

    /// Starts two servers of one NATS cluster, and waits until they know each other.
    pub async fn pair() -> [Self; 2] {
        let [first, second] = [free_port(), free_port()];
        let listen = |port| format!("listen: \"127.0.0.1:{port}\", name: pair");
        let one = Self::start_with(&format!("cluster {{ {} }}", listen(first))).await;
        let routes = format!("routes: [\"nats://127.0.0.1:{first}\"]");
        let other = Self::start_with(&format!("cluster {{ {}, {routes} }}", listen(second))).await;
        let pair = [one, other];
        for (server, other) in pair.iter().zip(pair.iter().rev()) {
            let named = format!("127.0.0.1:{}\"", other.port);
            crate::raw::until(async || server.info().await.contains(&named)).await;
        }
        pair
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The log of the server.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log(&self.folder)).unwrap_or_default()
    }

    /// INFO of the server, which a new connection receives.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn info(&self) -> String {
        let stream = soon(TcpStream::connect(("127.0.0.1", self.port))).await.expect("it listens");
        let mut info = String::new();
        soon(BufReader::new(stream).read_line(&mut info)).await.expect("it answers");
        info
    }

    /// Starts a server with monitoring.
    pub async fn start_monitored() -> Self {
        let monitoring = free_port();
        let mut server = Self::start_with(&format!("http: \"127.0.0.1:{monitoring}\"")).await;
        server.monitoring = Some(monitoring);
        server
    }

    /// The connections as a server with monitoring shows them, with their subjects.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn connections(&self) -> Vec<(String, Vec<String>)> {
        let addr = ([127, 0, 0, 1], self.monitoring.expect("it has monitoring")).into();
        let body = Request::new("GET", "/connz?subs=1").send(addr).await.body;
        let report: Value = serde_json::from_slice(&body).expect("JSON");
        let texts = |list: &Value| -> Vec<String> {
            let list = list.as_array().into_iter().flatten();
            list.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
        };
        let connections = report["connections"].as_array().into_iter().flatten();
        connections
            .map(|connection| {
                let name = connection["name"].as_str().unwrap_or_default();
                (name.to_owned(), texts(&connection["subscriptions_list"]))
            })
            .collect()
    }

    /// Publishes messages on a subject, and waits until the server has taken them.
    ///
    /// # Panics
    ///
    /// When the server refuses them.
    pub async fn publish(&self, subject: &str, payloads: &[&[u8]]) {
        let mut stream = soon(TcpStream::connect(("127.0.0.1", self.port))).await.expect("it listens");
        let mut bytes = b"CONNECT {\"verbose\":false}\r\n".to_vec();
        for payload in payloads {
            bytes.extend_from_slice(format!("PUB {subject} {}\r\n", payload.len()).as_bytes());
            bytes.extend_from_slice(payload);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"PING\r\n");
        soon(stream.write_all(&bytes)).await.expect("it reads");
        let mut lines = BufReader::new(stream).lines();
        loop {
            let line = soon(lines.next_line()).await.expect("it answers").expect("it answers");
            match line.split(' ').next() {
                Some("PONG") => return,
                Some("INFO") => {}
                _ => panic!("{line}"),
            }
        }
    }

    /// Kills the server.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Starts the server again, after it was killed.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.folder, self.port);
        self.started().await;
    }

    /// Stops the process, which keeps its connections, or lets it go on.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub async fn pause(&self, pause: bool) {
        let signal = if pause { "-STOP" } else { "-CONT" };
        let id = self.process.id().expect("it runs").to_string();
        let done = Command::new("kill").args([signal, &id]).status().await.expect("kill can be run");
        assert!(done.success());
    }

    async fn started(&self) {
        soon(async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

fn log(folder: &TempDir) -> PathBuf {
    folder.path().join("nats.log")
}

fn spawn(folder: &TempDir, port: u16) -> Child {
    Command::new("nats-server")
        .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
        .arg("--config")
        .arg(folder.path().join("nats.conf"))
        .arg("--log")
        .arg(log(folder))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{NEEDED}: {error}"))
}

/// Connections that notice within a fraction of the default times.
///
/// # Panics
///
/// When the URL is wrong.
pub fn hasty(url: &str) -> Nats {
    Nats::open(url)
        .expect("a URL")
        .client_name("node")
        .timeout(Duration::from_millis(500))
        .probe_interval(Duration::from_millis(200))
        .reconnect_delay(Duration::from_millis(10), Duration::from_millis(100))
}

/// An open gate in front of a NATS server, and the URL of the server behind it.
///
/// # Panics
///
/// When no port is free.
pub async fn gate_in_front_of(nats: &NatsServer) -> (Gate, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("it works");
    let (addr, gate) = (listener.local_addr().expect("it works"), Gate::new());
    tokio::spawn(pass(listener, nats.port(), gate.clone()));
    (gate, format!("nats://{addr}"))
}

/// Passes connections on to the NATS server at this port.
///
/// # Panics
///
/// When the listener fails.
pub async fn pass(listener: TcpListener, port: u16, gate: Gate) {
    loop {
        let (stream, _) = listener.accept().await.expect("it works");
        let gate = gate.clone();
        tokio::spawn(async move {
            let Ok(upstream) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            gate.pass(stream, upstream).await;
        });
    }
}
