//! An application with a few routes, a chat, and a namespace that requires a token.
//!
//! `axum-plugin [COMMAND]`, see [`axum_plugin::cli`]. The README describes the settings, which are environment variables and
//! the file that `CONFIG_FILE` names.

mod chat;
mod lobby;
mod private;
mod rooms;
mod routes;

use std::path::PathBuf;
use std::process::ExitCode;

use axum_plugin::cli::{self, Command};
use axum_plugin::{App, Application, OptionsError, SocketOptions, SocketPlugin};
use system_support::{Failure, variable};
use tracing::{Level, enabled, info};

#[tokio::main]
async fn main() -> ExitCode {
    system_support::exit_code(run().await)
}

async fn run() -> Result<(), Failure> {
    system_support::log()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match cli::command(app()?, &arguments)? {
        Command::Print(text) => print!("{text}"),
        Command::Serve(application) => serve(application).await?,
    }
    Ok(())
}

/// The options of the file and of the variables.
fn options() -> Result<SocketOptions, OptionsError> {
    let file = variable("CONFIG_FILE").map(PathBuf::from);
    let mut options = SocketOptions::load(file.as_deref(), std::env::vars())?;
    if let Some(origins) = variable("CORS_ORIGINS") {
        options.origins = origins.split(',').collect();
    }
    // The filter of the log enables the loggers too.
    options.logger |= enabled!(target: "socketio", Level::DEBUG);
    options.engineio_logger |= enabled!(target: "engineio", Level::DEBUG);
    Ok(options)
}

fn app() -> Result<App, Failure> {
    let options = options()?;
    let token = system_support::secret("TOKEN")?.unwrap_or_else(|| "let me in".to_owned());
    let socket = SocketPlugin::new(options)
        .server(|server| server.state(private::Token(token.into())))
        .events(lobby::events())
        .events(chat::events())
        .events(private::events())
        .when_registered(|handlers| info!(handlers = handlers.len(), "registered"))
        .when_ready(|api| info!(namespaces = api.namespaces().len(), "ready"))
        .before_shutdown(|api| async move {
            let _ = api.emit("notification", "the server is shutting down").await;
        });
    Ok(App::new("an axum application with Socket.IO")
        .configure(socket)
        .get("/", routes::about)
        .post("/notifications", routes::notify)
        .post("/rooms/{room}", routes::tell_room)
        .post("/clients/{sid}", routes::tell_client)
        .delete("/clients/{sid}", routes::put_out))
}

async fn serve(application: Application) -> Result<(), Failure> {
    let address = variable("ADDRESS").unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = system_support::listen("ADDRESS", address.as_str()).await?;
    let stop = system_support::stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(application.serve(listener, stop).await?)
}
