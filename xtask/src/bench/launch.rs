//! Starts, loads, and stops servers.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Timeout for the start of a server.
const START: Duration = Duration::from_secs(20);

/// The command of a server.
#[derive(Clone)]
pub(super) struct Launch {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    pub(super) folder: PathBuf,
    pub(super) environment: Vec<(&'static str, String)>,
    pub(super) version: String,
    /// The cores of the server, in the syntax of `taskset`.
    pub(super) cores: &'static str,
}

impl Launch {
    /// Starts the server, runs the load generator against it, and stops it. Failures of the server are part
    /// of the result; an error is a failure of the benchmark itself.
    pub(super) fn measure(&self, load: &str, arguments: &[&str]) -> Result<Value, String> {
        let (server, port) = match self.serve()? {
            Ok(serving) => serving,
            Err(why) => return Ok(json!({ "error": why })),
        };
        let pid = server.0.id().to_string();
        let mut generator = pinned(load, "1");
        generator.args(arguments).args(["--port", &port.to_string(), "--pid", &pid]);
        let output = generator.stdin(Stdio::null()).output().map_err(|error| format!("{load}: {error}"))?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{load}: {error}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Starts the server on a free port, or returns the reason why it does not serve.
    pub(super) fn serve(&self) -> Result<Result<(Server, u16), String>, String> {
        let port = free_port()?;
        let mut server = Server(self.start(port)?);
        Ok(server.listens(port).map(|()| (server, port)))
    }

    fn start(&self, port: u16) -> Result<Child, String> {
        pinned(&self.program, self.cores)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("PORT", port.to_string())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", self.program))
    }
}

/// A running server, killed on drop.
pub(super) struct Server(Child);

impl Server {
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    fn listens(&mut self, port: u16) -> Result<(), String> {
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Err(format!("the server ended: {status}"));
            }
            if begun.elapsed() > START {
                return Err("the server does not listen".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command on given cores, if there is more than one, with the maximum number of open files.
pub(super) fn pinned(program: &str, cores: &str) -> Command {
    let there = thread::available_parallelism().map_or(1, usize::from);
    let pin = if there > 1 { "exec taskset -c \"$0\" \"$@\"" } else { "exec \"$@\"" };
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n \"$(ulimit -Hn)\"; {pin}"), cores, program]);
    command
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|addr| addr.port()).map_err(|error| error.to_string())
}
