//! Both ports as a program.
//!
//! `dual-gateway` serves; `dual-gateway token USER` prints a token for a user that has logged in.
//!
//! | variable | default | |
//! | --- | --- | --- |
//! | `HOST` | 127.0.0.1 | listen address |
//! | `PORT` | 3000 | API and Socket.IO |
//! | `WEBSOCKET_PORT` | 3500 | Socket.IO and plain WebSocket |
//! | `CORS_ORIGIN` | none | origins that may connect: a comma-separated list, or `*` |
//! | `SESSION_SECRET` | a new one at each start | key that signs tokens, at least 16 bytes |
//! | `SESSION_SECONDS` | 86400 | lifetime of a token, in seconds |
//! | `MAX_ANSWERS` | 4 | maximum number of concurrent `ai:chat` answers per connection |
//! | `GATEWAY_CONFIG`, `GATEWAY_…` | none | file and variables with settings of the gateway |
//! | `RUST_LOG`, `LOG_FORMAT` | info, human | log filter; `json` writes an object per line |

use std::process::ExitCode;

use dual_gateway::{ChatOptions, DualGateway, Parrot};
use socketio_gateway::config::load::Sources;
use socketio_gateway::{Config, Gateway};
use system_support::{Failure, listen, parsed, variable};
use tracing::warn;

/// Minimum secret length: with a token at hand, a shorter secret can be found by brute force.
const MIN_SECRET: usize = 16;

#[tokio::main]
async fn main() -> ExitCode {
    system_support::exit_code(run().await)
}

async fn run() -> Result<(), Failure> {
    system_support::log()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => serve().await,
        ["token", user] => token(user),
        _ => Err("usage: dual-gateway [token USER]".into()),
    }
}

async fn serve() -> Result<(), Failure> {
    let mut config = settings()?;
    if config.auth.session_secret.is_empty() {
        warn!("SESSION_SECRET is not set: sessions end with this process");
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        config.auth.session_secret = format!("{:032x}", u128::from_le_bytes(secret)).into();
    }
    let scheme = if config.tls.certificate.is_empty() { "http" } else { "https" };
    let answers_per_connection = parsed("MAX_ANSWERS", ChatOptions::default().answers_per_connection)?;
    let dual = DualGateway::with_options(config, ChatOptions { answers_per_connection }, Parrot)?;
    let host = variable("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let main = listen("PORT", (host.as_str(), parsed("PORT", 3000)?)).await?;
    let websocket = listen("WEBSOCKET_PORT", (host.as_str(), parsed("WEBSOCKET_PORT", 3500)?)).await?;
    let stop = system_support::stop_signal()?;
    println!("API and Socket.IO on http://{}", main.local_addr()?);
    println!("Socket.IO and WebSocket on {scheme}://{}", websocket.local_addr()?);
    Ok(dual.serve(main, websocket, stop).await?)
}

fn token(user: &str) -> Result<(), Failure> {
    let config = settings()?;
    if config.auth.session_secret.is_empty() {
        return Err("SESSION_SECRET is not set".into());
    }
    println!("{}", Gateway::new(config)?.acquire_session(Some(user.to_owned()))?.token);
    Ok(())
}

/// The settings of the gateway: those of its file and its variables, then the variables of this program.
fn settings() -> Result<Config, Failure> {
    let environment = std::env::vars().filter(|(name, _)| name.starts_with("GATEWAY_")).collect();
    let file = variable("GATEWAY_CONFIG").map(Into::into);
    let loaded = Sources { file, environment, ..Sources::default() }.load();
    let mut config = loaded.map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        errors.join("\n")
    })?;
    if let Some(origins) = variable("CORS_ORIGIN") {
        config.origins.allowed = origins.split(',').map(|origin| origin.trim().to_owned()).collect();
    }
    if let Some(secret) = variable("SESSION_SECRET") {
        if secret.len() < MIN_SECRET {
            return Err(format!("SESSION_SECRET: at least {MIN_SECRET} bytes are expected").into());
        }
        config.auth.session_secret = secret.into();
    }
    let seconds = parsed::<u64>("SESSION_SECONDS", config.auth.session_ms / 1000)?;
    config.auth.session_ms = seconds.saturating_mul(1000);
    Ok(config)
}
