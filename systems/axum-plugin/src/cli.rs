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

use crate::app::{App, Application, ListedPlugin, Listing};
use crate::enabled::{Enabled, EnabledError};
use crate::events::HandlerInfo;
use crate::plugin::{PluginError, Route};

const USAGE: &str = "\
usage: serve | list routes | list plugins [--plugin NAME] | plugins enable NAME | plugins disable NAME";

/// Errors of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The command does not exist.
    #[error("{USAGE}")]
    Usage,
    /// The plug-in does not exist.
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

/// Parses the arguments after the program's name, and runs the command unless it is `serve`. Only `serve` builds the
/// application; the other commands run no hooks.
pub fn command(app: App, arguments: &[String]) -> Result<Command, CliError> {
    let file = PathBuf::from(std::env::var_os("PLUGINS_FILE").unwrap_or_else(|| "plugins.json".into()));
    let mut enabled = Enabled::load(&file)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["serve"] => Ok(Command::Serve(app.enabled(enabled).build()?)),
        ["list", "routes"] => Ok(Command::Print(list_routes(&app.enabled(enabled).listing()?))),
        ["list", "plugins"] => Ok(Command::Print(list_plugins(&app.enabled(enabled).listing()?))),
        ["list", "plugins", "--plugin", name] => {
            let listing = app.enabled(enabled).listing()?;
            Ok(Command::Print(list_handlers(find(&listing, name)?)))
        }
        ["plugins", verb @ ("enable" | "disable"), name] => {
            find(&app.listing()?, name)?;
            let on = *verb == "enable";
            let changed = enabled.set(name, on);
            enabled.save(&file)?;
            let (already, state) = (if changed { "" } else { "already " }, if on { "on" } else { "off" });
            Ok(Command::Print(format!("{name} is {already}switched {state}\n")))
        }
        _ => Err(CliError::Usage),
    }
}

fn find<'a>(listing: &'a Listing, name: &str) -> Result<&'a ListedPlugin, CliError> {
    let plugin = listing.plugins.iter().find(|plugin| plugin.name == name);
    plugin.ok_or_else(|| CliError::UnknownPlugin(name.to_owned()))
}

/// Mark of what is declared and switched off.
fn mark(plugin: &ListedPlugin) -> &'static str {
    if plugin.is_enabled { "" } else { " (switched off)" }
}

fn list_routes(listing: &Listing) -> String {
    let route = |route: &Route, mark: &str| {
        [route.methods.clone(), route.path.clone(), format!("{}{mark}", route.handler)]
    };
    let own = listing.routes.iter().map(|own| route(own, ""));
    let of_plugins = listing
        .plugins
        .iter()
        .flat_map(|plugin| plugin.routes.iter().map(move |of_plugin| route(of_plugin, mark(plugin))));
    table(&own.chain(of_plugins).collect::<Vec<_>>())
}

fn list_plugins(listing: &Listing) -> String {
    let mut text = String::new();
    for plugin in &listing.plugins {
        let _ = writeln!(text, "{} ({} handlers){}", plugin.name, plugin.handlers.len(), mark(plugin));
        for line in list_handlers(plugin).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn list_handlers(plugin: &ListedPlugin) -> String {
    let row = |info: &HandlerInfo| {
        [info.namespace.clone(), info.event.clone(), format!("{}{}", info.handler, mark(plugin))]
    };
    table(&plugin.handlers.iter().map(row).collect::<Vec<_>>())
}

/// Three columns, the first two as wide as their contents.
fn table(rows: &[[String; 3]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    rows.iter().map(|[one, two, three]| format!("{one:first$}  {two:second$}  {three}\n")).collect()
}
