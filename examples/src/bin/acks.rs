//! Answers in all four directions: a client asks the server, the server asks one client, the server asks many, and
//! what happens when nobody answers.
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
use socketio_server::{Ack, AckError, AckSender, Arguments, GatherError, Server, Socket};

#[derive(Serialize)]
struct Round {
    guesses: Vec<u32>,
    /// How many players did not answer in time.
    silent: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().build()?;

    // What a handler returns is the answer. An error becomes `{ error: "…" }`, and so does a payload that does not
    // fit the handler's arguments.
    io.on("divide", |Arguments((a, b)): Arguments<(i64, i64)>| async move {
        a.checked_div(b).map(Ack).ok_or("that cannot be divided")
    });

    // A handler that takes the right to answer decides itself when it does.
    io.on("later", |ack: Option<AckSender>| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Some(ack) = ack {
            let _ = ack.send("now");
        }
    });

    // The server asks this client, and waits for at most a second.
    io.on("play", |socket: Socket| async move {
        let guess: u32 = socket.timeout(Duration::from_secs(1)).emit_with_ack("guess", &10).await?;
        Ok::<_, AckError>(Ack(format!("you guessed {guess}")))
    });

    // The server asks everybody. Those who answered in time count, even if others did not.
    let all = io.of("/");
    io.on("play together", move || {
        let all = all.clone();
        async move {
            match all.timeout(Duration::from_secs(1)).emit_with_ack::<u32>("guess", &10).await {
                Ok(guesses) => Ok(Ack(Round { guesses, silent: 0 })),
                Err(GatherError::Partial(partial)) => {
                    Ok(Ack(Round { guesses: partial.answers, silent: partial.missing }))
                }
                Err(error) => Err(error.to_string()),
            }
        }
    });

    // What a client sends and no handler can take is not lost silently.
    io.on_error(|socket, error| println!("{}: {error}", socket.id()));
    io.serve(examples::listen().await?).await?;
    Ok(())
}
