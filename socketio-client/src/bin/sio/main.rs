//! `sio`: Socket.IO from the command line. Listen, send, measure, and find out why a connection does not come about.

mod arguments;
mod cors;
mod doctor;
mod emit;
mod latency;
mod listen;
mod load;
mod phase;
mod print;
mod progress;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Connect(arguments) => listen::run(&arguments).await,
        Command::Emit(arguments) => emit::run(&arguments).await,
        Command::Load(arguments) => load::run(&arguments).await,
        Command::Doctor(arguments) => doctor::run(&arguments).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

/// The error and what caused it, in one line.
fn complain(error: &(dyn Error + 'static)) {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    eprintln!("sio: {line}");
}
