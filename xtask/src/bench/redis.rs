//! Redis servers of benchmarks, and a proxy in front of one that holds all data back.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::launch::pinned;
use crate::paths::root;
use crate::run::Run;
use crate::tools;

/// Timeout for the start of a server.
const START: Duration = Duration::from_secs(10);

/// The version of the Redis server.
pub(super) fn version() -> Result<String, String> {
    let version = Run::new("redis-server", &["--version"], &root()).output()?;
    let version = version.split_whitespace().find_map(|word| word.strip_prefix("v="));
    Ok(version.unwrap_or("unknown").to_owned())
}

/// A Redis server with an empty data set, killed on drop.
pub(super) struct Redis {
    process: Child,
    folder: PathBuf,
}

impl Redis {
    pub(super) fn start() -> Result<Self, String> {
        let folder = tools::target().join("bench").join("redis");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { process: spawn(&folder)?, folder })
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    pub(super) fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts the server again, after it was killed.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        self.process = spawn(&self.folder)?;
        Ok(())
    }

    /// Sends a signal to the process: `STOP` or `CONT`.
    pub(super) fn signal(&self, name: &str) -> Result<(), String> {
        Run::new("kill", &["-s", name, &self.process.id().to_string()], &root()).output().map(drop)
    }

    /// Sends a command.
    pub(super) fn command(&self, line: &str) -> Result<(), String> {
        let failed = |error| format!("{line}: {error}");
        let mut stream = UnixStream::connect(self.socket()).map_err(failed)?;
        let mut answer = String::new();
        stream
            .write_all(format!("{line}\r\nQUIT\r\n").as_bytes())
            .and_then(|()| stream.read_to_string(&mut answer))
            .map_err(failed)?;
        if answer.starts_with('-') { Err(format!("{line}: {answer}")) } else { Ok(()) }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &Path) -> Result<Child, String> {
    let socket = folder.join("redis.sock");
    let _ = fs::remove_file(&socket);
    let process = pinned("redis-server", "1")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", "redis.sock"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("redis-server: {error}"))?;
    let begun = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        if begun.elapsed() > START {
            return Err("the Redis server does not listen".to_owned());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(process)
}

/// A proxy in front of a Redis server. While it is cut, no byte passes in either direction and connections stay open,
/// as with a network that loses everything.
pub(super) struct Proxy {
    socket: PathBuf,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_cut: Mutex<bool>,
    restored: Condvar,
}

impl Proxy {
    pub(super) fn start(redis: &Redis) -> Result<Self, String> {
        let socket = redis.folder.join("proxy.sock");
        let _ = fs::remove_file(&socket);
        let listener =
            UnixListener::bind(&socket).map_err(|error| format!("{}: {error}", socket.display()))?;
        let gate = Arc::<Gate>::default();
        let (server, opened) = (redis.socket(), Arc::clone(&gate));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that does not listen: the connection is closed.
                let Ok(server) = UnixStream::connect(&server) else { continue };
                let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else {
                    continue;
                };
                for (from, to) in [(client, to_server), (server, to_client)] {
                    let gate = Arc::clone(&opened);
                    thread::spawn(move || forward(from, to, &gate));
                }
            }
        });
        Ok(Self { socket, gate })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn cut(&self, is_cut: bool) {
        *self.gate.is_cut.lock().unwrap_or_else(PoisonError::into_inner) = is_cut;
        self.gate.restored.notify_all();
    }
}

fn forward(mut from: UnixStream, mut to: UnixStream, gate: &Gate) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let mut is_cut = gate.is_cut.lock().unwrap_or_else(PoisonError::into_inner);
        while *is_cut {
            is_cut = gate.restored.wait(is_cut).unwrap_or_else(PoisonError::into_inner);
        }
        drop(is_cut);
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
