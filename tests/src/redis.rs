//! Redis servers for tests, each with an empty data set in a directory of its own.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::raw::soon;

/// Error message when Redis cannot be started.
const NEEDED: &str =
    "redis-server 6.2 or newer is needed on the PATH, or `cargo xtask test`, which installs it";

/// A running Redis server, which listens on a Unix socket. It is killed on drop.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    folder: TempDir,
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
        let folder = tempfile::tempdir().expect("a directory");
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let process = spawn(&folder, &arguments);
        let server = Self { process, folder, arguments };
        server.started().await;
        server
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
        stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes()).await.expect("it reads");
        let mut reply = Vec::new();
        soon(stream.read_to_end(&mut reply)).await.expect("it answers");
        let reply = String::from_utf8_lossy(&reply).into_owned();
        reply.strip_suffix("+OK\r\n").unwrap_or(&reply).to_owned()
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
        self.process = spawn(&self.folder, &self.arguments);
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
                    if stream.write_all(b"PING\r\n").await.is_ok()
                        && stream.read_exact(&mut reply).await.is_ok()
                        && reply == *b"+PONG"
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

fn spawn(folder: &TempDir, arguments: &[String]) -> Child {
    let socket = folder.path().join("redis.sock");
    // Left over by a killed server.
    let _ = std::fs::remove_file(&socket);
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .arg("--unixsocket")
        .arg(&socket)
        .args(arguments)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{NEEDED}: {error}"))
}
