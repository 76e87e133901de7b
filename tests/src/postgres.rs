//! PostgreSQL servers for tests, each with an empty database in a directory of its own, on a Unix socket.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio_postgres::{Client, NoTls};

use crate::raw::soon;

/// Error message when PostgreSQL cannot be started.
const NEEDED: &str =
    "PostgreSQL is needed on the PATH or in /usr/lib/postgresql, or `cargo xtask test`, which installs it";

/// A running PostgreSQL server. It is killed on drop, and its processes end with it.
#[derive(Debug)]
pub struct PostgresServer {
    process: Child,
    folder: TempDir,
}

impl PostgresServer {
    /// Starts a server with the table of the adapter.
    pub async fn start() -> Self {
        let server = Self::start_empty().await;
        server.execute(TABLE).await;
        server
    }

    /// Starts a server without the table.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_empty() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path())).await;
        }
        let mut initdb = unprivileged("initdb");
        initdb.arg("-D").arg(folder.path().join("data")).args(["-A", "trust", "-U", "postgres", "--no-sync"]);
        run(initdb.stdout(Stdio::null())).await;
        let process = spawn(folder.path());
        let server = Self { process, folder };
        server.started().await;
        server
    }

    /// The folder of its socket.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.path().display())
    }

    /// A connection. It ends with the client.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub async fn client(&self) -> Client {
        let (client, connection) =
            soon(tokio_postgres::connect(&self.url(), NoTls)).await.expect("it listens");
        tokio::spawn(connection);
        client
    }

    /// Carries out statements.
    ///
    /// # Panics
    ///
    /// When the server refuses them.
    pub async fn execute(&self, sql: &str) {
        soon(self.client().await.batch_execute(sql)).await.expect("it answers");
    }

    /// The number in the only row of a query.
    ///
    /// # Panics
    ///
    /// When the server refuses the query.
    pub async fn number(&self, sql: &str) -> i64 {
        soon(self.client().await.query_one(sql, &[])).await.expect("it answers").get(0)
    }

    /// Ends the connections with this `application_name`, and returns how many there were.
    pub async fn terminate(&self, name: &str) -> i64 {
        self.number(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '{name}'"
        ))
        .await
    }

    /// Ends the server with all of its connections.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub async fn stop(&mut self) {
        self.signal("-INT").await;
        soon(self.process.wait()).await.expect("it ends");
    }

    /// Starts the server again.
    pub async fn restart(&mut self) {
        self.process = spawn(self.folder.path());
        self.started().await;
    }

    /// Stops the processes, which keep their connections, or lets them go on.
    pub async fn pause(&self, pause: bool) {
        self.signal_all(if pause { "-STOP" } else { "-CONT" }).await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.process.id().expect("it runs").to_string();
        run(Command::new("kill").args([signal, &id])).await;
    }

    /// The server first, so that it starts no further process.
    async fn signal_all(&self, signal: &str) {
        self.signal(signal).await;
        let id = self.process.id().expect("it runs");
        let children =
            std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("processes of Linux");
        // A worker may have ended meanwhile, which is no failure.
        let mut kill = Command::new("kill");
        kill.arg(signal).args(children.split_whitespace()).stderr(Stdio::null());
        soon(kill.status()).await.expect("kill can be run");
    }

    async fn started(&self) {
        soon(async {
            while tokio_postgres::connect(&self.url(), NoTls).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

/// The table, as the documentation of the official adapter has it.
const TABLE: &str = "CREATE TABLE socket_io_attachments \
    (id bigserial UNIQUE, created_at timestamptz DEFAULT NOW(), payload bytea)";

fn spawn(folder: &Path) -> Child {
    unprivileged("postgres")
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder)
        .args(["-c", "listen_addresses=", "-c", "fsync=off"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{NEEDED}: {error}"))
}

/// A program of PostgreSQL, as the user `postgres` if this one is root, with whom it refuses to run.
fn unprivileged(program: &str) -> Command {
    let program = find(program);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
    // The directory of the caller may not be readable for it.
    command.current_dir("/");
    command
}

/// The newest version of Debian's packages, or what is on the PATH.
fn find(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).max_by_key(version);
    let found = newest.map(|folder| folder.join("bin").join(program)).filter(|path| path.exists());
    found.unwrap_or_else(|| program.into())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

async fn run(command: &mut Command) {
    let status = soon(command.status()).await.unwrap_or_else(|error| panic!("{NEEDED}: {error}"));
    assert!(status.success(), "{NEEDED}: {command:?} fails");
}
