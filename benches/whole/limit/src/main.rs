//! Lower bound for the cost of a server: the same bytes on the wire as the compared servers, without
//! Socket.IO. It compares prefixes, parses no JSON, validates nothing, and stores only the necessary state.

mod connection;
mod connections;
mod peer;
mod serve;
mod wire;

use std::net::Ipv4Addr;
use std::sync::Arc;

use connections::Connections;
use tokio::net::TcpSocket;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::var("PORT").map_err(|_| "PORT must name a port")?.parse::<u16>()?;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    let listener = socket.listen(4096)?;
    let connections = Arc::new(Connections::default());
    // Accepting is a task of the workers too, as in the other servers.
    tokio::spawn(async move {
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve::run(Arc::clone(&connections), stream));
            }
        }
    })
    .await?;
    Ok(())
}
