//! Scripts that run clients of PyPI.

use std::path::Path;

use tokio::process::Command;

use crate::script;

/// Runs a script of `tests/python`, which prints `ok` when all is well and what is wrong otherwise.
///
/// # Panics
///
/// When something is wrong, Python included.
pub async fn run(script: &str, arguments: &[&str]) {
    run_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script), arguments).await;
}

/// Runs a script that lies anywhere, with the packages of `tests/python/requirements.txt`.
///
/// # Panics
///
/// When something is wrong, Python included.
pub async fn run_file(script: &Path, arguments: &[&str]) {
    let python = script::target().join("tools/python/bin/python");
    assert!(
        python.exists(),
        "{} is missing: `cargo xtask test test` makes it, with the packages of tests/python/requirements.txt",
        python.display()
    );
    let folder = script.parent().unwrap_or(Path::new("."));
    let mut python = Command::new(python);
    python.arg("-B").arg(script).args(arguments).current_dir(folder);
    script::run(&mut python, "Python 3.11 or newer is needed").await;
}
