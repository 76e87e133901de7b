//! Socket.IO and plain WebSocket with the same events, sessions and answers, and an HTTP API beside them.
//!
//! ```no_run
//! use dual_gateway::{DualGateway, ModelError, Pieces, Question};
//! use socketio_gateway::Config;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::default();
//! config.auth.session_secret = "a long secret".into();
//! let model = |question: Question, pieces: Pieces| async move {
//!     let _ = pieces.send(format!("{}? Let me see.", question.message)).await;
//!     Ok::<(), ModelError>(())
//! };
//! let dual = DualGateway::new(config, model)?;
//! let main = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! let websocket = tokio::net::TcpListener::bind("127.0.0.1:3500").await?;
//! dual.serve(main, websocket, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | file | content |
//! | --- | --- |
//! | `ports` | the ports, together or each in a process of its own |
//! | `api` | the HTTP API of the main port |
//! | `chat` | `ai:chat` |
//! | `model`, `stream` | a model behind a URL, and the stream of its answers |
//!
//! The other events, the sessions and the native protocol are the gateway's.

mod api;
mod chat;
mod model;
mod ports;
mod stream;

pub use self::api::OPENAPI;
pub use self::chat::{ChatOptions, Model, ModelError, Parrot, Pieces, Question, Thinking};
pub use self::model::{HttpModel, HttpModelError, HttpModelOptions};
pub use self::ports::{DualError, DualGateway, Ports};
