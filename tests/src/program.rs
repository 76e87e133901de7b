//! Programs that run beside a test, with their standard output.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::raw::soon;

/// A running program, which is killed when it is dropped.
#[derive(Debug)]
pub struct Program {
    /// The process.
    pub process: Child,
    /// The standard output, line by line.
    pub lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts a program.
    ///
    /// # Panics
    ///
    /// When it cannot be started; `needed` says what has to be installed.
    pub fn start(command: &mut Command, needed: &str) -> Self {
        let spawned = command.stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut process = spawned.unwrap_or_else(|error| panic!("{needed}: {error}"));
        let output = process.stdout.take().expect("it is piped");
        Self { process, lines: BufReader::new(output).lines() }
    }

    /// The next line that the program prints.
    ///
    /// # Panics
    ///
    /// When the program ends before.
    pub async fn line(&mut self) -> String {
        let line = soon(self.lines.next_line()).await.expect("its output can be read");
        line.expect("the program has ended")
    }

    /// Reads and drops the rest of the output. A program that prints into a closed pipe would panic, and one whose output
    /// is not read would block.
    pub fn ignore_output(self) -> Child {
        let Self { process, mut lines } = self;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        process
    }
}
