//! Both ports as a program, or each as a process of its own.
//!
//! `dual-gateway` or `dual-gateway both` serves both ports, `dual-gateway api` the one with the API, and `dual-gateway
//! websocket` the one with plain WebSocket. `dual-gateway token USER` prints a token for a user that has logged in.
//!
//! The README describes the settings, which are environment variables.

mod settings;

use std::process::ExitCode;

use dual_gateway::{DualGateway, Parrot, Ports};
use socketio_gateway::{Config, Gateway};
use system_support::{Failure, listen, parsed, variable};
use tokio::net::TcpListener;

use self::settings::Role;

const USAGE: &str = "usage: dual-gateway [both | api | websocket | token USER]";

#[tokio::main]
async fn main() -> ExitCode {
    system_support::exit_code(run().await)
}

async fn run() -> Result<(), Failure> {
    system_support::log()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["both"] => serve(Role::Both).await,
        ["api"] => serve(Role::Api).await,
        ["websocket"] => serve(Role::Websocket).await,
        ["token", user] => token(user),
        _ => Err(USAGE.into()),
    }
}

async fn serve(role: Role) -> Result<(), Failure> {
    let config = settings::serving(role)?;
    let scheme = if config.tls.certificate.is_empty() { "http" } else { "https" };
    // A port as `internal.address` describes it has no TLS.
    let operator_scheme = if config.internal.address.is_empty() { scheme } else { "http" };
    let operators = settings::operators(&config);
    let dual = build(config)?;
    let mut ports = Ports::default();
    if role != Role::Websocket {
        ports.api = Some(bind("PORT", 3000).await?);
    }
    if role != Role::Api {
        ports.websocket = Some(bind("WEBSOCKET_PORT", 3500).await?);
    }
    if let Some(address) = operators {
        ports.operators = Some(listen("OPERATOR_ADDRESS", address.as_str()).await?);
    }
    let stop = system_support::stop_signal()?;
    if let Some(listener) = &ports.api {
        println!("API and Socket.IO on http://{}", listener.local_addr()?);
    }
    if let Some(listener) = &ports.websocket {
        println!("Socket.IO and WebSocket on {scheme}://{}", listener.local_addr()?);
    }
    if let Some(listener) = &ports.operators {
        println!("Metrics, health and page on {operator_scheme}://{}", listener.local_addr()?);
        if let Some(key) = dual.gateway().generated_key() {
            println!("Operator key until this process ends, as api.keys is empty: {key}");
        }
    }
    Ok(dual.serve_ports(ports, stop).await?)
}

fn build(config: Config) -> Result<DualGateway, Failure> {
    let chat = settings::chat()?;
    Ok(match settings::model()? {
        Some(model) => DualGateway::with_options(config, chat, model)?,
        None => DualGateway::with_options(config, chat, Parrot)?,
    })
}

async fn bind(setting: &'static str, default: u16) -> Result<TcpListener, Failure> {
    let host = variable("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    Ok(listen(setting, (host.as_str(), parsed(setting, default)?)).await?)
}

fn token(user: &str) -> Result<(), Failure> {
    let config = settings::gateway()?;
    if config.auth.session_secret.is_empty() {
        return Err("SESSION_SECRET is not set".into());
    }
    println!("{}", Gateway::new(config)?.acquire_session(Some(user.to_owned()))?.token);
    Ok(())
}
