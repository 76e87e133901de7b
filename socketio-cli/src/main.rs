//! `sio`, Socket.IO on the command line: print and send events, measure a server under load, diagnose
//! connections.

mod arguments;
mod connect;
mod doctor;
mod emit;
mod load;
mod print;
mod tls;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Connect(arguments) => connect::run(&arguments).await,
        Command::Emit(arguments) => emit::run(&arguments).await,
        Command::Load(arguments) => load::run(&arguments).await,
        Command::Doctor(arguments) => doctor::run(&arguments).await,
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            print::error(&print::with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}
