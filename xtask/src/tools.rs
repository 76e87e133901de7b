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

/// A virtual environment in `target/tools/python`, with the packages that `tests/python` asks for.
pub(crate) fn python_packages() -> Result<(), String> {
    python_environment("python", "tests/python/requirements.txt").map(drop)
}

/// A virtual environment in `target/tools`, with the packages of a list; its Python.
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
    // One that was left half made, or whose Python is gone, is made anew.
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

/// The program of OpenSSL, with which tests make keys as operators do.
pub(crate) fn openssl() -> Result<(), String> {
    if Run::new("openssl", &["version"], &root()).output().is_err() {
        debian(&["openssl"], "the program openssl is needed on the PATH, to make keys for tests")?;
    }
    Ok(())
}

/// The reverse proxies that the gateway is put behind. Apache is `apache2-bin`, which is the program without a service.
pub(crate) fn proxies() -> Result<(), String> {
    for (program, version, package) in [
        ("nginx", "-v", "nginx"),
        ("apache2", "-v", "apache2-bin"),
        ("caddy", "version", "caddy"),
        ("haproxy", "-v", "haproxy"),
    ] {
        if Run::new(program, &[version], &root()).output().is_err() {
            debian(&[package], &format!("{program} is needed on the PATH, to put the gateway behind it"))?;
        }
    }
    Ok(())
}

/// PyPI's schemathesis, which asks the gateway's HTTP API what nobody thought of.
pub(crate) fn schemathesis() -> Result<(), String> {
    python_environment("schemathesis", "tests/python/schemathesis.txt").map(drop)
}

/// Builds the program that visits our server with crates.io's rust_socketio, which is a workspace of its own.
pub(crate) fn rust_socketio() -> Result<(), String> {
    openssl_headers()?;
    peer("rust_socketio")
}

/// The headers of OpenSSL, which crates.io's rust_socketio is built with.
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

/// Installs packages of Debian, where that is possible and allowed. `needed` is the error where it is not.
fn debian(packages: &[&str], needed: &str) -> Result<(), String> {
    let user = Run::new("id", &["-u"], &root()).output().unwrap_or_default();
    if user.trim() != "0" || Run::new("apt-get", &["--version"], &root()).output().is_err() {
        return Err(format!("{needed}; in Debian: {}", packages.join(", ")));
    }
    // Another package manager may be at work, as on a machine that has just started; then apt-get waits up to 5 minutes.
    let apt = |arguments: &[&str]| {
        let arguments = [&["-o", "DPkg::Lock::Timeout=300"], arguments].concat();
        Run::new("apt-get", &arguments, &root()).env("DEBIAN_FRONTEND", "noninteractive").status()
    };
    apt(&["update"])
        .and_then(|()| apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat()))
        .map_err(|error| format!("{needed}, and Debian's packages could not be installed\n{error}"))
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
