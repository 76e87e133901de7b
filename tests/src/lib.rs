//! Code shared by the servers of the official suites and the tests across crates.

pub mod chromium;
pub mod cluster;
pub mod devtools;
pub mod gate;
pub mod nats;
pub mod node;
pub mod peers;
pub mod ports;
#[cfg(unix)]
pub mod postgres;
pub mod program;
#[cfg(unix)]
pub mod proxy;
pub mod python;
pub mod random;
pub mod raw;
pub mod redis;
pub mod rust_socketio;
pub mod script;
pub mod served;
pub mod snippets;
pub mod socketioxide;
pub mod stuck;
pub mod suite;
pub mod tilde;
pub mod tls;
pub mod traveller;

use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::net::TcpListener;

/// Listens on the loopback addresses of both families, as clients that connect to `localhost` may use either.
///
/// A machine without IPv6 still serves IPv4.
pub async fn listen_on_loopback(port: u16) -> std::io::Result<Vec<TcpListener>> {
    let mut listeners = vec![TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?];
    listeners.extend(TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok());
    Ok(listeners)
}

/// Serves on all of the listeners until the server is closed.
pub async fn serve_all(server: engineio::Server, listeners: Vec<TcpListener>) -> std::io::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for listener in listeners {
        let server = server.clone();
        tasks.spawn(async move { server.serve(listener).await });
    }
    while let Some(served) = tasks.join_next().await {
        served.map_err(std::io::Error::other)??;
    }
    Ok(())
}
