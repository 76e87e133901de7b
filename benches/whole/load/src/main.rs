//! Loads a Socket.IO server and says what that cost it: one scenario a run, one JSON object on stdout.
//!
//! `bench-load SCENARIO --port P --pid SERVER [--conns N] [--window N] [--size N] [--kind string|json|binary]
//! [--secs S] [--warmup S] [--events contract|gateway] ...`; the scenarios are idle, echo, ack, broadcast, rooms, polling, slow and storm.
//!
//! Every delivery is compared byte for byte with what was sent. A server that answers wrongly, or not at all, fails;
//! it is not fast.

mod arguments;
mod cost;
mod histogram;
mod idle;
mod links;
mod message;
mod own;
mod polling;
mod rooms;
mod run;
mod slow;
mod storm;
mod wire;

use std::process::ExitCode;

use arguments::Arguments;
use run::Failure;
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
        other => Err(Failure(format!("there is no scenario {other}"))),
    }
}
