//! A server with a chat, or clients of such servers.
//!
//! `websocket-rooms [serve]` listens at `ADDRESS` (127.0.0.1:8080). `websocket-rooms connect NAME=URL…` sends each line of its
//! input over all of these connections, and prints their events. The README describes the settings, which are environment
//! variables.
//!
//! | exit code | meaning |
//! | --- | --- |
//! | 0 | ended by a signal or the end of the input |
//! | 1 | a setting, an address or a file is wrong, or a second signal cut the end short |
//! | 2 | wrong arguments |
//! | 3 | `connect`: a client has given up |

mod chat;
mod connect;
mod error;
mod operators;
mod serve;

use std::process::ExitCode;

use system_support::Failure;

use self::error::Error;

const USAGE: &str = "usage: websocket-rooms [serve | connect NAME=URL…]";

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

fn start() -> Result<(), Error> {
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::from)?;
    let done = runtime.block_on(run());
    // A read of the standard input may still be blocked in a thread.
    runtime.shutdown_background();
    done
}

async fn run() -> Result<(), Error> {
    system_support::log().map_err(Failure::from)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["serve"] => Ok(serve::run().await?),
        ["connect", urls @ ..] if !urls.is_empty() => connect::run(urls).await,
        _ => Err(Error::Arguments(USAGE.to_owned())),
    }
}
