//! Command line of the gateway.

mod healthcheck;
mod serve;
mod token;

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::token::{GenToken, check_token, gen_token};
use crate::builtin::EVENTS;
use crate::config::Config;
use crate::config::load::Sources;
use crate::gateway::Gateway;
use crate::http::ROUTES;

/// Socket.IO and plain WebSocket on one port, in front of any backend.
#[derive(Debug, Parser)]
#[command(name = "socketio-gateway", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; a second one ends it at once. This is what happens without a command.
    Serve,
    /// Print a configuration file with every setting and its default.
    GenConfig,
    /// Say what is wrong with the configuration, or print what is in force.
    CheckConfig,
    /// Make a token for a user: of a session if auth.session_secret is set, otherwise a JWT.
    GenToken(GenToken),
    /// Say whose token it is, or why it is no good.
    CheckToken {
        /// The token. Without it, it is read from the standard input, where nobody else sees it.
        token: Option<String>,
    },
    /// List what there is: namespaces, events or routes.
    List {
        /// Which.
        what: What,
    },
    /// Ask a running gateway whether it takes clients; exit 0 if so.
    Healthcheck,
    /// Print the version.
    Version,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    Namespaces,
    Events,
    Routes,
}

/// Settings of the command line, which count more than the environment and the file.
#[derive(Debug, Args)]
struct Settings {
    /// The configuration file, TOML or JSON.
    #[arg(long, short, global = true, env = "GATEWAY_CONFIG")]
    config: Option<PathBuf>,
    /// The address to listen on.
    #[arg(long, global = true)]
    host: Option<String>,
    /// The port to listen on.
    #[arg(long, short, global = true)]
    port: Option<String>,
    /// error, warn, info, debug or trace.
    #[arg(long, global = true)]
    log_level: Option<String>,
    /// human or json.
    #[arg(long, global = true)]
    log_format: Option<String>,
    /// Any setting, as section.key=value; lists are separated by commas. Can be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("section.key=value is expected")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Settings {
    fn load(self) -> Result<Config, ExitCode> {
        self.sources().load().map_err(|errors| {
            errors.iter().for_each(complain);
            ExitCode::FAILURE
        })
    }

    fn sources(self) -> Sources {
        let named = [
            ("server.host", self.host),
            ("server.port", self.port),
            ("log.level", self.log_level),
            ("log.format", self.log_format),
        ];
        let named = named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        // Variables that are not UTF-8 cannot be settings, and are skipped.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Sources {
            file: self.config,
            environment: environment.collect(),
            flags: self.set.into_iter().chain(named).collect(),
        }
    }
}

/// Runs the command line, and returns the exit status.
pub fn run() -> ExitCode {
    let Arguments { command, settings } = Arguments::parse();
    let done = match command.unwrap_or(Command::Serve) {
        Command::GenConfig => {
            print!("{}", crate::SAMPLE_CONFIG);
            Ok(())
        }
        Command::Version => {
            println!("{}", crate::VERSION);
            Ok(())
        }
        Command::Serve => serve::serve(&settings.sources()),
        Command::CheckConfig => settings.load().and_then(check_config),
        Command::List { what } => settings.load().map(|config| list(what, &config)),
        Command::GenToken(asked) => settings.load().and_then(|config| gen_token(&config, asked)),
        Command::CheckToken { token } => settings.load().and_then(|config| check_token(&config, token)),
        Command::Healthcheck => settings.load().and_then(|config| healthcheck::healthcheck(&config)),
    };
    done.err().unwrap_or(ExitCode::SUCCESS)
}

fn complain(error: impl Display) {
    eprintln!("socketio-gateway: {error}");
}

fn failed(error: impl Display) -> ExitCode {
    complain(error);
    ExitCode::FAILURE
}

fn check_config(config: Config) -> Result<(), ExitCode> {
    let shown = toml::to_string(&config).map_err(failed)?;
    config.risks().iter().for_each(|risk| complain(format_args!("warning: {risk}")));
    Gateway::new(config).map_err(failed)?;
    print!("{shown}");
    Ok(())
}

fn list(what: What, config: &Config) {
    match what {
        What::Namespaces => config.server.namespaces.iter().for_each(|name| println!("{name}")),
        What::Events => EVENTS.iter().for_each(|event| {
            let names: Vec<&str> = event.names().collect();
            println!("{:<30}{}", names.join(", "), event.about);
        }),
        What::Routes => {
            ROUTES.iter().for_each(|route| println!("{:<6}{:<28}{}", route.method, route.path, route.about));
        }
    }
}
