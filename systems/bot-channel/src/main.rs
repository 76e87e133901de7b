//! A bot on a port.
//!
//! `bot-channel [CONFIG]` reads settings from a file in TOML, or takes the sample. `ADDRESS` says where it listens
//! (127.0.0.1:5005), `JWT_KEY` takes the place of the key in the file, and `RUST_LOG` says what is logged.

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use bot_channel::{Config, SAMPLE, from_config};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [] => serve(Config::parse(SAMPLE, "the sample")).await,
        [file] if !file.starts_with('-') => serve(Config::load(Path::new(file))).await,
        _ => Err("usage: bot-channel [CONFIG]".into()),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn serve(config: Result<Config, bot_channel::ConfigError>) -> Result<(), Failure> {
    let mut config = config?;
    if let Ok(key) = std::env::var("JWT_KEY") {
        config.socketio.jwt_key = Some(key);
    }
    let application = from_config(config)?;
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:5005".to_owned());
    let listener = TcpListener::bind(address).await?;
    let stop = stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(application.serve(listener, stop).await?)
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
