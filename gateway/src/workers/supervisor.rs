//! The process that supervises workers: sockets, folder, broker, generated key, and signals.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socketio_ipc::IpcBroker;
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::folder::Folder;
use super::group::Group;
use super::launch::{Launch, arguments};
use super::sockets::Sockets;
use crate::auth::operators::Operators;
use crate::cluster::host_name;
use crate::config::load::Sources;
use crate::config::{Config, Secret};
use crate::process::{log_risks, print_key, reachable};

/// Starts workers and supervises them until a signal ends them.
pub(crate) fn supervise(config: &Config, sources: &Sources) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(run(config, sources))
}

async fn run(config: &Config, sources: &Sources) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    log_risks(config);
    // Before the first worker: an unhandled signal would leave it alone.
    let mut signals = Signals::new().map_err(failed)?;
    let launch = launch(config, sources)?;
    let _broker = launch.has_broker.then(|| serve_broker(&launch)).transpose().map_err(failed)?;
    let (events, mut reported) = mpsc::unbounded_channel();
    let mut group = Group::start(launch, Duration::from_millis(config.server.drain_ms), events);
    let mut is_announced = false;
    loop {
        if group.has_started() && !is_announced {
            is_announced = true;
            announce(config, group.launch());
        }
        if let Some(ended) = group.ended() {
            if ended.is_ok() {
                tracing::info!("done");
            }
            return ended;
        }
        let next = group.next();
        tokio::select! {
            Some(event) = reported.recv() => group.event(event, Instant::now()),
            order = signals.next() => match order {
                Order::Stop if group.is_ending() => {
                    tracing::warn!("stopped by a second signal");
                    group.kill("stopped by a second signal");
                }
                Order::Stop => {
                    tracing::info!("draining");
                    group.end(None, Instant::now());
                }
                Order::Reload => group.reload(),
                Order::Restart => group.restart(Instant::now()),
            },
            () = due(next) => group.tick(Instant::now()),
        }
    }
}

async fn due(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next).await,
        None => std::future::pending().await,
    }
}

/// Binds the sockets, and prepares what all workers have in common.
fn launch(config: &Config, sources: &Sources) -> Result<Launch, String> {
    let bind = |address: SocketAddr| {
        let bound = Sockets::bind(address, config.server.workers);
        bound.map_err(|error| format!("{address}: {error}"))
    };
    let clients = bind(SocketAddr::from((config.server.host, config.server.port)))?;
    let internal = config.internal.listen().map(bind).transpose()?;
    let random = |error: getrandom::Error| error.to_string();
    let operators = Operators::new(config.api.keys.clone()).map_err(random)?;
    let [group, peers_key] = [token().map_err(random)?, token().map_err(random)?];
    let node = match config.cluster.node.as_str() {
        "" => format!("{}-{}", host_name(), &group[..4]),
        name => name.to_owned(),
    };
    Ok(Launch {
        // The path: after an update a new program is there.
        program: std::env::current_exe().map_err(|error| error.to_string())?,
        arguments: arguments(sources),
        folder: Folder::create().map_err(|error| error.to_string())?,
        group,
        key: operators.generated().map(Secret::expose).unwrap_or_default().to_owned(),
        peers_key,
        has_broker: !config.cluster.is_enabled(),
        node,
        workers: config.server.workers,
        clients,
        internal,
    })
}

/// Serves the broker at which the workers meet, until the set is dropped. The folder is private, and so is the socket.
fn serve_broker(launch: &Launch) -> io::Result<JoinSet<()>> {
    let listener = UnixListener::bind(launch.folder.broker())?;
    let mut serving = JoinSet::new();
    serving.spawn(IpcBroker::new().serve(listener));
    Ok(serving)
}

/// A random text of 256 bits.
fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn announce(config: &Config, launch: &Launch) {
    let scheme = if config.tls.certificate.is_empty() { "http" } else { "https" };
    let (address, workers) = (launch.clients.address(), launch.workers);
    tracing::info!(version = crate::VERSION, workers, "listening on {scheme}://{address}");
    if !launch.key.is_empty() {
        let page = config.api.page.then(|| format!("{scheme}://{}/", reachable(address)));
        print_key(&launch.key, page.as_deref());
    }
    if let Some(internal) = &launch.internal {
        tracing::info!("metrics, health and API on http://{}", internal.address());
    }
}

/// Order of a signal.
enum Order {
    Stop,
    Reload,
    Restart,
}

/// Signals of the supervisor.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    restart: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            restart: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.hang_up.recv() => Order::Reload,
            _ = self.restart.recv() => Order::Restart,
        }
    }
}
