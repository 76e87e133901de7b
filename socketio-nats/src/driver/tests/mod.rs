//! The driver on real NATS servers with JetStream.

mod cluster;
mod refusals;
mod scripted;
mod streams;
mod values;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socketio_broker::driver::{Bucket, Command, Commands, Driver, Entries, Entry, Reply, Request};
use tempfile::TempDir;
use tokio::process::{Child, Command as Process};

use super::NatsDriver;
use super::requests::{Ask, deadline};
use super::servers::Order;
use crate::settings::{JetStream, Nats, Storage};

/// Error message when NATS cannot be started.
const NEEDED: &str =
    "nats-server 2.9 or newer is needed on the PATH, or `cargo xtask test`, which installs it";

/// A NATS server on a port of its own. It is killed on drop.
struct Server {
    process: Child,
    folder: TempDir,
    url: String,
}

impl Server {
    /// A server with JetStream.
    async fn start() -> Self {
        Self::start_with("jetstream {}").await
    }

    /// A server with this configuration, in which the folder is that of JetStream.
    async fn start_with(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("jetstream");
        let configuration =
            configuration.replace("jetstream {", &format!("jetstream {{ store_dir: {store:?}\n"));
        std::fs::write(folder.path().join("nats.conf"), configuration).unwrap();
        let process = spawn(folder.path());
        let url = url(folder.path(), &process).await;
        Self { process, folder, url }
    }

    /// Kills the server and starts it again, on another port.
    async fn restart(&mut self) {
        self.process.kill().await.unwrap();
        self.process = spawn(self.folder.path());
        self.url = url(self.folder.path(), &self.process).await;
    }

    fn settings(&self) -> Nats {
        Nats::open(&self.url).unwrap().jetstream(JetStream::default().storage(Storage::Memory))
    }

    fn driver(&self) -> NatsDriver {
        NatsDriver::new(&self.settings())
    }

    /// The settings of a user with the password `secret`.
    fn user(&self, user: &str) -> Nats {
        self.settings().user(user, "secret").timeout(Duration::from_secs(2))
    }

    async fn commands(&self) -> Box<dyn Commands> {
        soon(self.driver().commands()).await.unwrap()
    }

    async fn entries(&self, block: Duration) -> Box<dyn Entries> {
        soon(self.driver().entries(STREAM, block)).await.unwrap()
    }

    /// Makes a request of the API of JetStream.
    async fn api(&self, request: &str, json: &str) -> serde_json::Value {
        let mut requests = self.driver().requests(&Order::default(), "test").await.unwrap();
        let ask = Ask::api(format!("$JS.API.{request}"), &json);
        soon(requests.ask(ask, deadline(LONG))).await.unwrap().unwrap()
    }
}

fn spawn(folder: &Path) -> Child {
    Process::new("nats-server")
        .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
        .arg(folder)
        .arg("--config")
        .arg(folder.join("nats.conf"))
        .arg("--log")
        .arg(folder.join("nats.log"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{NEEDED}: {error}"))
}

/// The URL that a server has written into a file.
async fn url(folder: &Path, process: &Child) -> String {
    let file = folder.join(format!("nats-server_{}.ports", process.id().unwrap()));
    soon(async {
        loop {
            let ports = std::fs::read(&file).ok();
            let ports = ports.and_then(|ports| serde_json::from_slice::<serde_json::Value>(&ports).ok());
            if let Some(url) = ports.as_ref().and_then(|ports| ports["nats"][0].as_str()) {
                return url.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

const LONG: Duration = Duration::from_secs(20);
const STREAM: &str = "socket.io";

/// Waits for what must happen.
async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(LONG, what).await.expect("did not happen")
}

async fn send(commands: &mut Box<dyn Commands>, batch: &[Command]) -> Vec<Reply> {
    let batch: Vec<&Command> = batch.iter().collect();
    soon(commands.send(&batch)).await.unwrap()
}

async fn ask(commands: &mut Box<dyn Commands>, request: Request) -> Reply {
    send(commands, &[Command::Request(request)]).await.remove(0)
}

fn append(max_len: u64, data: impl Into<String>) -> Command {
    let fields = vec![("nsp", Bytes::from("/")), ("data", Bytes::from(data.into()))];
    Command::Append { stream: STREAM.to_owned(), max_len, fields }
}

/// Appends entries with the numbers of this range as their data. Returns their ids.
async fn append_all(
    commands: &mut Box<dyn Commands>,
    max_len: u64,
    numbers: std::ops::Range<usize>,
) -> Vec<String> {
    let batch: Vec<Command> = numbers.map(|number| append(max_len, number.to_string())).collect();
    let replies = send(commands, &batch).await;
    replies
        .into_iter()
        .map(|reply| match reply {
            Reply::Text(id) => id,
            reply => panic!("{reply:?}"),
        })
        .collect()
}

/// The fields of an entry with this data.
fn data(entry: &Entry) -> usize {
    let find = |name: &str| entry.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
    assert_eq!(find("nsp"), Some(Bytes::from("/")));
    std::str::from_utf8(&find("data").unwrap()).unwrap().parse().unwrap()
}

fn bucket(name: &str, max_age: Duration, max_values: u64) -> Arc<Bucket> {
    Arc::new(Bucket { name: name.to_owned(), max_age, max_values })
}

fn sessions() -> Arc<Bucket> {
    bucket("sessions", Duration::from_secs(100), 1000)
}

fn get(bucket: &Arc<Bucket>, key: &str) -> Request {
    Request::Get { bucket: Arc::clone(bucket), key: key.to_owned() }
}

fn put(bucket: &Arc<Bucket>, key: &str, value: impl Into<String>, revision: u64) -> Request {
    let value = Bytes::from(value.into());
    Request::Put {
        bucket: Arc::clone(bucket),
        key: key.to_owned(),
        value,
        revision,
        keep_for: bucket.max_age,
    }
}

fn delete(bucket: &Arc<Bucket>, key: &str, revision: u64) -> Request {
    Request::Delete { bucket: Arc::clone(bucket), key: key.to_owned(), revision }
}

fn list(bucket: &Arc<Bucket>, after: u64, count: usize) -> Request {
    Request::List { bucket: Arc::clone(bucket), after, count }
}

fn refused(reply: &Reply) -> &str {
    match reply {
        Reply::Refused(reason) => reason,
        reply => panic!("{reply:?}"),
    }
}
