//! What the examples share: where they listen.

use tokio::net::TcpListener;

/// Listens where the environment variable `ADDRESS` says, 127.0.0.1:3000 if it does not, and says so.
pub async fn listen() -> std::io::Result<TcpListener> {
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listener)
}

/// The code in the documents compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/coming-from-the-official-server.md")]
struct ComingFromTheOfficialServer;

/// The same for those from socketioxide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/coming-from-socketioxide.md")]
struct ComingFromSocketioxide;

/// The same for those from Python.
#[cfg(doctest)]
#[doc = include_str!("../../docs/coming-from-python-socketio.md")]
struct ComingFromPythonSocketio;

/// The same for the client's.
#[cfg(doctest)]
#[doc = include_str!("../../docs/client.md")]
struct TheClient;
