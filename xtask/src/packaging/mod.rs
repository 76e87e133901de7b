//! Packages around the gateway's program: `cargo xtask package KIND`, into `target/packaging`.

mod build;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use self::build::Source;
use crate::paths::root;
use crate::run::Run;
use crate::tools::target;
use crate::workspace::{metadata, name, packages};

const PROGRAM: &str = "socketio-gateway";

struct Kind {
    name: &'static str,
    build: fn(&Source) -> Result<PathBuf, String>,
    /// Installs the package into an empty folder and runs it from there.
    trial: fn(&Path, &Path) -> Result<(), String>,
}

const KINDS: &[Kind] = &[
    Kind { name: "deb", build: build::deb, trial: trial::deb },
    Kind { name: "npm", build: build::npm, trial: trial::npm },
    Kind { name: "wheel", build: build::wheel, trial: trial::wheel },
    Kind { name: "rootfs", build: build::rootfs, trial: trial::rootfs },
];

/// `cargo xtask package KIND [--binary FILE]`.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let usage = || format!("cargo xtask package {} [--binary FILE]", names.join("|"));
    let (kind, binary) = match *arguments {
        [kind] => (kind, None),
        [kind, "--binary", binary] => (kind, Some(PathBuf::from(binary))),
        _ => return Err(usage()),
    };
    let kind = KINDS.iter().find(|known| known.name == kind).ok_or_else(usage)?;
    let binary = match binary {
        Some(binary) => binary,
        None => {
            Run::cargo(&["build", "--profile", "dist", "--locked", "-p", PROGRAM]).status()?;
            target().join("dist").join(PROGRAM)
        }
    };
    let package = (kind.build)(&source(&binary)?)?;
    println!("{}", package.display());
    Ok(())
}

/// Builds every package around the program of the tests, and tries each.
pub(crate) fn check() -> Result<(), String> {
    // The profile of the stage `test`, which has built it.
    Run::cargo(&["build", "--profile", "test", "--locked", "-p", PROGRAM]).status()?;
    let source = source(&target().join("debug").join(PROGRAM))?;
    for kind in KINDS {
        let package = (kind.build)(&source)?;
        let folder = empty(&target().join("packaging").join("trial").join(kind.name))?;
        (kind.trial)(&package, &folder).map_err(|error| format!("{}: {error}", package.display()))?;
        println!("{}: works", package.display());
    }
    Ok(())
}

fn source(binary: &Path) -> Result<Source, String> {
    let metadata = metadata()?;
    let package = packages(&metadata).find(|package| name(package) == PROGRAM);
    let version =
        package.and_then(|package| package["version"].as_str()).ok_or("the gateway has no version")?;
    let output = target().join("packaging");
    fs::create_dir_all(&output).map_err(|error| format!("{}: {error}", output.display()))?;
    // Without debug information, which is most of the file.
    let stripped = output.join(PROGRAM);
    fs::copy(binary, &stripped).map_err(|error| format!("{}: {error}", binary.display()))?;
    Run::new("strip", &[&stripped.to_string_lossy()], &root()).status()?;
    Ok(Source { binary: stripped, version: version.to_owned(), output })
}

/// Creates a folder, without what was in it.
fn empty(folder: &Path) -> Result<PathBuf, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::create_dir_all(folder).map_err(failed)?;
    Ok(folder.to_owned())
}
