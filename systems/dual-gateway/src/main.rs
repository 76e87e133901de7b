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
//! | `RUST_LOG` | info | log filter |

use std::process::ExitCode;

use dual_gateway::{ChatOptions, DualGateway, Parrot};
use socketio_gateway::{Config, Gateway};
use system_support::{Failure, parsed, variable};
use tokio::net::TcpListener;
use tracing::warn;

/// Minimum secret length: with a token at hand, a shorter secret can be found by brute force.
const MIN_SECRET: usize = 16;

#[tokio::main]
async fn main() -> ExitCode {
    system_support::log();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    system_support::exit_code(match arguments.as_slice() {
        [] => serve().await,
        ["token", user] => token(user),
        _ => Err("usage: dual-gateway [token USER]".into()),
    })
}

async fn serve() -> Result<(), Failure> {
    let mut config = settings()?;
    if config.auth.session_secret.is_empty() {
        warn!("SESSION_SECRET is not set: sessions end with this process");
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        config.auth.session_secret = format!("{:032x}", u128::from_le_bytes(secret)).into();
    }
    let answers_per_connection = parsed("MAX_ANSWERS", ChatOptions::default().answers_per_connection)?;
    let dual = DualGateway::with_options(config, ChatOptions { answers_per_connection }, Parrot)?;
    let host = variable("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let main = TcpListener::bind((host.as_str(), parsed("PORT", 3000)?)).await?;
    let websocket = TcpListener::bind((host.as_str(), parsed("WEBSOCKET_PORT", 3500)?)).await?;
    let stop = system_support::stop_signal()?;
    println!("API and Socket.IO on http://{}", main.local_addr()?);
    println!("Socket.IO and WebSocket on http://{}", websocket.local_addr()?);
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

/// The settings of the gateway, from the environment.
fn settings() -> Result<Config, Failure> {
    let mut config = Config::default();
    let origins = variable("CORS_ORIGIN").unwrap_or_default();
    config.origins.allowed = origins.split(',').map(|origin| origin.trim().to_owned()).collect();
    if let Some(secret) = variable("SESSION_SECRET") {
        if secret.len() < MIN_SECRET {
            return Err(format!("SESSION_SECRET: at least {MIN_SECRET} bytes are expected").into());
        }
        config.auth.session_secret = secret.into();
    }
    config.auth.session_ms = parsed::<u64>("SESSION_SECONDS", 86_400)?.saturating_mul(1000);
    Ok(config)
}
