//! The tests of the workspace: cargo builds their programs, which then run side by side, as most of them wait for
//! most of their time.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::paths::root;
use crate::run::{Run, side_by_side};

const WORKSPACE: [&str; 4] = ["test", "--workspace", "--all-features", "--no-fail-fast"];

/// A program with tests, and the folder of its package.
struct Program {
    file: PathBuf,
    package: PathBuf,
}

/// Builds all tests, and the programs of the package `tests`. Another command would choose other features of the
/// dependencies, and build them again.
pub(crate) fn build() -> Result<(), String> {
    Run::cargo(&[&WORKSPACE[..], &["--no-run"]].concat()).status()
}

/// Builds and runs all tests, doc tests included.
pub(crate) fn run(environment: &[(&str, &str)]) -> Result<(), String> {
    // This build shows its messages; the second one builds nothing and lists the programs.
    build()?;
    let list =
        [&WORKSPACE[..], &["--no-run", "--quiet", "--message-format", "json-render-diagnostics"]].concat();
    let mut programs = programs(&Run::cargo(&list).output()?);
    if programs.is_empty() {
        return Err("cargo lists no program with tests".to_owned());
    }
    // The largest programs have the most tests, and begin first, so that none is left alone at the end.
    programs
        .sort_by_key(|program| std::cmp::Reverse(fs::metadata(&program.file).map_or(0, |file| file.len())));
    let with = |run: Run| environment.iter().fold(run, |run, (name, value)| run.env(name, value));
    let documented = Run::cargo(&[&WORKSPACE[..], &["--doc"]].concat());
    let runs = programs.iter().map(Program::run).chain([documented]);
    side_by_side(runs.map(with).collect())
}

impl Program {
    /// Runs the program where cargo would run it.
    fn run(&self) -> Run {
        Run::new(&self.file.to_string_lossy(), &[], &self.package)
            .env("CARGO_MANIFEST_DIR", &self.package.to_string_lossy())
    }
}

/// The programs that cargo's messages name.
fn programs(messages: &str) -> Vec<Program> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let tests = messages.filter(|message| message["profile"]["test"] == true);
    tests
        .filter_map(|message| {
            let package =
                Path::new(message["manifest_path"].as_str()?).parent().map_or_else(root, Path::to_owned);
            Some(Program { file: message["executable"].as_str()?.into(), package })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_with_tests_are_taken_from_the_messages_of_cargo() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/p/a/Cargo.toml","profile":{"test":true},"executable":"/t/a-1"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/p/a/Cargo.toml","profile":{"test":true},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/p/b/Cargo.toml","profile":{"test":false},"executable":"/t/b"}"#,
            "\nno message\n",
        );
        let programs = programs(messages);
        let found: Vec<_> =
            programs.iter().map(|program| (program.file.as_path(), program.package.as_path())).collect();
        assert_eq!(found, [(Path::new("/t/a-1"), Path::new("/p/a"))]);
    }
}
