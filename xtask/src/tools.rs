//! Tools that a stage needs: found, or installed in an ordinary way, or a clear message.

use std::path::PathBuf;

use crate::root;
use crate::run::Run;

/// A cargo subcommand, from the path or built into `target/tools`.
pub(crate) fn cargo_tool(name: &str, version: &str) -> Result<String, String> {
    if Run::new(name, &["--version"], &root()).output().is_ok() {
        return Ok(name.to_owned());
    }
    let folder = target().join("tools");
    let binary = folder.join("bin").join(name);
    if !binary.exists() {
        let folder = folder.to_string_lossy().into_owned();
        Run::cargo(&["install", "--locked", "--version", version, "--root", &folder, name])
            .status()
            .map_err(|error| {
                format!("{name} {version} is needed and could not be installed from crates.io\n{error}")
            })?;
    }
    Ok(binary.to_string_lossy().into_owned())
}

/// Installs the npm packages of a folder as its lock file names them.
pub(crate) fn npm_packages(folder: &str) -> Result<(), String> {
    let folder = root().join(folder);
    let node = Run::new("node", &["--version"], &folder).output();
    let major =
        node.ok().and_then(|version| version.trim_start_matches('v').split('.').next()?.parse::<u32>().ok());
    if major.is_none_or(|major| major < 20) {
        return Err("Node.js 20 or newer is needed on the PATH".to_owned());
    }
    Run::new("npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"], &folder)
        .status()
        .map_err(|error| format!("the npm packages of {} could not be installed\n{error}", folder.display()))
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
