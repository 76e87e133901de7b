//! Acknowledgements in both directions: a client requests one from the server, the server from one client,
//! the server from many, and a timeout when a client does not acknowledge.
//!
//! `cargo run -p examples --bin acks`, then from a Socket.IO client:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! socket.on("guess", (limit, answer) => answer(Math.floor(Math.random() * limit)));
//! console.log(await socket.emitWithAck("divide", 7, 2));
//! console.log(await socket.emitWithAck("divide", 7, 0)); // { error: "…" }
//! console.log(await socket.emitWithAck("play"));
//! ```

use std::time::Duration;

use serde::Serialize;
use socketio_server::{Ack, AckError, AckSender, Arguments, GatherError, Namespace, Server, Socket};

#[derive(Serialize)]
struct Round {
    guesses: Vec<u32>,
    /// Number of players that did not answer in time.
    silent: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().build()?;

    // The return value of a handler is the acknowledgement. An error becomes `{ error: "…" }`, and so does a
    // payload that does not match the handler's arguments.
    io.on("divide", |Arguments((a, b)): Arguments<(i64, i64)>| async move {
        a.checked_div(b).map(Ack).ok_or("that cannot be divided")
    });

    // A handler with an `AckSender` sends the acknowledgement itself, at any time.
    io.on("later", |ack: Option<AckSender>| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Some(ack) = ack {
            let _ = ack.send("now");
        }
    });

    // The server emits to this client with an acknowledgement, and waits for at most a second.
    io.on("play", |socket: Socket| async move {
        let guess: u32 = socket.timeout(Duration::from_secs(1)).emit_with_ack("guess", &10).await?;
        Ok::<_, AckError>(Ack(format!("you guessed {guess}")))
    });

    // The server emits to all clients with an acknowledgement. The answers that arrive in time count, even if
    // others are missing.
    io.on("play together", |all: Namespace| async move {
        match all.timeout(Duration::from_secs(1)).emit_with_ack::<u32>("guess", &10).await {
            Ok(guesses) => Ok(Ack(Round { guesses, silent: 0 })),
            Err(GatherError::Partial(partial)) => {
                Ok(Ack(Round { guesses: partial.answers, silent: partial.missing }))
            }
            Err(error) => Err(error.to_string()),
        }
    });

    // Events that no handler can take are reported here.
    io.on_error(|socket, error| println!("{}: {error}", socket.id()));
    io.serve(examples::listen().await?).await?;
    Ok(())
}
