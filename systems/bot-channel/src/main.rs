//! A bot that listens on a port.
//!
//! `bot-channel [CONFIG.toml] [CREDENTIALS.yml]` reads settings from a TOML file, from Rasa's credentials, or uses the
//! sample. README.md lists the variables that it reads
//! from the environment.

use std::path::Path;
use std::process::ExitCode;

use bot_channel::{AgentConfig, BackendConfig, Bot, Config, Credentials, SAMPLE};
use system_support::{Failure, listen, variable};

#[tokio::main]
async fn main() -> ExitCode {
    system_support::exit_code(run().await)
}

const USAGE: &str = "usage: bot-channel [CONFIG.toml] [CREDENTIALS.yml]";

async fn run() -> Result<(), Failure> {
    system_support::log()?;
    serve(config(std::env::args().skip(1))?).await
}

/// The settings of the files, and of the environment.
fn config(arguments: impl Iterator<Item = String>) -> Result<Config, Failure> {
    let is_yaml = |file: &String| file.ends_with(".yml") || file.ends_with(".yaml");
    let (credentials, files): (Vec<String>, Vec<String>) = arguments.partition(is_yaml);
    let backend = variable("BACKEND_URL").map(|url| AgentConfig::Http(BackendConfig::new([url])));
    let mut config = match (files.as_slice(), backend) {
        ([file], None) if !file.starts_with('-') => Config::load(Path::new(file))?,
        ([], None) if credentials.is_empty() => Config::parse(SAMPLE, "the sample")?,
        ([], Some(agent)) => Config::new(agent),
        ([], None) => return Err("BACKEND_URL: the URL of the backend is expected beside credentials".into()),
        ([_], Some(_)) => return Err("BACKEND_URL: the agent is set in the file already".into()),
        _ => return Err(USAGE.into()),
    };
    match credentials.as_slice() {
        [] => {}
        [file] => Credentials::load(Path::new(file))?.apply(&mut config.socketio),
        _ => return Err(USAGE.into()),
    }
    if let Some(key) = system_support::secret("JWT_KEY")? {
        config.socketio.jwt_key = Some(key);
    }
    if let Some(url) = system_support::secret("TRACKER_URL")? {
        config.tracker.url = Some(url);
    }
    Ok(config)
}

async fn serve(config: Config) -> Result<(), Failure> {
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
