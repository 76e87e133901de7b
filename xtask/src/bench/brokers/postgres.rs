//! PostgreSQL, with notifications.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::super::launch::pinned;
use super::{BATCH, Broker, START, Stream, failed};
use crate::paths::root;
use crate::run::Run;

/// Port in the name of the socket; the server listens on no address.
const PORT: &str = "5432";
/// Version 3.0 of the protocol.
const PROTOCOL: i32 = 3 << 16;

/// The version of the server.
pub(super) fn version() -> Result<String, String> {
    let version = Run::new(&find("postgres").to_string_lossy(), &["--version"], &root()).output()?;
    Ok(version.split_whitespace().nth(2).unwrap_or("unknown").to_owned())
}

/// A PostgreSQL server with an empty database, ended on drop.
pub(super) struct Postgres {
    process: Child,
    folder: PathBuf,
}

impl Postgres {
    pub(super) fn start() -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("socketio-bench-postgres-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(failed)?;
        if is_root() {
            Run::new("chown", &["postgres", &folder.to_string_lossy()], &root()).output()?;
        }
        let data = folder.join("data");
        let initdb = unprivileged("initdb")
            .arg("-D")
            .arg(&data)
            .args(["-A", "trust", "-U", "postgres", "--no-sync", "--no-instructions"])
            .stdout(Stdio::null())
            .status()
            .map_err(failed)?;
        if !initdb.success() {
            return Err("initdb fails".to_owned());
        }
        let process = unprivileged("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder)
            .args([
                "-p",
                PORT,
                "-c",
                "listen_addresses=",
                "-c",
                "autovacuum=off",
                "-c",
                "max_connections=150",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let postgres = Self { process, folder };
        let begun = Instant::now();
        while Connection::open(&postgres.folder).is_err() {
            if begun.elapsed() > START {
                return Err("the PostgreSQL server does not listen".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(postgres)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT ends the processes of the connections too.
        let _ = Run::new("kill", &["-QUIT", &self.process.id().to_string()], &root()).output();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Broker for Postgres {
    fn id(&self) -> u32 {
        self.process.id()
    }

    fn subscriber(&self) -> Result<Box<dyn Stream>, String> {
        let mut connection = Connection::open(&self.folder)?;
        connection.0.write_all(&query("LISTEN c")).map_err(failed)?;
        connection.until_ready()?;
        Ok(Box::new(connection.0))
    }

    fn publisher(&self) -> Result<Box<dyn Stream>, String> {
        loop {
            let mut connection = Connection::open(&self.folder)?;
            connection.0.write_all(&query("SELECT pg_backend_pid()")).map_err(failed)?;
            // Its process is in each notification, whose bytes are counted by the letter of the payload.
            if !connection.until_ready()?.to_be_bytes().contains(&b'x') {
                return Ok(Box::new(connection.0));
            }
        }
    }

    fn message(&self, payload: &str) -> Vec<u8> {
        query(&format!("NOTIFY c, '{payload}'"))
    }

    fn publish(&self, mut stream: &mut dyn Stream, batch: &[u8]) -> Result<(), String> {
        stream.write_all(batch).map_err(failed)?;
        for _ in 0..BATCH {
            while read_message(&mut stream)?.0 != b'Z' {}
        }
        Ok(())
    }
}

/// A connection whose startup has ended.
struct Connection(UnixStream);

impl Connection {
    fn open(folder: &Path) -> Result<Self, String> {
        let stream = UnixStream::connect(folder.join(format!(".s.PGSQL.{PORT}"))).map_err(failed)?;
        let mut connection = Self(stream);
        let parameters = b"user\0postgres\0database\0postgres\0\0";
        let length = i32::try_from(parameters.len() + 8).map_err(failed)?;
        let startup = [&length.to_be_bytes()[..], &PROTOCOL.to_be_bytes(), parameters].concat();
        connection.0.write_all(&startup).map_err(failed)?;
        connection.until_ready()?;
        Ok(connection)
    }

    /// Reads until the server is ready for a query. Returns the number in the last row, or 0.
    fn until_ready(&mut self) -> Result<u32, String> {
        let mut number = 0;
        loop {
            match read_message(&mut self.0)? {
                (b'Z', _) => return Ok(number),
                (b'E', text) => return Err(String::from_utf8_lossy(&text).into_owned()),
                // One column: its number and its length are before it.
                (b'D', row) => {
                    let text = row.get(6..).and_then(|text| std::str::from_utf8(text).ok());
                    number = text.and_then(|text| text.parse().ok()).unwrap_or_default();
                }
                _ => {}
            }
        }
    }
}

fn query(sql: &str) -> Vec<u8> {
    let length = i32::try_from(sql.len() + 5).unwrap_or(i32::MAX);
    [b"Q", &length.to_be_bytes()[..], sql.as_bytes(), b"\0"].concat()
}

/// The kind of a message, and its content.
fn read_message(stream: &mut impl Read) -> Result<(u8, Vec<u8>), String> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).map_err(failed)?;
    let length = i32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut content = vec![0; usize::try_from(length - 4).map_err(failed)?];
    stream.read_exact(&mut content).map_err(failed)?;
    Ok((head[0], content))
}

/// A program of PostgreSQL, as the user `postgres` if this one is root, with whom it refuses to run.
fn unprivileged(program: &str) -> Command {
    let program = find(program).to_string_lossy().into_owned();
    if !is_root() {
        return pinned(&program, "1");
    }
    let mut command = pinned("setpriv", "1");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--", &program]);
    // The directory of the caller may not be readable for it.
    command.current_dir("/");
    command
}

/// The newest version of Debian's packages, or what is on the PATH.
fn find(program: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).max_by_key(version);
    let found = newest.map(|folder| folder.join("bin").join(program)).filter(|path| path.exists());
    found.unwrap_or_else(|| program.into())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
