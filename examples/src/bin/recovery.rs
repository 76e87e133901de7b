//! Connection state recovery: a client that reconnects in time keeps its id, rooms and data, and receives the
//! events that it missed.
//!
//! `cargo run -p examples --bin recovery`, then from a Socket.IO client of version 4.6 or later:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! socket.on("connect", () => console.log(socket.recovered ? "recovered" : "new"));
//! socket.on("tick", (number) => console.log(number)); // no number is missing, even after
//! setTimeout(() => socket.io.engine.close(), 3000);
//! ```

use std::time::Duration;

use socketio_server::{Ack, Recovery, Server, Socket};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut recovery = Recovery::default();
    recovery.max_disconnection_duration = Duration::from_secs(60);
    let io = Server::builder().connection_state_recovery(recovery).build()?;

    io.on_connect(|socket: Socket| async move {
        if socket.recovered() {
            println!("{} is back: {:?}", socket.id(), socket.rooms());
            return;
        }
        if let Some(reason) = socket.not_recovered() {
            println!("{} could not go on where it was: {reason}", socket.id());
        }
        // Needed once; a recovered socket is still in its rooms and has its data.
        socket.join("clock");
        let _ = socket.data().set("since", std::process::id());
    });
    io.on("since", |socket: Socket| async move { Ack(socket.data().get::<u32>("since")) });

    let clock = io.of("/");
    tokio::spawn(async move {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        for number in 0_u64.. {
            seconds.tick().await;
            // Volatile events, and events with an acknowledgement, are not recovered.
            let _ = clock.to("clock").emit("tick", &number).await;
        }
    });

    io.serve(examples::listen().await?).await?;
    Ok(())
}
