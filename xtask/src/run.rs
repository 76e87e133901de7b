//! Running programs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A program to run in a folder.
pub(crate) struct Run {
    command: Command,
    shown: String,
    limit: Duration,
}

/// Longer than anything that is not stuck.
const LIMIT: Duration = Duration::from_secs(30 * 60);

impl Run {
    pub(crate) fn new(program: &str, arguments: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        Self { command, shown: format!("{program} {}", arguments.join(" ")), limit: LIMIT }
    }

    pub(crate) fn cargo(arguments: &[&str]) -> Self {
        // The cargo that runs us, so that a toolchain chosen with `+` stays chosen.
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        Self::new(&cargo, arguments, &crate::root())
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Ends the program when it takes longer.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it with its output on ours.
    pub(crate) fn status(mut self) -> Result<(), String> {
        println!("$ {}", self.shown);
        let mut child = self.command.spawn().map_err(|error| format!("{}: {error}", self.shown))?;
        let begun = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("{}: {status}", self.shown)),
                Ok(None) if begun.elapsed() > self.limit => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("{}: still running after {:?}, ended", self.shown, self.limit));
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => return Err(format!("{}: {error}", self.shown)),
            }
        }
    }

    /// Runs it and returns what it prints.
    pub(crate) fn output(mut self) -> Result<String, String> {
        let output = self.command.output().map_err(|error| format!("{}: {error}", self.shown))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("{}: {}\n{}", self.shown, output.status, String::from_utf8_lossy(&output.stderr)))
        }
    }
}
