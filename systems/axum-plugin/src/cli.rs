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
    /// The plug-in does not exist.
    #[error("there is no plug-in {0}")]
    UnknownPlugin(String),
    /// The plug-in is disabled, so it has no handlers.
    #[error("the plug-in {0} is switched off")]
    Disabled(String),
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
            let plugin = find(&listing, name)?;
            if !plugin.is_enabled {
                return Err(CliError::Disabled((*name).to_owned()));
            }
            Ok(Command::Print(list_handlers(&plugin.handlers)))
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

fn enabled_plugins(listing: &Listing) -> impl Iterator<Item = &ListedPlugin> {
    listing.plugins.iter().filter(|plugin| plugin.is_enabled)
}

fn list_routes(listing: &Listing) -> String {
    let of_plugins: Vec<_> = enabled_plugins(listing).flat_map(|plugin| &plugin.routes).collect();
    let routes = listing.routes.iter().chain(of_plugins.iter().copied());
    table(routes.map(|route| [route.methods.as_str(), &route.path, &route.handler]))
}

fn list_plugins(listing: &Listing) -> String {
    let mut text = String::new();
    for ListedPlugin { name, handlers, .. } in enabled_plugins(listing) {
        let _ = writeln!(text, "{name} ({} handlers)", handlers.len());
        for line in list_handlers(handlers).lines() {
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
