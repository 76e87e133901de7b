//! `serve`: runs the gateway as a process, with its log and its signals.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::TcpListener;

use super::healthcheck::reachable;
use super::{failed, print_error};
use crate::config::load::Sources;
use crate::config::{Config, Log, LogFormat};
use crate::gateway::Gateway;
use crate::log::LogQueue;

/// Serves until SIGTERM or SIGINT, and reloads keys and certificates at SIGHUP. The first SIGTERM or SIGINT
/// starts a drain, the second one ends the process at once, as a failure.
pub(super) fn serve(sources: &Sources) -> Result<(), ExitCode> {
    let config = sources.load().map_err(|errors| {
        errors.iter().for_each(print_error);
        ExitCode::FAILURE
    })?;
    let log = log_to_stderr(&config.log).map_err(failed)?;
    let runtime = runtime().map_err(failed)?;
    let served = runtime.block_on(run(config, sources.clone()));
    // Threads may be blocked in a name lookup or in reading a file for any time, so the shutdown does not
    // wait for them.
    runtime.shutdown_background();
    log.finish();
    served
}

/// Runtime with one worker per core. On a single core the current-thread scheduler suffices, and it is fairer
/// when very many sessions are busy at once.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match std::thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

async fn run(config: Config, sources: Sources) -> Result<(), ExitCode> {
    let address = SocketAddr::from((config.server.host, config.server.port));
    let internal = config.internal.listen();
    let scheme = if config.tls.certificate.is_empty() { "http" } else { "https" };
    let has_page = config.api.page;
    log_risks(&config);
    let gateway = Gateway::new(config).map_err(failed)?;
    let listener = bind(address).await?;
    let internal = match internal {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    // The signal handlers are installed before the port is announced: an unhandled signal would kill the
    // process.
    let signals = Signals::new().map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(version = crate::VERSION, "listening on {scheme}://{address}");
    if let Some(key) = gateway.generated_key() {
        let page = has_page.then(|| format!("{scheme}://{}/", reachable(address)));
        print_key(key, page.as_deref());
    }
    if let Some(listener) = internal {
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!("metrics, health and API on http://{address}");
        let gateway = gateway.clone();
        tokio::spawn(async move { gateway.serve_internal(listener).await });
    }
    tokio::select! {
        served = gateway.serve(listener) => served.map_err(failed)?,
        () = signals.drain_at_signal(gateway.clone(), sources) => {
            tracing::warn!("stopped by a second signal");
            return Err(ExitCode::FAILURE);
        }
    }
    tracing::info!("done");
    Ok(())
}

fn log_risks(config: &Config) {
    for risk in config.risks() {
        tracing::warn!(%risk, "risky setting");
    }
}

/// Prints the generated key once, to the standard output rather than the log, because logs are kept and have
/// many readers. The link logs its user in as an operator; browsers do not send the part behind `#` to
/// servers.
fn print_key(key: &str, page: Option<&str>) {
    let opens = page.map_or_else(|| format!("x-api-key: {key}"), |page| format!("{page}#key={key}"));
    let about = "api.keys is empty. Generated operator key, valid until the gateway exits:";
    let text = format!("{about}\n\n  {opens}\n\n");
    // Errors are ignored: without a reader of the standard output the key is not needed.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ExitCode> {
    TcpListener::bind(address).await.map_err(|error| failed(format_args!("{address}: {error}")))
}

/// Loads the settings again and applies those that need no restart.
async fn reload(gateway: &Gateway, sources: &Sources) {
    let sources = sources.clone();
    let loaded = tokio::task::spawn_blocking(move || sources.load()).await;
    let config = match loaded {
        Ok(Ok(config)) => config,
        Ok(Err(errors)) => {
            for error in errors {
                tracing::error!(%error, "reload failed");
            }
            return;
        }
        Err(error) => return tracing::error!(%error, "reload failed"),
    };
    log_risks(&config);
    match gateway.reload(&config) {
        Ok(left) if left.is_empty() => tracing::info!("reloaded"),
        Ok(left) => {
            let settings = left.join(", ");
            tracing::warn!(settings, "reloaded; some settings need a restart");
        }
        Err(error) => tracing::error!(%error, "reload failed"),
    }
}

/// Signals of the process.
struct Signals {
    stop: Stop,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

/// Signals that end the process.
struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Starts a drain at the first signal that ends the process, and returns at the second.
    async fn drain_at_signal(mut self, gateway: Gateway, sources: Sources) {
        self.first(&gateway, &sources).await;
        tracing::info!("draining");
        let drain = async {
            gateway.drain().await;
            // `Gateway::serve` returns when the last responses have been written. This future stays pending
            // until then.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.stop.next() => {}
            () = drain => {}
        }
    }
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let stop =
            Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Self { stop, hang_up: signal(SignalKind::hangup())? })
    }

    /// Reloads the settings at each SIGHUP until a signal ends the process, even during a reload.
    async fn first(&mut self, gateway: &Gateway, sources: &Sources) {
        let reloads = async {
            loop {
                self.hang_up.recv().await;
                reload(gateway, sources).await;
            }
        };
        tokio::select! {
            () = self.stop.next() => {}
            () = reloads => {}
        }
    }
}

#[cfg(unix)]
impl Stop {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Signals on other systems: Ctrl-C ends the process, and reload failed.
#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { stop: Stop {} })
    }

    async fn first(&mut self, _: &Gateway, _: &Sources) {
        self.stop.next().await;
    }
}

#[cfg(not(unix))]
impl Stop {
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Installs a log that writes all events and panics of the process to the standard error, without blocking on
/// a slow reader.
fn log_to_stderr(log: &Log) -> Result<LogQueue, String> {
    let filter: tracing_subscriber::EnvFilter =
        log.level.parse().map_err(|error| format!("log.level: {error}"))?;
    let print_key = |dropped| tracing::warn!(dropped, "log lines were dropped: the log was not read");
    let lines = LogQueue::to(std::io::stderr(), print_key).map_err(|error| format!("log: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines.clone());
    match log.format {
        LogFormat::Human => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => builder.json().init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => tracing::error!(%panic, %backtrace, "panic"),
            _ => tracing::error!(%panic, "panic"),
        }
    }));
    Ok(lines)
}
