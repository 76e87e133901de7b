//! A middleware that accepts only clients with a token, and handlers that know the user.
//!
//! `cargo run -p examples --bin token`, then from a Socket.IO client:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000", { auth: { token: "ada-secret" } });
//! socket.on("connect_error", (error) => console.log(error.message, error.data));
//! console.log(await socket.emitWithAck("who am I?"));
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use socketio_server::{Ack, Auth, ConnectError, EventName, Server, Socket, State};

#[derive(Deserialize)]
struct Credentials {
    token: String,
}

#[derive(Clone)]
struct User {
    name: String,
    admin: bool,
}

/// A real application queries a database here, or verifies a signature.
type Users = Arc<HashMap<String, User>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let users: Users = Arc::new(HashMap::from([
        ("ada-secret".to_owned(), User { name: "ada".to_owned(), admin: true }),
        ("bob-secret".to_owned(), User { name: "bob".to_owned(), admin: false }),
    ]));
    let io = Server::builder().state(users).build()?;

    // Runs before the client has joined. A client whose credentials do not match the type is refused too.
    io.middleware(|socket: Socket, Auth(said): Auth<Credentials>, State(users): State<Users>| async move {
        let Some(user) = users.get(&said.token) else {
            return Err(ConnectError::new("not allowed").with_data(json!({ "reason": "unknown token" })));
        };
        // One room per user reaches all of its devices: `io.to("user:ada")`.
        socket.join(format!("user:{}", user.name));
        socket.extensions().insert(user.clone());
        Ok(())
    });

    // Runs before each event.
    io.event_middleware(|socket: Socket, EventName(event): EventName| async move {
        let user: Option<User> = socket.extensions().get();
        match user {
            Some(user) if user.admin || !event.starts_with("admin:") => Ok(()),
            _ => Err("only for admins"),
        }
    });

    io.on("who am I?", |socket: Socket| async move {
        Ack(socket.extensions().get::<User>().map(|user| user.name))
    });
    io.on("admin:stats", |socket: Socket| async move { Ack(socket.rooms().len()) });
    io.serve(examples::listen().await?).await?;
    Ok(())
}
