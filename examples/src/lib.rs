//! Shared code of the examples: the listener.

use tokio::net::TcpListener;

/// Listens at the address in the environment variable `ADDRESS`, 127.0.0.1:3000 by default, and prints it.
pub async fn listen() -> std::io::Result<TcpListener> {
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listener)
}

/// The code of the migration guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/coming-from-the-official-server.md")]
struct ComingFromTheOfficialServer;

/// The code of the guide for socketioxide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/coming-from-socketioxide.md")]
struct ComingFromSocketioxide;

/// The code of the guide for python-socketio compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/coming-from-python-socketio.md")]
struct ComingFromPythonSocketio;

/// The code of the client's guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/client.md")]
struct TheClient;

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/getting-started.md")]
struct GettingStarted;

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/rooms.md")]
struct Rooms;

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/acknowledgements.md")]
struct Acknowledgements;

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/authentication.md")]
struct Authentication;

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
struct Testing;

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/cookbook.md")]
struct Cookbook;

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/deployment.md")]
struct Deployment;

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/recovery.md")]
struct Recovery;

/// The code of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/scaling.md")]
struct Scaling;
