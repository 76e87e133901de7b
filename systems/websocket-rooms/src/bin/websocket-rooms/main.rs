//! A server with a chat, or clients of such servers.
//!
//! `websocket-rooms [serve]` listens at `ADDRESS` (127.0.0.1:8080). With `TOKEN` set, clients need that
//! token, as `?token=` or as `Authorization: Bearer`. `ORIGINS` sets the origins that may connect (a
//! comma-separated list, or `*`).
//!
//! `websocket-rooms connect NAME=URL…` sends each line of its input over all of these connections, and prints
//! their events. `RECONNECT_INTERVAL` is the first reconnection delay, in milliseconds (5000).
//!
//! `RUST_LOG` sets the log filter, in both cases, and `LOG_FORMAT` the format (human, or json). `connect` fails when one
//! of its clients has given up.

mod chat;
mod connect;

use std::process::ExitCode;

use system_support::{Failure, listen, variable};
use websocket_rooms::{Origins, Server, ServerOptions};

fn main() -> ExitCode {
    system_support::exit_code(start())
}

fn start() -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let done = runtime.block_on(run());
    // A read of the standard input may still be blocked in a thread.
    runtime.shutdown_background();
    done
}

async fn run() -> Result<(), Failure> {
    system_support::log()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["serve"] => serve().await,
        ["connect", urls @ ..] if !urls.is_empty() => connect::run(urls).await,
        _ => Err("usage: websocket-rooms [serve | connect NAME=URL…]".into()),
    }
}

async fn serve() -> Result<(), Failure> {
    let address = variable("ADDRESS").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let origins: Origins = variable("ORIGINS").unwrap_or_default().parse()?;
    let server = Server::new(ServerOptions { origins, ..ServerOptions::default() });
    chat::set_up(&server, system_support::secret("TOKEN")?);
    let listener = listen("ADDRESS", address.as_str()).await?;
    let stop = system_support::stop_signal()?;
    println!("listening on ws://{}", listener.local_addr()?);
    let closing = server.clone();
    let stopper = tokio::spawn(async move {
        stop.await;
        closing.close();
    });
    server.serve(listener).await?;
    stopper.abort();
    Ok(())
}
