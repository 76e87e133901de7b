//! The bus as a program.
//!
//! `SOCKET_IO_PORT` (8000) and `SOCKET_IO_HOST` (127.0.0.1) say where it listens, `LOG_LEVEL` (INFO) what is logged,
//! `BUS_KEY` (none) what services have to know, and `USERS` whether clients may name themselves (`believed`) or not
//! (`unknown`); the default is `believed` without a key, and `unknown` with one.

use std::future::Future;
use std::process::ExitCode;

use service_bus::{Bus, BusOptions, Users};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn serve() -> Result<(), Failure> {
    let level = variable("LOG_LEVEL").unwrap_or_else(|| "INFO".to_owned());
    let filter = match level.to_ascii_uppercase().as_str() {
        "CRITICAL" | "ERROR" => "error",
        "WARNING" | "WARN" => "warn",
        "INFO" => "info",
        "DEBUG" => "debug",
        "TRACE" => "trace",
        "OFF" => "off",
        _ => return Err(format!("LOG_LEVEL: there is no level {level}").into()),
    };
    tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr).init();
    let port = match variable("SOCKET_IO_PORT") {
        Some(port) => port.parse().map_err(|_| format!("SOCKET_IO_PORT: {port} is no port"))?,
        None => 8000,
    };
    let key = variable("BUS_KEY");
    let users = match (variable("USERS").as_deref(), &key) {
        (Some("believed"), _) | (None, None) => Users::Believed,
        (Some("unknown"), _) | (None, Some(_)) => Users::Unknown,
        (Some(other), _) => return Err(format!("USERS: {other} is neither believed nor unknown").into()),
    };
    let bus = Bus::new(BusOptions { key, users })?;
    let host = variable("SOCKET_IO_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let listener = TcpListener::bind((host.as_str(), port)).await?;
    let stop = stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(bus.serve(listener, stop).await?)
}

/// Done when the process is told to stop, from the keyboard or by a service manager.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}
