//! Socket.IO and plain WebSocket with the same events, sessions and answers, and an HTTP API beside them.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use dual_gateway::{DualGateway, ModelError, Pieces, Question, Sessions};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = Sessions::new(b"a long secret", Duration::from_secs(86_400));
//! let model = |question: Question, pieces: Pieces| async move {
//!     let _ = pieces.send(format!("{}? Let me see.", question.message)).await;
//!     Ok::<(), ModelError>(())
//! };
//! let dual = DualGateway::new(gateway::Config::default(), sessions, model)?;
//! let main = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! let websocket = tokio::net::TcpListener::bind("127.0.0.1:3500").await?;
//! dual.serve(main, websocket, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | file | what it is about |
//! | --- | --- |
//! | `ports` | the two ports |
//! | `api` | the HTTP API of the main port |
//! | `auth`, `session` | who may connect |
//! | `chat` | `ai:chat` |
//!
//! The other events, and the native protocol, are the gateway's.

mod api;
mod auth;
mod chat;
mod ports;
mod session;

pub use self::api::OPENAPI;
pub use self::chat::{Model, ModelError, Parrot, Pieces, Question, Thinking};
pub use self::ports::DualGateway;
pub use self::session::{Session, Sessions, SignError};
