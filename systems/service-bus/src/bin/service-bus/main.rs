//! The bus as a program.
//!
//! `service-bus [serve]` runs the bus until it receives a stop signal, and drains it then. SIGHUP reloads keys and
//! certificates. The settings are those of the gateway (`GATEWAY_CONFIG`, `GATEWAY_…`), the sections `bus` and
//! `services` of the same file, and the variables `SOCKET_IO_PORT`, `SOCKET_IO_HOST`, `LOG_LEVEL`, `LOG_FORMAT`,
//! `CORS_ORIGIN`, `BUS_KEY`, `USERS` and `ALLOWED_HOSTS`. The README describes them.
//!
//! `service-bus demo` runs a bus on a free port, three services, and an exchange of two users, and exits.

mod chat;
mod demo;
mod mail;
mod presence;
mod serve;
mod user;

use std::process::ExitCode;

use service_bus::{Bus, BusOptions, Config};
use system_support::Failure;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    system_support::exit_code(match arguments.as_slice() {
        [] | ["serve"] => serve::serve().await,
        ["demo"] => demo().await,
        _ => Err("usage: service-bus [serve | demo]".into()),
    })
}

async fn demo() -> Result<(), Failure> {
    // The demonstration prints its own output.
    system_support::log_at(EnvFilter::new(
        system_support::variable("LOG_LEVEL").unwrap_or_else(|| "warn".to_owned()),
    ))?;
    let mut config = Config::default();
    // The services have left before the end.
    config.server.drain_ms = 100;
    let bus = Bus::new(config, BusOptions::default())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("bus       listens on {url}");
    let serving = tokio::spawn({
        let bus = bus.clone();
        async move { bus.serve(listener).await }
    });
    let shown = demo::show(&url).await;
    bus.close().await;
    serving.await??;
    shown
}
