//! Socket.IO as a plug-in of a web framework, here axum.
//!
//! One call configures it, handlers are declared next to their namespace, any HTTP handler can emit, and the
//! application's life-cycle is the plug-in's:
//!
//! ```no_run
//! use axum_plugin::{App, SocketApi, SocketEvents, SocketOptions, SocketPlugin};
//! use socketio_server::{Data, Socket};
//!
//! async fn message(socket: Socket, api: SocketApi, Data(text): Data<String>) {
//!     let _ = api.emit("response", &(socket.id(), text)).await;
//! }
//!
//! async fn notify(api: SocketApi, text: String) {
//!     let _ = api.emit("notification", &text).await;
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let options = SocketOptions { path: "/live".to_owned(), ..SocketOptions::default() };
//! let app = App::new("an application")
//!     .configure(SocketPlugin::new(options).events(SocketEvents::of("/").on("message", message)))
//!     .post("/notify", notify)
//!     .build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! app.serve(listener, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | file | content |
//! | --- | --- |
//! | `app` | the application: routes, plug-ins, serving, shutting down |
//! | `plugin` | the interface of plug-ins, and the order of the calls |
//! | `socket` | the Socket.IO plug-in |
//! | `options`, `settings` | its options, all in one place; their file and environment variables |
//! | `error_event` | the event that tells clients of failed events |
//! | `events` | handlers, declared next to their namespace |
//! | `api` | the accessor, for HTTP handlers and event handlers |
//! | `logs` | the two loggers |
//! | `enabled` | the enabled plug-ins, stored in a file |
//! | `cli` | the command line of an application |

mod api;
mod app;
pub mod cli;
mod enabled;
mod error_event;
mod events;
mod logs;
mod options;
mod plugin;
mod settings;
mod socket;

pub use self::api::{NoSocketPlugin, SocketApi};
pub use self::app::{App, Application};
pub use self::enabled::{Enabled, EnabledError};
pub use self::events::{HandlerInfo, SocketEvents};
pub use self::options::SocketOptions;
pub use self::plugin::{Plugin, PluginError, Route, ShutdownFuture};
pub use self::settings::OptionsError;
pub use self::socket::SocketPlugin;
pub use engineio::Origins;
