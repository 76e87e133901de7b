//! Our client for the comparison of clients; benches/whole/README.md has the contract.

#[path = "../../../benches/whole/clients/commands.rs"]
mod commands;

use std::sync::Arc;

use engineio::client::Proxies;
use socketio_client::{Data, Manager, Socket, Transport};

use self::commands::{Echoes, Failure, serve, text};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    serve(open, async |socket: &Socket| Ok(socket.emit("echo", &text())?)).await
}

async fn open(url: &str, echoes: &Arc<Echoes>) -> Result<Socket, Failure> {
    let manager = Manager::builder(url)?
        .transports([Transport::WebSocket])
        .engine(|engine| engine.proxy(Proxies::None))
        .build();
    let socket = manager.socket("/");
    let echoes = Arc::clone(echoes);
    socket.on("echo", move |socket: Socket, Data(said): Data<String>| {
        let echoes = Arc::clone(&echoes);
        async move {
            assert_eq!(said, text());
            if echoes.came() {
                socket.emit("echo", &said).expect("the connection is open");
            }
        }
    });
    socket.connect().connected().await?;
    Ok(socket)
}
