//! Loads a Socket.IO server and reports the server's cost: one scenario per run, one JSON object on stdout.
//!
//! `bench-load SCENARIO --port P --pid SERVER [--conns N] [--window N] [--size N] [--kind string|json|binary]
//! [--secs S] [--warmup S] [--events contract|gateway] [--other-port P --other-pid SERVER] ...`; the scenarios are
//! idle, echo, ack, broadcast, rooms, polling, slow, storm, fetch and steady. With another server, which is of the same
//! cluster, clients connect to both in turn.
//!
//! Every delivery is compared byte for byte with the sent data. A server that sends a wrong response, or
//! none, fails the run.

mod arguments;
mod cost;
mod failure;
mod fetch;
mod histogram;
mod idle;
mod links;
mod message;
mod own;
mod polling;
mod rooms;
mod run;
mod slow;
mod steady;
mod storm;
mod wire;

use std::process::ExitCode;

use arguments::Arguments;
use failure::Failure;
use serde_json::{Value, json};

fn main() -> ExitCode {
    match load() {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{}", json!({ "error": failure.to_string() }));
            ExitCode::FAILURE
        }
    }
}

fn load() -> Result<Value, Failure> {
    let (scenario, arguments) = Arguments::parse(std::env::args().skip(1))?;
    match scenario.as_str() {
        "idle" => idle::run(&arguments),
        "echo" | "ack" => own::run(&scenario, &arguments),
        "broadcast" | "rooms" => rooms::run(&scenario, &arguments),
        "polling" => polling::run(&arguments),
        "slow" => slow::run(&arguments),
        "storm" => storm::run(&arguments),
        "fetch" => fetch::run(&arguments),
        "steady" => steady::run(&arguments),
        other => Err(Failure(format!("there is no scenario {other}"))),
    }
}
