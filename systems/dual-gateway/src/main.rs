//! Both ports as a program.
//!
//! `dual-gateway` serves; `dual-gateway token USER` prints a token for somebody who has logged in.
//!
//! | variable | default | |
//! | --- | --- | --- |
//! | `HOST` | 127.0.0.1 | where it listens |
//! | `PORT` | 3000 | API and Socket.IO |
//! | `WEBSOCKET_PORT` | 3500 | Socket.IO and plain WebSocket |
//! | `CORS_ORIGIN` | none | whose pages may connect: a comma-separated list, or `*` |
//! | `SESSION_SECRET` | a new one at each start | what proves tokens |
//! | `SESSION_SECONDS` | 86400 | how long they are good |
//! | `RUST_LOG` | info | what is logged |

use std::future::Future;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use dual_gateway::{DualGateway, Parrot, Sessions};
use tokio::net::TcpListener;
use tracing::warn;
use tracing_subscriber::EnvFilter;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] => serve().await,
        ["token", user] => token(user),
        _ => Err("usage: dual-gateway [token USER]".into()),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn serve() -> Result<(), Failure> {
    let mut config = gateway::Config::default();
    // Its console knows of no tokens.
    config.api.page = false;
    let origins = variable("CORS_ORIGIN").unwrap_or_default();
    let origins = origins.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    config.origins.allowed = origins.map(str::to_owned).collect();
    let secret = match variable("SESSION_SECRET") {
        Some(secret) => secret.into_bytes(),
        None => {
            warn!("SESSION_SECRET is not set: sessions end with this process");
            let mut secret = vec![0; 32];
            getrandom::fill(&mut secret)?;
            secret
        }
    };
    let dual = DualGateway::new(config, Sessions::new(&secret, lifetime()?), Parrot)?;
    let host = variable("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let main = TcpListener::bind((host.as_str(), number("PORT", 3000)?)).await?;
    let websocket = TcpListener::bind((host.as_str(), number("WEBSOCKET_PORT", 3500)?)).await?;
    let stop = stop_signal()?;
    println!("API and Socket.IO on http://{}", main.local_addr()?);
    println!("Socket.IO and WebSocket on http://{}", websocket.local_addr()?);
    Ok(dual.serve(main, websocket, stop).await?)
}

fn token(user: &str) -> Result<(), Failure> {
    let secret = variable("SESSION_SECRET").ok_or("SESSION_SECRET is not set")?;
    let (_, token) = Sessions::new(secret.as_bytes(), lifetime()?).acquire(Some(user.to_owned()))?;
    println!("{token}");
    Ok(())
}

fn lifetime() -> Result<Duration, Failure> {
    Ok(Duration::from_secs(number("SESSION_SECONDS", 86_400)?))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number<T: FromStr>(name: &str, default: T) -> Result<T, Failure> {
    match variable(name) {
        Some(value) => {
            value.parse().map_err(|_| format!("{name}: {value:?} is not a number that fits").into())
        }
        None => Ok(default),
    }
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
