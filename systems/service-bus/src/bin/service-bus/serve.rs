//! The bus until a stop signal.

use std::io;
use std::net::SocketAddr;

use service_bus::{Bus, Config, LogFormat, Settings, Sources};
use system_support::{Failure, listen, stop_signal, variable};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

/// Runs the bus until a stop signal, and drains it. A second signal ends it at once.
pub(crate) async fn serve() -> Result<(), Failure> {
    let sources = sources();
    let settings = Settings::load(&sources)?;
    let config = &settings.gateway;
    log(config)?;
    for risk in config.risks() {
        warn!(%risk, "risky setting");
    }
    let address = SocketAddr::from((config.server.host, config.server.port));
    let scheme = if config.tls.certificate.is_empty() { "http" } else { "https" };
    let internal = config.internal.listen();
    if config.server.workers > 0 {
        return Err("server.workers: the bus is one process, 0 is expected".into());
    }
    let is_open = settings.bus.keys.is_empty();
    let bus = Bus::new(settings.gateway, settings.bus)?;
    let listener = listen("SOCKET_IO_PORT", address).await?;
    let address = listener.local_addr()?;
    if is_open && !address.ip().is_loopback() {
        warn!(host = %address.ip(), "without BUS_KEY every client that can reach the bus may act as a service");
    }
    if let Some(internal) = internal {
        let listener = listen("internal.address", internal).await?;
        info!("metrics, health and the API of operators on http://{}", listener.local_addr()?);
        let gateway = bus.gateway().clone();
        tokio::spawn(async move { gateway.serve_internal(listener).await });
    }
    // The signals are received before the address is printed: one that is not would kill the process.
    let (stop, kill) = (stop_signal()?, stop_signal()?);
    let reloads = Reloads::new()?;
    println!("listening on {scheme}://{address}");
    let ending = async {
        tokio::select! {
            () = stop => {}
            () = reloads.run(&bus, &sources) => {}
        }
        info!("draining");
        bus.close().await;
        // The last responses are written before `serve` returns.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = bus.serve(listener) => Ok(served?),
        () = ending => Ok(()),
        () = second(kill) => Err("stopped by a second signal".into()),
    }
}

/// Completes at the second stop signal.
async fn second(first: impl Future<Output = ()>) {
    first.await;
    match stop_signal() {
        Ok(second) => second.await,
        Err(_) => std::future::pending().await,
    }
}

/// The sources of the settings.
fn sources() -> Sources {
    Sources {
        file: variable("GATEWAY_CONFIG").map(Into::into),
        // Variables that are not UTF-8 cannot be settings.
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        ..Sources::default()
    }
}

fn log(config: &Config) -> Result<(), Failure> {
    let filter: EnvFilter = config.log.level.parse()?;
    match config.log.format {
        LogFormat::Json => {
            let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
            subscriber.json().flatten_event(true).init();
        }
        LogFormat::Human => system_support::log_at(filter)?,
    }
    Ok(())
}

/// The signals that reload keys and certificates.
#[cfg(unix)]
struct Reloads(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Reloads {
    fn new() -> io::Result<Self> {
        Ok(Self(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?))
    }

    async fn run(mut self, bus: &Bus, sources: &Sources) {
        while self.0.recv().await.is_some() {
            let sources = sources.clone();
            match tokio::task::spawn_blocking(move || Settings::load(&sources)).await {
                Ok(Ok(settings)) => reload(bus, settings),
                Ok(Err(error)) => error!(%error, "reload failed"),
                Err(error) => error!(%error, "reload failed"),
            }
        }
        std::future::pending::<()>().await;
    }
}

/// Other systems have no such signal.
#[cfg(not(unix))]
struct Reloads;

#[cfg(not(unix))]
impl Reloads {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn run(self, _: &Bus, _: &Sources) {
        std::future::pending::<()>().await;
    }
}

/// Applies the settings that need no restart: the keys of services and operators, of tokens, and the certificate.
#[cfg(unix)]
fn reload(bus: &Bus, settings: Settings) {
    if let Err(error) = bus.replace_keys(settings.bus.keys) {
        error!(%error, "reload failed");
        return;
    }
    match bus.reload(settings.gateway) {
        Ok(left) if left.is_empty() => info!("reloaded"),
        Ok(left) => warn!(settings = left.join(", "), "reloaded; some settings need a restart"),
        Err(error) => error!(%error, "the keys of services are reloaded, those of the gateway not"),
    }
}
