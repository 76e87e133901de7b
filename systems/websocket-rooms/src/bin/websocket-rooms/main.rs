//! A server with a chat, or clients of such servers.
//!
//! `websocket-rooms [serve]` listens at `ADDRESS` (127.0.0.1:8080). With `TOKEN` set, clients need that
//! token, as `?token=` or as `Authorization: Bearer`. `ORIGINS` sets the origins that may connect (a
//! comma-separated list, or `*`).
//!
//! `websocket-rooms connect NAME=URL…` sends each line of its input over all of these connections, and prints
//! their events. `RECONNECT_INTERVAL` is the first reconnection delay, in milliseconds (5000).
//!
//! `RUST_LOG` sets the log filter, in both cases.

mod chat;
mod connect;

use std::process::ExitCode;

use system_support::{Failure, variable};
use tokio::net::TcpListener;
use websocket_rooms::{Origins, Server, ServerOptions};

#[tokio::main]
async fn main() -> ExitCode {
    system_support::log();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    system_support::exit_code(match arguments.as_slice() {
        [] | ["serve"] => serve().await,
        ["connect", urls @ ..] if !urls.is_empty() => connect::run(urls).await,
        _ => Err("usage: websocket-rooms [serve | connect NAME=URL…]".into()),
    })
}

async fn serve() -> Result<(), Failure> {
    let address = variable("ADDRESS").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let origins: Origins = variable("ORIGINS").unwrap_or_default().parse()?;
    let server = Server::new(ServerOptions { origins, ..ServerOptions::default() });
    chat::set_up(&server, system_support::secret("TOKEN")?);
    let listener = TcpListener::bind(address).await?;
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
