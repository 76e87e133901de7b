//! The bus as a program.
//!
//! `service-bus [serve]` runs the bus. `SOCKET_IO_PORT` (8000) and `SOCKET_IO_HOST` (127.0.0.1) set the
//! listen address, `LOG_LEVEL` (INFO) and `LOG_FORMAT` (human, or json) the log, `BUS_KEY` (none) the key of services, and `USERS`
//! whether the user ids of clients are trusted (`believed`) or not (`unknown`); the default is `believed`
//! without a key, and `unknown` with one. `CORS_ORIGIN` sets the origins that may connect: a comma-separated
//! list, or `*`; the default is the same host. `ALLOWED_HOSTS` (none) lists further valid hosts of requests
//! when the bus listens on a loopback address.
//!
//! `service-bus demo` runs a bus on a free port, three services, and an exchange of two users, and exits.

mod chat;
mod demo;
mod mail;
mod presence;
mod user;

use std::process::ExitCode;

use service_bus::{Bus, BusOptions, OriginPolicy, Origins, Users};
use system_support::{Failure, listen, parsed, stop_signal, variable};
use tokio::net::TcpListener;
use tracing::warn;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    system_support::exit_code(match arguments.as_slice() {
        [] | ["serve"] => serve().await,
        ["demo"] => demo().await,
        _ => Err("usage: service-bus [serve | demo]".into()),
    })
}

/// Starts logging at the level of `LOG_LEVEL`.
fn log(default: &str) -> Result<(), Failure> {
    let level = variable("LOG_LEVEL").unwrap_or_else(|| default.to_owned());
    let filter = match level.to_ascii_uppercase().as_str() {
        "CRITICAL" | "ERROR" => "error",
        "WARNING" | "WARN" => "warn",
        "INFO" => "info",
        "DEBUG" => "debug",
        "TRACE" => "trace",
        "OFF" => "off",
        _ => return Err(format!("LOG_LEVEL: there is no level {level}").into()),
    };
    Ok(system_support::log_at(EnvFilter::new(filter))?)
}

async fn serve() -> Result<(), Failure> {
    log("INFO")?;
    let port = parsed("SOCKET_IO_PORT", 8000)?;
    let key = system_support::secret("BUS_KEY")?;
    let users = match (variable("USERS").as_deref(), &key) {
        (Some("believed"), _) | (None, None) => Users::Believed,
        (Some("unknown"), _) | (None, Some(_)) => Users::Unknown,
        (Some(other), _) => return Err(format!("USERS: {other} is neither believed nor unknown").into()),
    };
    let origins: Origins = variable("CORS_ORIGIN").unwrap_or_default().split(',').collect();
    let host = variable("SOCKET_IO_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let listener = listen("SOCKET_IO_PORT", (host.as_str(), port)).await?;
    let mut origins = OriginPolicy::from(origins);
    if key.is_none() && !listener.local_addr()?.ip().is_loopback() {
        warn!(%host, "without BUS_KEY every client that can reach the bus may act as a service");
    }
    if listener.local_addr()?.ip().is_loopback() {
        let hosts = variable("ALLOWED_HOSTS").unwrap_or_default();
        let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        // DNS rebinding: a page can point its own host name at this machine, and would then count as same
        // host.
        origins = origins.local_hosts().allowed_hosts(hosts);
    }
    let bus = Bus::new(BusOptions { key, users, origins })?;
    let stop = stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(bus.serve(listener, stop).await?)
}

async fn demo() -> Result<(), Failure> {
    // The demonstration prints its own output.
    log("WARNING")?;
    let bus = Bus::new(BusOptions::default())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("bus       listens on {url}");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async {
            // Also completes if the demonstration fails, which drops the sender.
            let _ = stopped.await;
        };
        bus.serve(listener, stopped).await
    });
    let shown = demo::show(&url).await;
    drop(stop);
    serving.await??;
    shown
}
