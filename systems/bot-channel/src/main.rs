//! A bot that listens on a port.
//!
//! `bot-channel [CONFIG]` reads settings from a TOML file, or uses the sample. README.md lists the variables that it reads
//! from the environment.

use std::path::Path;
use std::process::ExitCode;

use bot_channel::{Bot, Config, SAMPLE};
use system_support::{Failure, listen, variable};

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
    let bot = Bot::new(config)?;
    let address = variable("ADDRESS").unwrap_or_else(|| "127.0.0.1:5005".to_owned());
    let listener = listen("ADDRESS", address.as_str()).await?;
    let operators = variable("OPERATOR_ADDRESS").unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let operators = match operators.as_str() {
        "off" => None,
        address => Some(listen("OPERATOR_ADDRESS", address).await?),
    };
    let stop = system_support::stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    if let Some(operators) = &operators {
        println!("health and metrics on http://{}", operators.local_addr()?);
    }
    Ok(bot.serve(listener, operators, stop).await?)
}
