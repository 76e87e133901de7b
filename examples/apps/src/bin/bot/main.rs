//! A bot in the chat of the example `chat`, or of the official chat example: it greets users and answers commands.
//!
//! `cargo run -p examples --bin chat`, beside it `cargo run -p apps --bin bot`, then write `!sum 1 2` in the chat. The
//! first argument is the URL of another server, and the environment variable `CA` a file with the certificate of its
//! authority. `tests.rs` shows tests with a server in the same process.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use socketio_client::{ConnectError, Data, DisconnectReason, EmitError, Manager, ManagerBuilder, Socket};

/// Its name in the chat.
const NAME: &str = "bot";

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// The answer to a message. The bot has nothing to say to a message without a command.
fn answer(message: &str) -> Option<String> {
    let mut words = message.strip_prefix('!')?.split_whitespace();
    let answer = match words.next()? {
        "help" => "!help, !sum NUMBERS, !reverse TEXT".to_owned(),
        "sum" => match words.map(str::parse::<f64>).sum::<Result<f64, _>>() {
            Ok(sum) => format!("the sum is {sum}"),
            Err(_) => "!sum takes numbers".to_owned(),
        },
        "reverse" => words.rev().collect::<Vec<_>>().join(" "),
        unknown => format!("there is no command {unknown}, see !help"),
    };
    Some(answer)
}

async fn greet(socket: Socket, Data(user): Data<User>) -> Result<(), EmitError> {
    socket.emit("new message", &format!("hello, {}", user.username))
}

async fn reply(socket: Socket, Data(said): Data<Message>) -> Result<(), EmitError> {
    let Some(answer) = answer(&said.message) else { return Ok(()) };
    socket.emit("new message", &answer)
}

/// A bot that connects, and again after each lost connection.
fn bot(server: ManagerBuilder) -> Socket {
    let socket = server.header("user-agent", "bot").build().socket("/");
    socket.on_connect(|socket: Socket| async move { socket.emit("add user", NAME) });
    socket.on("user joined", greet);
    socket.on("new message", reply);
    socket.on_connect_error(|error: ConnectError| async move { eprintln!("not connected: {error}") });
    socket.on_disconnect(|reason: DisconnectReason| async move { eprintln!("disconnected: {reason}") });
    socket.on_error(|_, error| eprintln!("{error}"));
    socket.connect();
    socket
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:3000".to_owned());
    let mut server = Manager::builder(&url)?;
    if let Ok(authority) = std::env::var("CA") {
        server = server.ca_certificate(std::fs::read(authority)?)?;
    }
    println!("{NAME} connects to {url}");
    let socket = bot(server);
    tokio::signal::ctrl_c().await?;
    socket.close().await;
    Ok(())
}
