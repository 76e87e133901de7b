//! A bot that listens on a port.
//!
//! `bot-channel [CONFIG]` reads settings from a TOML file, or uses the sample. `ADDRESS` sets the listen
//! address (127.0.0.1:5005), `JWT_KEY` replaces the key of the file, `RUST_LOG` sets the log filter, and `LOG_FORMAT` the
//! format of the log (human, or json).

use std::path::Path;
use std::process::ExitCode;

use bot_channel::{Config, SAMPLE, from_config};
use system_support::Failure;

#[tokio::main]
async fn main() -> ExitCode {
    system_support::exit_code(run().await)
}

async fn run() -> Result<(), Failure> {
    system_support::log()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => serve(Config::parse(SAMPLE, "the sample")).await,
        [file] if !file.starts_with('-') => serve(Config::load(Path::new(file))).await,
        _ => Err("usage: bot-channel [CONFIG]".into()),
    }
}

async fn serve(config: Result<Config, bot_channel::ConfigError>) -> Result<(), Failure> {
    let mut config = config?;
    if let Some(key) = system_support::secret("JWT_KEY")? {
        config.socketio.jwt_key = Some(key);
    }
    if let Some(url) = system_support::secret("TRACKER_URL")? {
        config.tracker.url = Some(url);
    }
    let application = from_config(config)?;
    let address = system_support::variable("ADDRESS").unwrap_or_else(|| "127.0.0.1:5005".to_owned());
    let listener = system_support::listen("ADDRESS", address.as_str()).await?;
    let stop = system_support::stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(application.serve(listener, stop).await?)
}
