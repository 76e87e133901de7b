//! An application with a few routes, a chat, and a namespace for those who have a token.
//!
//! `axum-plugin [COMMAND]`, see [`axum_plugin::cli`]. `ADDRESS` says where it listens (127.0.0.1:3000), `CORS_ORIGINS`
//! which pages may connect (a comma-separated list, or `*`), `TOKEN` what the namespace `/private` asks for, and
//! `RUST_LOG` what is logged.

mod chat;
mod lobby;
mod private;
mod routes;

use std::future::Future;
use std::process::ExitCode;

use axum_plugin::cli::{self, CliError, Command};
use axum_plugin::{App, Application, Origins, SocketOptions, SocketPlugin};
use tracing::{Level, enabled, info};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match cli::command(app(), &arguments) {
        Ok(Command::Print(text)) => {
            print!("{text}");
            Ok(())
        }
        Ok(Command::Serve(application)) => serve(application).await,
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn app() -> App {
    let options = SocketOptions {
        origins: origins(),
        // The loggers are switched on for those who look.
        logger: enabled!(target: "socketio", Level::DEBUG),
        engineio_logger: enabled!(target: "engineio", Level::DEBUG),
        ..SocketOptions::default()
    };
    let token = std::env::var("TOKEN").unwrap_or_else(|_| "let me in".to_owned());
    let socket = SocketPlugin::new(options)
        .server(|server| server.state(private::Token(token.into())))
        .events(lobby::events())
        .events(chat::events())
        .events(private::events())
        .when_registered(|handlers| info!(handlers = handlers.len(), "registered"))
        .when_ready(|api| info!(namespaces = api.namespaces().len(), "ready"))
        .before_shutdown(|api| async move {
            let _ = api.emit("notification", "the server goes down").await;
        });
    App::new("an axum application with Socket.IO")
        .configure(socket)
        .get("/", routes::about)
        .post("/notifications", routes::notify)
        .post("/rooms/{room}", routes::tell_room)
        .post("/clients/{sid}", routes::tell_client)
        .delete("/clients/{sid}", routes::put_out)
}

fn origins() -> Origins {
    match std::env::var("CORS_ORIGINS").unwrap_or_default().as_str() {
        "" => Origins::SameHost,
        "*" => Origins::Any,
        list => Origins::List(list.split(',').map(|origin| origin.trim().to_owned()).collect()),
    }
}

async fn serve(application: Application) -> Result<(), CliError> {
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let stop = stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(application.serve(listener, stop).await?)
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
