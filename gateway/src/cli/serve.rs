//! `serve`: runs the gateway as a process, with its log and its signals.

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::TcpListener;

use super::{failed, print_error};
use crate::config::Config;
use crate::config::load::Sources;
use crate::gateway::Gateway;
use crate::process::{log_risks, log_to_stderr, print_key, reachable, reload, runtime};
#[cfg(unix)]
use crate::workers;

/// Serves until SIGTERM or SIGINT, and reloads keys and certificates at SIGHUP. The first SIGTERM or SIGINT
/// starts a drain, the second one ends the process at once, as a failure. With `server.workers` other processes
/// serve, and this one supervises them.
pub(super) fn serve(sources: &Sources) -> Result<(), ExitCode> {
    let config = sources.load().map_err(|errors| {
        errors.iter().for_each(print_error);
        ExitCode::FAILURE
    })?;
    let log = log_to_stderr(&config.log, None).map_err(failed)?;
    #[cfg(unix)]
    if config.server.workers > 0 {
        let supervised = workers::supervise(&config, sources).map_err(failed);
        log.finish();
        return supervised;
    }
    let runtime = runtime().map_err(failed)?;
    let served = runtime.block_on(run(config, sources.clone()));
    // Threads may be blocked in a name lookup or in reading a file for any time, so the shutdown does not
    // wait for them.
    runtime.shutdown_background();
    log.finish();
    served
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

async fn bind(address: SocketAddr) -> Result<TcpListener, ExitCode> {
    TcpListener::bind(address).await.map_err(|error| failed(format_args!("{address}: {error}")))
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
                let sources = sources.clone();
                reload(gateway, move || sources.load()).await;
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
