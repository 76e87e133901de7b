//! The command line.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;

use crate::config::load::Sources;
use crate::config::{Config, Log, LogFormat};
use crate::events::EVENTS;
use crate::gateway::Gateway;
use crate::http::ROUTES;

/// Socket.IO and plain WebSocket on one port, in front of any backend.
#[derive(Debug, Parser)]
#[command(name = "socketio-gateway", version)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT. This is what happens without a command.
    Serve,
    /// Print a configuration file with every setting and its default.
    GenConfig,
    /// Say what is wrong with the configuration, or print what is in force.
    CheckConfig,
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
        let named = [
            ("server.host", self.host),
            ("server.port", self.port),
            ("log.level", self.log_level),
            ("log.format", self.log_format),
        ];
        let named = named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        // Variables that are no text cannot be settings.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let sources = Sources {
            file: self.config,
            environment: environment.collect(),
            flags: self.set.into_iter().chain(named).collect(),
        };
        sources.load().map_err(|errors| {
            errors.iter().for_each(complain);
            ExitCode::FAILURE
        })
    }
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let Line { command, settings } = Line::parse();
    let done = match command.unwrap_or(Command::Serve) {
        Command::GenConfig => {
            print!("{}", crate::SAMPLE_CONFIG);
            Ok(())
        }
        Command::Version => {
            println!("{}", crate::VERSION);
            Ok(())
        }
        Command::Serve => settings.load().and_then(serve),
        Command::CheckConfig => settings.load().and_then(check_config),
        Command::List { what } => settings.load().map(|config| list(what, &config)),
        Command::Healthcheck => settings.load().and_then(|config| healthcheck(&config)),
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
    Gateway::new(config).map_err(failed)?;
    print!("{shown}");
    Ok(())
}

fn list(what: What, config: &Config) {
    match what {
        What::Namespaces => config.server.namespaces.iter().for_each(|name| println!("{name}")),
        What::Events => EVENTS.iter().for_each(|(name, about)| println!("{name:<10}{about}")),
        What::Routes => {
            ROUTES.iter().for_each(|route| println!("{:<6}{:<28}{}", route.method, route.path, route.about));
        }
    }
}

fn serve(config: Config) -> Result<(), ExitCode> {
    log_to_stderr(&config.log).map_err(failed)?;
    let runtime = tokio::runtime::Runtime::new().map_err(failed)?;
    runtime.block_on(async {
        let address = (config.server.host, config.server.port);
        let gateway = Gateway::new(config).map_err(failed)?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| failed(format_args!("{}:{}: {error}", address.0, address.1)))?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(version = crate::VERSION, "listening on http://{address}");
        let leaving = gateway.clone();
        tokio::spawn(async move {
            asked_to_stop().await;
            tracing::info!("draining");
            leaving.drain().await;
        });
        gateway.serve(listener).await.map_err(failed)?;
        tracing::info!("done");
        Ok(())
    })
}

/// Returns at SIGTERM or SIGINT.
async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Where there is no such signal, and none can be waited for, the process is ended from outside.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn log_to_stderr(log: &Log) -> Result<(), String> {
    let filter: tracing_subscriber::EnvFilter =
        log.level.parse().map_err(|error| format!("log.level: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Human => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// Asks as any program could: one request, and the status of its answer.
fn healthcheck(config: &Config) -> Result<(), ExitCode> {
    use std::io::{Read as _, Write as _};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
    use std::time::Duration;
    const LIMIT: Duration = Duration::from_secs(5);

    // Who listens everywhere can be reached at home.
    let host = match config.server.host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&(host, config.server.port).into(), LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(failed)?;
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") { Ok(()) } else { Err(failed(status)) }
}
