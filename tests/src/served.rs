//! Programs that print the address on which they listen.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::raw::soon;

/// Starts a program that prints `listening on URL` in its first line. It is killed when it is dropped.
///
/// # Panics
///
/// When the program prints something else.
pub async fn start(program: &mut Command) -> (Child, String) {
    let mut program = program.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it can be started");
    let mut lines = BufReader::new(program.stdout.take().expect("it is piped")).lines();
    let line = soon(lines.next_line()).await.expect("its output can be read").expect("it says something");
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
    // A program that prints into a closed pipe would panic.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (program, url)
}
