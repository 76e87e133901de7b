//! The command line of an application.
//!
//! ```text
//! serve                          serves until a stop signal; also without a command
//! list routes                    the routes, with the mount points of plug-ins
//! list plugins [--plugin NAME]   the plug-ins with their handlers, or those of one
//! plugins enable NAME            switches a plug-in on
//! plugins disable NAME           switches it off
//! ```
//!
//! The environment variable `PLUGINS_FILE` names the file with the disabled plug-ins; the default is
//! `plugins.json`.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use crate::app::{App, Application};
use crate::enabled::{Enabled, EnabledError};
use crate::events::HandlerInfo;
use crate::plugin::PluginError;

const USAGE: &str = "\
usage: serve | list routes | list plugins [--plugin NAME] | plugins enable NAME | plugins disable NAME";

/// Errors of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The command does not exist.
    #[error("{USAGE}")]
    Usage,
    /// The plug-in does not exist, or is disabled.
    #[error("there is no plug-in {0}")]
    UnknownPlugin(String),
    /// The file of the plug-ins cannot be read or written.
    #[error(transparent)]
    Enabled(#[from] EnabledError),
    /// The application cannot be built.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The address cannot be used, or serving failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The action of a command line.
#[must_use]
pub enum Command {
    /// Serve this application.
    Serve(Application),
    /// Print this and end.
    Print(String),
}

/// Parses the arguments after the program's name, and runs the command unless it is `serve`.
pub fn command(app: App, arguments: &[String]) -> Result<Command, CliError> {
    let file = PathBuf::from(std::env::var_os("PLUGINS_FILE").unwrap_or_else(|| "plugins.json".into()));
    let mut enabled = Enabled::load(&file)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["serve"] => Ok(Command::Serve(app.enabled(enabled).build()?)),
        ["list", "routes"] => Ok(Command::Print(list_routes(&app.enabled(enabled).build()?))),
        ["list", "plugins"] => Ok(Command::Print(list_plugins(&app.enabled(enabled).build()?))),
        ["list", "plugins", "--plugin", name] => {
            let application = app.enabled(enabled).build()?;
            let handlers = application.handlers(name).ok_or_else(|| unknown(name))?;
            Ok(Command::Print(list_handlers(&handlers)))
        }
        ["plugins", verb @ ("enable" | "disable"), name] => {
            // An application with all plug-ins enabled knows all their names.
            if !app.enabled(Enabled::default()).build()?.plugins().any(|known| known == *name) {
                return Err(unknown(name));
            }
            let on = *verb == "enable";
            let changed = enabled.set(name, on);
            enabled.save(&file)?;
            let (already, state) = (if changed { "" } else { "already " }, if on { "on" } else { "off" });
            Ok(Command::Print(format!("{name} is {already}switched {state}\n")))
        }
        _ => Err(CliError::Usage),
    }
}

fn unknown(name: &str) -> CliError {
    CliError::UnknownPlugin(name.to_owned())
}

fn list_routes(application: &Application) -> String {
    let routes = application.routes();
    table(routes.iter().map(|route| [route.methods.as_str(), &route.path, &route.handler]))
}

fn list_plugins(application: &Application) -> String {
    let mut text = String::new();
    for name in application.plugins() {
        let handlers = application.handlers(name).unwrap_or_default();
        let _ = writeln!(text, "{name} ({} handlers)", handlers.len());
        for line in list_handlers(&handlers).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn list_handlers(handlers: &[HandlerInfo]) -> String {
    table(handlers.iter().map(|info| [info.namespace.as_str(), &info.event, info.handler]))
}

/// Three columns, the first two as wide as their contents.
fn table<'a>(rows: impl Iterator<Item = [&'a str; 3]> + Clone) -> String {
    let width = |column: usize| rows.clone().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    rows.map(|[one, two, three]| format!("{one:first$}  {two:second$}  {three}\n")).collect()
}
