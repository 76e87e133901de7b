//! Socket.IO in axum: next to other routes, with a route that emits.
//!
//! `cargo run -p examples --bin in_axum`, then `curl -d hello http://127.0.0.1:3000/announce` while a
//! Socket.IO client of `http://127.0.0.1:3000` listens to the event `announcement`.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use socketio_server::{Ack, RawArgs, Server};

async fn announce(State(io): State<Server>, text: String) -> StatusCode {
    match io.emit("announcement", &text).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::BAD_GATEWAY,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().build()?;
    io.on("echo", |args: RawArgs| async move { Ack(args) });

    // The layer handles requests below /socket.io, with or without a slash at the end, and passes all others
    // on. A second server, mounted by the router, has another path.
    let nested = Server::builder().build()?;
    nested.on("where", || async { Ack("nested") });
    let app = Router::new()
        .route("/", get(|| async { "a page" }))
        .route("/announce", post(announce))
        .nest_service("/deep/inside", nested.service())
        .with_state(io.clone())
        .layer(io.layer());

    axum::serve(examples::listen().await?, app).await?;
    Ok(())
}
