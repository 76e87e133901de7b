//! PostgreSQL servers for tests, each with an empty database in a directory of its own, on a Unix socket.

use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Weak};

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};

use crate::ports::free_port;
use crate::raw::soon;
use crate::tls::Authority;

/// Error message when PostgreSQL cannot be started.
const NEEDED: &str =
    "PostgreSQL is needed on the PATH or in /usr/lib/postgresql, or `cargo xtask test`, which installs it";

/// A running PostgreSQL server. It is killed on drop, and its processes end with it.
#[derive(Debug)]
pub struct PostgresServer {
    process: Child,
    folder: TempDir,
    /// The TCP port; none without TLS.
    port: Option<u16>,
    arguments: Vec<String>,
    /// Kept for the servers that start meanwhile.
    _template: Arc<TempDir>,
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
        let (folder, template) = copy().await;
        Self::run(folder, template, None, Vec::new()).await
    }

    /// Starts a server with the table that listens on a TCP port too, with TLS if there is an authority.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_on_tcp(authority: Option<&Authority>) -> Self {
        let (folder, template) = copy().await;
        let mut arguments = Vec::new();
        if let Some(authority) = authority {
            for (name, pem) in ["ssl_cert_file", "ssl_key_file"].iter().zip(authority.certificate_and_key()) {
                let path = folder.path().join(name);
                // The server refuses a key that others can read.
                let mut options = std::fs::OpenOptions::new();
                let mut file = options.write(true).create_new(true).mode(0o600).open(&path).expect("a file");
                std::io::Write::write_all(&mut file, pem.as_bytes()).expect("a file");
                give_away(&path).await;
                arguments.extend(["-c".to_owned(), format!("{name}={}", path.display())]);
            }
            arguments.extend(["-c".to_owned(), "ssl=on".to_owned()]);
        }
        let server = Self::run(folder, template, Some(free_port()), arguments).await;
        server.execute(TABLE).await;
        server
    }

    async fn run(folder: TempDir, template: Arc<TempDir>, port: Option<u16>, arguments: Vec<String>) -> Self {
        let process = spawn(folder.path(), port, &arguments);
        let server = Self { process, folder, port, arguments, _template: template };
        server.started().await;
        server
    }

    /// The folder of its socket.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its URL, on its Unix socket.
    pub fn url(&self) -> String {
        self.url_in(self.path())
    }

    /// The URL of a server in another folder, as one in front of this server.
    pub fn url_in(&self, folder: &Path) -> String {
        let port = self.port.unwrap_or(5432);
        format!("host={} port={port} user=postgres dbname=postgres", folder.display())
    }

    /// Its URL on its TCP port, with TLS.
    ///
    /// # Panics
    ///
    /// When it has none.
    pub fn tls_url(&self, host: &str) -> String {
        let port = self.port.expect("a TCP port");
        format!("postgres://postgres@{host}:{port}/postgres?sslmode=require")
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

    /// Ends the server with all of its connections at once, as a crash does: it has to recover.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub async fn crash(&mut self) {
        self.signal("-QUIT").await;
        soon(self.process.wait()).await.expect("it ends");
    }

    /// Starts the server again.
    pub async fn restart(&mut self) {
        self.process = spawn(self.folder.path(), self.port, &self.arguments);
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

/// A directory with an empty database. It is made once while there are servers, and copied, which takes a tenth of the time.
async fn copy() -> (TempDir, Arc<TempDir>) {
    static TEMPLATE: Mutex<Weak<TempDir>> = Mutex::const_new(Weak::new());
    let mut known = TEMPLATE.lock().await;
    let template = match known.upgrade() {
        Some(template) => template,
        None => {
            let template = Arc::new(folder().await);
            let mut initdb = unprivileged("initdb");
            initdb.arg("-D").arg(template.path().join("data"));
            initdb.args(["-A", "trust", "-U", "postgres", "--no-sync", "--no-instructions"]);
            run(initdb.stdout(Stdio::null())).await;
            *known = Arc::downgrade(&template);
            template
        }
    };
    drop(known);
    let folder = folder().await;
    run(unprivileged("cp").arg("-a").arg(template.path().join("data")).arg(folder.path())).await;
    (folder, template)
}

async fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    give_away(folder.path()).await;
    folder
}

/// Makes the user of the server the owner.
async fn give_away(path: &Path) {
    if is_root() {
        run(Command::new("chown").arg("postgres").arg(path)).await;
    }
}

fn spawn(folder: &Path, port: Option<u16>, arguments: &[String]) -> Child {
    let (addresses, port) = match port {
        Some(port) => ("listen_addresses=127.0.0.1", port),
        None => ("listen_addresses=", 5432),
    };
    unprivileged("postgres")
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder)
        .args(["-p", &port.to_string(), "-c", addresses])
        .args(["-c", "fsync=off", "-c", "autovacuum=off", "-c", "shared_buffers=16MB"])
        .args(arguments)
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
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

async fn run(command: &mut Command) {
    let status = soon(command.status()).await.unwrap_or_else(|error| panic!("{NEEDED}: {error}"));
    assert!(status.success(), "{NEEDED}: {command:?} fails");
}
