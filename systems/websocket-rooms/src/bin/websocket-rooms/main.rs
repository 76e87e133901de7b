//! A server with a chat on it, or clients of such servers.
//!
//! `websocket-rooms [serve]` listens at `ADDRESS` (127.0.0.1:8080). With `TOKEN` only those come in who bring it, as
//! `?token=` or as `Authorization: Bearer`. `ORIGINS` says whose pages may connect (a comma-separated list, or `*`).
//!
//! `websocket-rooms connect NAME=URL…` sends each line that it reads over all of these connections, and prints what
//! happens. `RECONNECT_INTERVAL` is the first wait before it tries again, in milliseconds (5000).
//!
//! `RUST_LOG` says what is logged, in both cases.

mod chat;
mod connect;

use std::future::Future;
use std::process::ExitCode;

use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;
use websocket_rooms::{Origins, Server, ServerOptions};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] | ["serve"] => serve().await,
        ["connect", urls @ ..] if !urls.is_empty() => connect::run(urls).await,
        _ => Err("usage: websocket-rooms [serve | connect NAME=URL…]".into()),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn serve() -> Result<(), Failure> {
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let server = Server::new(ServerOptions { origins: origins(), ..ServerOptions::default() });
    chat::set_up(&server, std::env::var("TOKEN").ok());
    let listener = TcpListener::bind(address).await?;
    let stop = stop_signal()?;
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

fn origins() -> Origins {
    match std::env::var("ORIGINS").unwrap_or_default().as_str() {
        "" => Origins::SameHost,
        "*" => Origins::Any,
        list => Origins::List(list.split(',').map(|origin| origin.trim().to_owned()).collect()),
    }
}

/// Done when the process is told to stop, from the keyboard or by a service manager.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}
