//! Socket.IO clusters on PostgreSQL, in the formats of the official `@socket.io/postgres-adapter` and
//! `@socket.io/postgres-emitter`: servers with this adapter and official servers on Node.js are nodes of one cluster.
//!
//! ```no_run
//! use socketio_postgres::{Postgres, PostgresAdapter};
//! use socketio_server::Server;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let adapter = PostgresAdapter::new(&Postgres::open("postgres://user:password@127.0.0.1/database")?);
//! let io = Server::builder().adapter(adapter.clone()).build()?;
//! io.on_connect(|socket: socketio_server::Socket| async move {
//!     socket.join("news");
//! });
//! // Clients are served without this wait too.
//! adapter.connections().ready().await;
//! io.to("news").emit("headline", "for the members on all servers").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The table
//!
//! A message of more than 8000 bytes, or with binary data, does not fit into a notification. It is a row of a table, which has
//! to exist, as for the official adapter. [`PostgresBuilder::create_table`] creates it:
//!
//! ```sql
//! CREATE TABLE IF NOT EXISTS socket_io_attachments (
//!     id          bigserial UNIQUE,
//!     created_at  timestamptz DEFAULT NOW(),
//!     payload     bytea
//! );
//! ```
//!
//! # When PostgreSQL fails
//!
//! - Events reach the clients of their own server at once, whatever happens to PostgreSQL.
//! - Messages wait in a queue that is bounded in bytes ([`Postgres::max_queued_bytes`]); beyond it an emit has an error, and is
//!   counted.
//! - Lost connections are opened again, with delays that grow and are random in part, and all channels are listened to again.
//! - Each server tests whether it hears: see [`Postgres::probe_interval`], [`Connections::health`].
//! - A message that cannot be read is skipped and counted ([`Stats::bad_messages`]).
//!
//! # Features
//!
//! `adapter` (default): the adapter. `tls`: `sslmode=require`. `tracing`: log events.
// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "adapter")]
mod adapter;
mod channel;
mod driver;
mod emitter;
mod encode;
mod settings;

#[cfg(feature = "adapter")]
pub use self::adapter::{PostgresAdapter, PostgresBuilder, QueryReply};
pub use self::emitter::PostgresEmitter;
pub use self::settings::{Postgres, SettingsError};
pub use socketio_broker::emitter::Emitter;
pub use socketio_broker::{Connections, Health, PublishError, Stats};
