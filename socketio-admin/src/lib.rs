//! The server side of the [official admin UI](https://socket.io/docs/v4/admin-ui/), for servers of `socketio-server`: it
//! speaks the protocol of `@socket.io/admin-ui` 0.5, so that the page of that package shows the servers, namespaces,
//! rooms and clients of a cluster, of this project and on Node.js together, and manages them.
//!
//! ```no_run
//! use socketio_admin::{AdminUi, Auth};
//! use socketio_server::Server;
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! // A bcrypt hash, as `htpasswd -nBC 10 admin` prints it.
//! let hash = "$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS";
//! let admin = AdminUi::new(Auth::basic("admin", hash)?);
//! let io = admin.observe(Server::builder()).build()?;
//! admin.instrument(&io)?;
//! # Ok(())
//! # }
//! ```
//!
//! The page itself is in the npm package `@socket.io/admin-ui`, in the folder `ui/dist`, and at
//! <https://admin.socket.io>. A page of another origin needs [`cors`](socketio_server::ServerBuilder::cors) for it.
//!
//! # Cost
//!
//! Every two seconds one event to the clients of the namespace `/admin`, and without any, and without a cluster, none. The
//! packets and bytes of clients are counted all the time, by six counters. [`Mode::Development`] has the cost of one or
//! more further events for each event of a client while the page is open; in a cluster it has it all the time, as the
//! page may be open at another server.
//!
//! # Features
//!
//! `tracing`: log events.
// docs.rs shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod admin;
mod auth;
mod commands;
mod report;
mod serialize;
mod shows;
mod stats;
mod trace;
mod tracking;
mod traffic;

pub use self::admin::{Admin, AdminUi, InstrumentError, Mode};
pub use self::auth::{Auth, AuthError};
