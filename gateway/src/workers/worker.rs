//! A worker: a gateway with the sockets and the settings that its supervisor has assigned.

use std::io::{self, Write as _};
use std::net::TcpListener as StdTcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::control::{Assignment, HAND_OVER, Report};
use crate::cluster::Group;
use crate::config::Config;
use crate::config::load::{LoadError, Sources};
use crate::gateway::Gateway;
use crate::http;
use crate::process::{log_to_stderr, reload, runtime};

/// Timeout for the assignment.
const ASSIGNING: Duration = Duration::from_secs(10);
/// Longest wait for the other nodes of the cluster. A worker serves its own clients without them too.
const CLUSTER: Duration = Duration::from_secs(5);
/// Time between the end of acceptance and the drain, for the requests of connections that were accepted before.
const HAND_OVER_TIME: Duration = Duration::from_millis(500);

/// Serves until the supervisor or a signal ends it. The error is empty if the supervisor has it, which prints or logs it.
pub(crate) fn work(sources: Sources) -> Result<(), Option<String>> {
    let text = |error: &dyn std::fmt::Display| Some(error.to_string());
    let control = io::stdin().as_fd().try_clone_to_owned().map_err(|error| text(&error))?;
    let control = StdUnixStream::from(control);
    let timeout = control.set_read_timeout(Some(ASSIGNING));
    let assigned = timeout.map_err(Into::into).and_then(|()| Assignment::receive(&control));
    let (assignment, listeners) = assigned.map_err(|error| text(&error))?;
    let started = start(sources, &assignment, &control, listeners);
    // Of a worker that was killed the next one replaces it.
    let _ = std::fs::remove_file(&assignment.socket);
    match started {
        Ok(Ending::Told) => Ok(()),
        Ok(Ending::Orphaned) => {
            let _ = std::fs::remove_file(&assignment.ipc);
            // It succeeds for the last worker.
            let _ = std::fs::remove_dir(&assignment.folder);
            Ok(())
        }
        Err(why) => {
            let told = (&control).write_all(Report::Failed(why.clone()).line().as_bytes());
            Err(told.is_err().then_some(why))
        }
    }
}

/// Reason of the end of a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Told,
    /// The supervisor is gone.
    Orphaned,
}

fn start(
    sources: Sources,
    assignment: &Assignment,
    control: &StdUnixStream,
    listeners: Vec<StdTcpListener>,
) -> Result<Ending, String> {
    let failed =
        |errors: Vec<LoadError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let config = sources.load().map(|config| assignment.apply(config)).map_err(failed)?;
    let log = log_to_stderr(&config.log, Some(&assignment.node))?;
    let runtime = runtime().map_err(|error| error.to_string())?;
    let ended = runtime.block_on(run(config, sources, assignment, control, listeners));
    runtime.shutdown_background();
    log.finish();
    ended
}

async fn run(
    config: Config,
    sources: Sources,
    assignment: &Assignment,
    control: &StdUnixStream,
    listeners: Vec<StdTcpListener>,
) -> Result<Ending, String> {
    let text = |error: io::Error| error.to_string();
    let mut orders = Orders::new(control, sources, assignment.clone()).map_err(text)?;
    let gateway = Gateway::new(config).map_err(|error| error.to_string())?;
    join(&gateway, assignment);
    let listeners: Result<Vec<_>, _> = listeners.into_iter().map(TcpListener::from_std).collect();
    let mut listeners = listeners.map_err(text)?.into_iter();
    let clients = listeners.next().ok_or("no listener")?;
    let ready = async {
        gateway.cluster().peers_ready().await;
        let _ = timeout(CLUSTER, gateway.cluster_ready()).await;
    };
    tokio::select! {
        () = ready => {}
        order = orders.next(&gateway) => {
            gateway.drain().await;
            return Ok(order.ending());
        }
    }
    let serving = gateway.clone();
    let serving = tokio::spawn(async move { serving.serve(clients).await });
    if let Some(internal) = listeners.next() {
        let gateway = gateway.clone();
        tokio::spawn(async move { gateway.serve_internal(internal).await });
    }
    orders.say(&Report::Ready).await;
    let order = orders.next(&gateway).await;
    tracing::info!("draining");
    if order == Order::HandOver {
        gateway.hand_over();
        sleep(HAND_OVER_TIME).await;
    }
    gateway.drain().await;
    serving.await.map_err(|error| error.to_string())?.map_err(text)?;
    Ok(order.ending())
}

/// Answers for `/metrics` together with the other workers.
fn join(gateway: &Gateway, assignment: &Assignment) {
    let weak = gateway.downgrade();
    let metrics = move || weak.upgrade().map(|gateway| http::of_worker(&gateway));
    let group = Group {
        id: assignment.group.clone(),
        workers: assignment.workers,
        slot: assignment.slot,
        metrics: Box::new(metrics),
    };
    // It is set once.
    let _ = gateway.cluster().group().set(group);
}

/// Order to end a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Drain,
    /// Another worker goes on with the sockets.
    HandOver,
    /// The supervisor is gone.
    Orphan,
}

impl Order {
    fn ending(self) -> Ending {
        if self == Self::Orphan { Ending::Orphaned } else { Ending::Told }
    }
}

/// Orders of the supervisor: signals, and lines of the connection.
///
/// Only the first signal counts. A service manager may send it to all processes besides the supervisor, which ends workers
/// at once by SIGKILL. Signals for the supervisor alone are ignored here.
struct Orders {
    /// The connection. Its half that is written to is not shut down at the end: the reason of a failed start follows.
    lines: Lines<BufReader<UnixStream>>,
    terminate: Signal,
    hang_up: Signal,
    _ignored: [Signal; 2],
    sources: Sources,
    assignment: Assignment,
}

impl Orders {
    fn new(control: &StdUnixStream, sources: Sources, assignment: Assignment) -> io::Result<Self> {
        let control = control.try_clone()?;
        control.set_nonblocking(true)?;
        Ok(Self {
            lines: BufReader::new(UnixStream::from_std(control)?).lines(),
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            _ignored: [signal(SignalKind::interrupt())?, signal(SignalKind::user_defined2())?],
            sources,
            assignment,
        })
    }

    async fn say(&mut self, said: &Report) {
        // An error is the end of the supervisor, which the next order is about.
        let _ = self.lines.get_mut().get_mut().write_all(said.line().as_bytes()).await;
    }

    /// The next order that ends the worker. Until then the settings are loaded again at each SIGHUP.
    async fn next(&mut self, gateway: &Gateway) -> Order {
        let reloads = async {
            loop {
                self.hang_up.recv().await;
                let (sources, assignment) = (self.sources.clone(), self.assignment.clone());
                reload(gateway, move || sources.load().map(|config| assignment.apply(config))).await;
            }
        };
        let told = async {
            loop {
                match self.lines.next_line().await {
                    Ok(Some(line)) if line == HAND_OVER => return Order::HandOver,
                    // A newer supervisor may say what this worker does not know.
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return Order::Orphan,
                }
            }
        };
        tokio::select! {
            order = told => order,
            _ = self.terminate.recv() => Order::Drain,
            () = reloads => Order::Drain,
        }
    }
}
