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
use crate::config::load::Sources;
use crate::config::{Config, sample};
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
    /// Serve until SIGTERM or SIGINT; a second one exits at once. With --workers, SIGUSR2 replaces the workers one after
    /// the other. This is the default command.
    Serve,
    /// Serve as a worker of a supervisor, which starts it.
    #[cfg(unix)]
    #[command(hide = true)]
    Worker,
    /// Print a configuration file with all settings: those of --config and of the command line, and the
    /// defaults of all others.
    GenConfig,
    /// Check the configuration, print the effective settings, and report success on the standard error.
    CheckConfig,
    /// Generate a token: a session token if auth.session_secret is set, otherwise a JWT.
    GenToken(GenToken),
    /// Check a token, and print its user or the reason why it is invalid.
    CheckToken {
        /// Token to check. By default it is read from the standard input, which other processes cannot see.
        token: Option<String>,
    },
    /// List namespaces, events or routes.
    List {
        /// Items to list.
        listed: Listed,
    },
    /// Check that a running gateway accepts clients; exit status 0 if it does.
    Healthcheck,
    /// Print the version.
    Version,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Listed {
    Namespaces,
    Events,
    Routes,
}

/// Settings of the command line. They take precedence over the environment and the file.
#[derive(Debug, Args)]
struct Settings {
    /// Path of the configuration file, TOML or JSON.
    #[arg(long, short, global = true, env = "GATEWAY_CONFIG")]
    config: Option<PathBuf>,
    /// IP address to listen on.
    #[arg(long, global = true)]
    host: Option<String>,
    /// Port to listen on.
    #[arg(long, short, global = true)]
    port: Option<String>,
    /// Number of processes that serve the port; 0: this one serves by itself.
    #[arg(long, global = true)]
    workers: Option<String>,
    /// Log level: error, warn, info, debug or trace.
    #[arg(long, global = true)]
    log_level: Option<String>,
    /// Log format: human or json.
    #[arg(long, global = true)]
    log_format: Option<String>,
    /// Any setting, as section.key=value, with commas between the items of a list. Can be repeated.
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
            errors.iter().for_each(print_error);
            ExitCode::FAILURE
        })
    }

    fn sources(self) -> Sources {
        let named = [
            ("server.host", self.host),
            ("server.port", self.port),
            ("server.workers", self.workers),
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
        Command::GenConfig => gen_config(settings),
        Command::Version => {
            println!("{}", crate::VERSION);
            Ok(())
        }
        Command::Serve => serve::serve(&settings.sources()),
        #[cfg(unix)]
        Command::Worker => {
            crate::workers::work(settings.sources()).map_err(|why| why.map_or(ExitCode::FAILURE, failed))
        }
        Command::CheckConfig => settings.load().and_then(check_config),
        Command::List { listed } => settings.load().map(|config| list(listed, &config)),
        Command::GenToken(request) => settings.load().and_then(|config| gen_token(&config, request)),
        Command::CheckToken { token } => settings.load().and_then(|config| check_token(&config, token)),
        Command::Healthcheck => settings.load().and_then(|config| healthcheck::healthcheck(&config)),
    };
    done.err().unwrap_or(ExitCode::SUCCESS)
}

fn print_error(error: impl Display) {
    eprintln!("socketio-gateway: {error}");
}

fn failed(error: impl Display) -> ExitCode {
    print_error(error);
    ExitCode::FAILURE
}

fn check_config(mut config: Config) -> Result<(), ExitCode> {
    let shown = toml::to_string(&config).map_err(failed)?;
    config.risks().iter().for_each(|risk| print_error(format_args!("warning: {risk}")));
    // The tasks of a node of a cluster never run here, so that Redis or PostgreSQL is not reached.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let entered = runtime.enter();
    // The gateway with these settings may be running.
    if config.cluster.has_peers() {
        config.cluster.peers_listen = "127.0.0.1:0".to_owned();
    }
    Gateway::new(config).map_err(failed)?;
    drop(entered);
    print!("{shown}");
    print_error("the configuration is ok");
    Ok(())
}

/// Prints the sample file with the settings of the file and the command line. The environment is left out,
/// because it belongs to this process.
fn gen_config(settings: Settings) -> Result<(), ExitCode> {
    let sources = Sources { environment: Vec::new(), ..settings.sources() };
    let given = sources.given().map_err(|errors| {
        errors.iter().for_each(print_error);
        ExitCode::FAILURE
    })?;
    print!("{}", sample::with(&given));
    Ok(())
}

fn list(listed: Listed, config: &Config) {
    match listed {
        Listed::Namespaces => config.server.namespaces.iter().for_each(|name| println!("{name}")),
        Listed::Events => print_columns(EVENTS.iter().map(|event| {
            let names: Vec<&str> = event.names().collect();
            [names.join(", "), event.description.to_owned()]
        })),
        Listed::Routes => print_columns(
            ROUTES
                .iter()
                .map(|route| [route.method.to_string(), route.path.to_owned(), route.description.to_owned()]),
        ),
    }
}

/// Prints rows as columns, each as wide as its longest cell, with two spaces between them.
fn print_columns<const N: usize>(rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = rows.collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
