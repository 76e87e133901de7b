//! The server for the official Engine.IO protocol suite: an echo on port 3000 with short heartbeats, and
//! nothing else.

use std::time::Duration;

use engineio::{Cors, Message, Server, Session, handler_fn};
use tests::suite::Nodes;

// One thread, as the official server has: the suite sends requests that depend on each other at the same
// time, over two connections, and expects them to be handled in order of arrival.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes = Nodes::from_env()?;
    let server = || {
        let builder = nodes.share(Server::builder());
        builder
            .ping_interval(Duration::from_millis(300))
            .ping_timeout(Duration::from_millis(200))
            .cors(Cors::any())
            .jsonp(true)
            .build(|_: &Session| {
                handler_fn(|session: &Session, message: Message| {
                    let _ = session.send(message);
                })
            })
    };
    nodes.serve(3000, server).await
}
