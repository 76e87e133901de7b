//! Parts of a process that serves: its log, its runtime, the generated key, and the reload of its settings.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::load::LoadError;
use crate::config::{Config, Log, LogFormat};
use crate::gateway::Gateway;
use crate::log::LogQueue;
use crate::log::whole_lines::WholeLines;

/// Runtime with one worker per core. On a single core the current-thread scheduler suffices, and it is fairer
/// when very many sessions are busy at once.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match std::thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

/// Logs the risky settings.
pub(crate) fn log_risks(config: &Config) {
    for risk in config.risks() {
        tracing::warn!(%risk, "risky setting");
    }
}

/// Prints the generated key once, to the standard output rather than the log, because logs are kept and have
/// many readers. The link logs its user in as an operator; browsers do not send the part behind `#` to
/// servers.
pub(crate) fn print_key(key: &str, page: Option<&str>) {
    let opens = page.map_or_else(|| format!("x-api-key: {key}"), |page| format!("{page}#key={key}"));
    let about = "api.keys is empty. Generated operator key, valid until the gateway exits:";
    let text = format!("{about}\n\n  {opens}\n\n");
    // Errors are ignored: without a reader of the standard output the key is not needed.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Loads the settings again and applies those that need no restart.
pub(crate) async fn reload(
    gateway: &Gateway,
    load: impl FnOnce() -> Result<Config, Vec<LoadError>> + Send + 'static,
) {
    let loaded = tokio::task::spawn_blocking(load).await;
    let config = match loaded {
        Ok(Ok(config)) => config,
        Ok(Err(errors)) => {
            for error in errors {
                tracing::error!(%error, "reload failed");
            }
            return;
        }
        Err(error) => return tracing::error!(%error, "reload failed"),
    };
    log_risks(&config);
    match gateway.reload(&config) {
        Ok(left) if left.is_empty() => tracing::info!("reloaded"),
        Ok(left) => {
            let settings = left.join(", ");
            tracing::warn!(settings, "reloaded; some settings need a restart");
        }
        Err(error) => tracing::error!(%error, "reload failed"),
    }
}

/// Address that reaches a listener on this machine: loopback in place of an unspecified address.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, address.port())
}

/// Installs a log that writes all events and panics of the process to the standard error, without blocking on
/// a slow reader. With a node, lines name it: several processes write to one log then.
pub(crate) fn log_to_stderr(log: &Log, node: Option<&str>) -> Result<LogQueue, String> {
    let filter: tracing_subscriber::EnvFilter =
        log.level.parse().map_err(|error| format!("log.level: {error}"))?;
    let report = |dropped| tracing::warn!(dropped, "log lines were dropped: the log was not read");
    let lines = match node {
        None => LogQueue::to(std::io::stderr(), report),
        Some(_) => LogQueue::to(WholeLines(std::io::stderr()), report),
    };
    let lines = lines.map_err(|error| format!("log: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines.clone());
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    match (log.format, node.map(str::to_owned)) {
        (LogFormat::Human, None) => builder.with_ansi(colours).init(),
        (LogFormat::Json, None) => builder.json().init(),
        (LogFormat::Human, Some(node)) => {
            builder.with_ansi(colours).map_event_format(|lines| Named { node, lines, json: false }).init();
        }
        (LogFormat::Json, Some(node)) => {
            builder.json().map_event_format(|lines| Named { node, lines, json: true }).init();
        }
    }
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => tracing::error!(%panic, %backtrace, "panic"),
            _ => tracing::error!(%panic, "panic"),
        }
    }));
    Ok(lines)
}

/// Lines that name the node of this process.
struct Named<F> {
    node: String,
    lines: F,
    json: bool,
}

impl<S, N, F> FormatEvent<S, N> for Named<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let node = &self.node;
        if !self.json {
            write!(writer, "{node} ")?;
            return self.lines.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.lines.format_event(context, Writer::new(&mut line), event)?;
        // A line is an object, and never an empty one. Names of nodes need no escapes.
        write!(writer, "{{\"node\":\"{node}\",{}", line.strip_prefix('{').unwrap_or(&line))
    }
}
