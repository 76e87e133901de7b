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

/// A Chromium: the one that the environment variable CHROMIUM names, or one on the PATH, or Debian's package.
pub(crate) fn chromium() -> Result<String, String> {
    let runs = |name: &str| Run::new(name, &["--version"], &root()).output().is_ok();
    if let Ok(named) = std::env::var("CHROMIUM") {
        return if runs(&named) {
            Ok(named)
        } else {
            Err(format!("CHROMIUM is {named}, which does not run"))
        };
    }
    let mut known = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"].into_iter();
    if let Some(found) = known.find(|name| runs(name)) {
        return Ok(found.to_owned());
    }
    let needed = "Chromium is needed on the PATH, or where the environment variable CHROMIUM says";
    let user = Run::new("id", &["-u"], &root()).output().unwrap_or_default();
    if user.trim() != "0" || Run::new("apt-get", &["--version"], &root()).output().is_err() {
        return Err(format!("{needed}; in Debian it is the package chromium"));
    }
    let apt = |arguments: &[&str]| {
        Run::new("apt-get", arguments, &root()).env("DEBIAN_FRONTEND", "noninteractive").status()
    };
    apt(&["update"])
        .and_then(|()| apt(&["install", "--yes", "--no-install-recommends", "chromium"]))
        .map_err(|error| format!("{needed}, and Debian's package could not be installed\n{error}"))?;
    Ok("chromium".to_owned())
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
