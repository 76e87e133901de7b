//! Redis servers for tests, each with an empty data set in a directory of its own.

mod cluster;
mod sentinel;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

pub use self::cluster::RedisCluster;
pub use self::sentinel::Sentinels;
use crate::ports::free_port;
use crate::raw::soon;

/// Error message when Redis cannot be started.
const NEEDED: &str =
    "redis-server 6.2 or newer is needed on the PATH, or `cargo xtask test`, which installs it";

/// A running Redis server, which listens on a Unix socket, and on a TCP port if other servers have to reach it. It is
/// killed on drop.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts a server.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with further arguments.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_with(arguments: &[&str]) -> Self {
        Self::run(0, arguments, None).await
    }

    /// Starts a server that listens on a TCP port too.
    pub async fn start_on_tcp(arguments: &[&str]) -> Self {
        Self::run(free_port(), arguments, None).await
    }

    /// Starts a sentinel with this configuration.
    pub async fn sentinel(configuration: &str) -> Self {
        Self::sentinel_with(configuration, &[]).await
    }

    /// Starts a sentinel with this configuration and further arguments.
    async fn sentinel_with(configuration: &str, arguments: &[&str]) -> Self {
        Self::run(free_port(), &[&["--sentinel"], arguments].concat(), Some(configuration)).await
    }

    /// Starts a server, which reads and writes a file with this configuration first.
    async fn run(port: u16, arguments: &[&str], configuration: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        if let Some(configuration) = configuration {
            let file = folder.path().join("redis.conf");
            std::fs::write(&file, configuration).expect("the directory can be written to");
            arguments.insert(0, file.to_str().expect("a path in UTF-8").to_owned());
        }
        let process = spawn(&folder, port, &arguments);
        let server = Self { process, folder, port, arguments };
        server.started().await;
        server
    }

    /// The TCP port; 0 without one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of its socket.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.path().display())
    }

    /// Sends a command, as in telnet, and returns the reply as it comes.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub async fn command(&self, line: &str) -> String {
        let mut stream = soon(UnixStream::connect(self.path())).await.expect("it listens");
        stream.write_all(format!("{line}\r\n").as_bytes()).await.expect("it reads");
        // It closes the connection when it has answered. A sentinel does not know QUIT.
        stream.shutdown().await.expect("it reads");
        let mut reply = Vec::new();
        soon(stream.read_to_end(&mut reply)).await.expect("it answers");
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// The ids of the connections with this name.
    pub async fn connections(&self, name: &str) -> Vec<String> {
        let name = format!(" name={name} ");
        let list = self.command("CLIENT LIST").await;
        let lines = list.lines().filter(|line| line.contains(&name));
        lines.filter_map(|line| Some(line.split_once("id=")?.1.split(' ').next()?.to_owned())).collect()
    }

    /// Kills the server.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Starts the server again, after it was killed.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.folder, self.port, &self.arguments);
        self.started().await;
    }

    /// Stops the process, which keeps its connections, or lets it go on.
    pub async fn pause(&self, pause: bool) {
        let signal = if pause { "-STOP" } else { "-CONT" };
        let id = self.process.id().expect("it runs").to_string();
        let done = Command::new("kill").args([signal, &id]).status().await.expect("kill can be run");
        assert!(done.success());
    }

    async fn started(&self) {
        soon(async {
            loop {
                if let Ok(mut stream) = UnixStream::connect(self.path()).await {
                    let mut reply = [0; 5];
                    // With a password it refuses the command.
                    if stream.write_all(b"PING\r\n").await.is_ok()
                        && stream.read_exact(&mut reply).await.is_ok()
                        && (reply == *b"+PONG" || reply == *b"-NOAU")
                    {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// Waits until a server answers with this text.
async fn until(server: &RedisServer, command: &str, wanted: &str) {
    soon(async {
        while !server.command(command).await.contains(wanted) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Waits until a replica has what its master has now.
async fn replicated(master: &RedisServer, replica: &RedisServer) {
    let now = offset(master, "master_repl_offset:").await;
    soon(async {
        while offset(replica, "slave_repl_offset:").await < now {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn offset(server: &RedisServer, field: &str) -> u64 {
    let report = server.command("INFO replication").await;
    let value = report.lines().find_map(|line| line.strip_prefix(field)).expect("an offset");
    value.trim().parse().expect("a number")
}

fn spawn(folder: &TempDir, port: u16, arguments: &[String]) -> Child {
    let socket = folder.path().join("redis.sock");
    // Left over by a killed server.
    let _ = std::fs::remove_file(&socket);
    let mut command = Command::new("redis-server");
    // A file comes first.
    let (file, arguments) =
        arguments.split_at(arguments.iter().take_while(|first| !first.starts_with("--")).count());
    let has_tls = arguments.iter().any(|argument| argument == "--tls-cert-file");
    let kind = if has_tls { "--tls-port" } else { "--port" };
    command.args(file).args(["--port", "0", kind, &port.to_string(), "--bind", "127.0.0.1"]);
    command.arg("--dir").arg(folder.path());
    if !arguments.iter().any(|argument| argument == "--sentinel") {
        command.args(["--save", "", "--appendonly", "no"]);
    }
    command
        .arg("--unixsocket")
        .arg(&socket)
        .args(arguments)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{NEEDED}: {error}"))
}
