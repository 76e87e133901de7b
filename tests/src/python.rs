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
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = script::target().join("tools/python/bin/python");
    assert!(
        python.exists(),
        "{} is missing: `cargo xtask test test` makes it, with the packages of tests/python/requirements.txt",
        python.display()
    );
    let mut python = Command::new(python);
    python.arg("-B").arg(script).args(arguments).current_dir(tests.join("python"));
    script::run(&mut python, "Python 3.11 or newer is needed").await;
}
