//! The program: see `socketio-gateway --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway::command::run()
}
