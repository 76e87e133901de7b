//! Tools that a stage needs: located, or installed by the usual package manager, or reported with a clear
//! message.

use std::path::PathBuf;

use crate::paths::root;
use crate::run::Run;

/// A cargo subcommand, from the PATH or built into `target/tools`.
pub(crate) fn cargo_tool(name: &str, version: &str) -> Result<String, String> {
    cargo_tool_with(name, version, &[])
}

/// The same, with flags for its installation.
pub(crate) fn cargo_tool_with(name: &str, version: &str, flags: &[&str]) -> Result<String, String> {
    if Run::new(name, &["--version"], &root()).output().is_ok() {
        return Ok(name.to_owned());
    }
    let folder = target().join("tools");
    let binary = folder.join("bin").join(name);
    if !binary.exists() {
        let build = folder.join("build").to_string_lossy().into_owned();
        let folder = folder.to_string_lossy().into_owned();
        let install = ["install", "--locked", "--version", version, "--root", &folder, name];
        // The tools have little to do: an optimized build would take longer than it saves. They share a target
        // folder, as they have dependencies in common.
        let quick = ["--debug", "--target-dir", &build];
        let run = Run::cargo(&[&install[..], &quick, flags].concat()).env("CARGO_PROFILE_DEV_DEBUG", "0");
        run.status().map_err(|error| {
            format!("{name} {version} is needed and could not be installed from crates.io\n{error}")
        })?;
    }
    Ok(binary.to_string_lossy().into_owned())
}

/// Installs the npm packages of a folder according to its lock file.
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
    debian(&["chromium"], needed)?;
    Ok("chromium".to_owned())
}

/// valgrind, or Debian's package of it.
pub(crate) fn valgrind() -> Result<String, String> {
    if Run::new("valgrind", &["--version"], &root()).output().is_err() {
        debian(&["valgrind"], "valgrind is needed on the PATH, to count instructions")?;
    }
    Ok("valgrind".to_owned())
}

/// A virtual environment in `target/tools/python`, with the packages of `tests/python`.
pub(crate) fn python_packages() -> Result<(), String> {
    python_environment("python", "tests/python/requirements.txt").map(drop)
}

/// Creates a virtual environment in `target/tools` with the packages of a list, and returns its Python.
pub(crate) fn python_environment(name: &str, requirements: &str) -> Result<String, String> {
    let needed = "Python 3.11 or newer is needed on the PATH, with its modules venv and ensurepip";
    let check = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
    let fits = || Run::new("python3", &["-c", check], &root()).output().is_ok();
    if !fits() {
        debian(&["python3", "python3-venv"], needed)?;
        if !fits() {
            return Err(needed.to_owned());
        }
    }
    let folder = target().join("tools").join(name);
    let python = folder.join("bin").join("python").to_string_lossy().into_owned();
    // An incomplete environment, or one whose Python has been removed, is recreated.
    if Run::new(&python, &["-m", "pip", "--version"], &root()).output().is_err() {
        Run::new("python3", &["-m", "venv", "--clear", &folder.to_string_lossy()], &root()).status()?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    let install = [&install[..], &[requirements]].concat();
    Run::new(&python, &install, &root()).status().map_err(|error| {
        format!("the packages of {requirements} could not be installed from PyPI\n{error}")
    })?;
    Ok(python)
}

/// The program of OpenSSL, with which tests create keys as operators do.
pub(crate) fn openssl() -> Result<(), String> {
    if Run::new("openssl", &["version"], &root()).output().is_err() {
        debian(&["openssl"], "the program openssl is needed on the PATH, to make keys for tests")?;
    }
    Ok(())
}

/// The servers that tests start: the reverse proxies of the gateway, and Redis, PostgreSQL and NATS for clusters. Apache is
/// `apache2-bin`, the program without a service.
pub(crate) fn servers() -> Result<(), String> {
    let missing: Vec<(&str, &str)> = [
        ("nginx", "-v", "nginx"),
        ("apache2", "-v", "apache2-bin"),
        ("caddy", "version", "caddy"),
        ("haproxy", "-v", "haproxy"),
        ("redis-server", "--version", "redis-server"),
        ("nats-server", "--version", "nats-server"),
    ]
    .into_iter()
    .filter(|(program, version, _)| Run::new(program, &[version], &root()).output().is_err())
    .map(|(program, _, package)| (program, package))
    .chain((!has_postgresql()).then_some(("initdb", "postgresql")))
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (programs, packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    debian(&packages, &format!("needed on the PATH, for tests: {}", programs.join(", ")))
}

/// Whether PostgreSQL is there: Debian does not put its server on the PATH.
fn has_postgresql() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin/initdb")).any(|initdb| initdb.exists())
        || Run::new("initdb", &["--version"], &root()).output().is_ok()
}

/// PyPI's schemathesis, which sends generated requests to the gateway's HTTP API.
pub(crate) fn schemathesis() -> Result<(), String> {
    python_environment("schemathesis", "tests/python/schemathesis.txt").map(drop)
}

/// Builds the program that connects crates.io's rust_socketio to our server; it is a workspace of its own.
pub(crate) fn rust_socketio() -> Result<(), String> {
    openssl_headers()?;
    peer("rust_socketio")
}

/// The headers of OpenSSL, which crates.io's rust_socketio needs for its build.
pub(crate) fn openssl_headers() -> Result<(), String> {
    let openssl = || Run::new("pkg-config", &["--exists", "openssl"], &root()).output().is_ok();
    if cfg!(target_os = "linux") && !openssl() {
        let needed = "pkg-config and the headers of OpenSSL are needed, for crates.io's rust_socketio";
        debian(&["libssl-dev", "pkg-config"], needed)?;
    }
    Ok(())
}

/// Builds the program of a folder of `tests` that is a workspace of its own.
pub(crate) fn peer(name: &str) -> Result<(), String> {
    let folder = target().join("tools").join(name).to_string_lossy().into_owned();
    let manifest = format!("tests/{name}/Cargo.toml");
    Run::cargo(&["build", "--locked", "--target-dir", &folder, "--manifest-path", &manifest]).status()
}

/// Installs packages of Debian, if possible and allowed. `needed` is the error otherwise.
fn debian(packages: &[&str], needed: &str) -> Result<(), String> {
    let user = Run::new("id", &["-u"], &root()).output().unwrap_or_default();
    if user.trim() != "0" || Run::new("apt-get", &["--version"], &root()).output().is_err() {
        return Err(format!("{needed}; in Debian: {}", packages.join(", ")));
    }
    // Another package manager may be running, as on a machine that has just started; apt-get waits for it up
    // to 5 minutes.
    let apt = |arguments: &[&str]| {
        let arguments = [&["-o", "DPkg::Lock::Timeout=300"], arguments].concat();
        Run::new("apt-get", &arguments, &root()).env("DEBIAN_FRONTEND", "noninteractive").status()
    };
    apt(&["update"])
        .and_then(|()| apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat()))
        .map_err(|error| format!("{needed}, and Debian's packages could not be installed\n{error}"))
}

/// The target folder of cargo.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
