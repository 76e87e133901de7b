//! The server for the official Engine.IO protocol suite: an echo on port 3000 with short heartbeats, and
//! nothing else.

use std::time::Duration;

use engineio::{Cors, Message, Server, Session, handler_fn};
use tests::{listen_on_loopback, serve_all};

// One thread, as the official server has: the suite sends requests that depend on each other at the same
// time, over two connections, and expects them to be handled in order of arrival.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .cors(Cors::any())
        .jsonp(true)
        .build(|_: &Session| {
            handler_fn(|session: &Session, message: Message| {
                let _ = session.send(message);
            })
        })?;
    Ok(serve_all(server, listen_on_loopback(3000).await?).await?)
}
