//! The server for the official Socket.IO protocol suite, on port 3000.

use std::time::Duration;

use engineio::Cors;
use socketio_server::{Ack, Auth, Namespace, RawArgs, Server, Socket};
use tests::suite::Nodes;

/// Sends each client the payload of its CONNECT packet.
fn greet(namespace: &Namespace) {
    namespace.on_connect(|socket: Socket, Auth(auth): Auth<serde_json::Value>| async move {
        // The client may already be disconnected, which does not matter to the suite.
        let _ = socket.emit("auth", &auth);
    });
}

// One thread, as the official server has: the suite sends requests that depend on each other at the same
// time, over two connections, and expects them to be handled in order of arrival.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes = Nodes::from_env()?;
    nodes.serve(3000, || server(&nodes)).await
}

fn server(nodes: &Nodes) -> Result<engineio::Server, engineio::error::ConfigError> {
    let io = Server::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .connect_timeout(Duration::from_millis(1000))
        .cors(Cors::any())
        .engine(|engine| nodes.share(engine).jsonp(true))
        .build()?;
    greet(&io);
    greet(&io.of("/custom"));
    io.on("message", |socket: Socket, args: RawArgs| async move {
        let _ = socket.emit("message-back", &args);
    });
    io.on("message-with-ack", |args: RawArgs| async move { Ack(args) });
    Ok(io.service())
}
