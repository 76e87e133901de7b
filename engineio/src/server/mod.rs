//! The server: requests in, sessions out.

mod builder;
mod dispatch;
mod driver;
#[cfg(feature = "echo")]
pub(crate) mod echo;
mod handler;
mod http;
mod metrics;
mod observer;
mod options;
#[cfg(feature = "peers")]
pub mod peers;
mod request;
mod response;
mod serve;
mod service;
mod session;
mod shared;
mod trace;
mod weak_server;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

pub use self::builder::ServerBuilder;
pub use self::dispatch::translated::OpenError;
pub use self::handler::{Accept, Handler, handler_fn};
pub use self::http::address_limit::AddressLimit;
pub use self::http::http_server::{Accepting, ConnectionCount, ConnectionFailure, HttpServer};
pub use self::http::incoming::{IncompleteBody, RequestBody};
pub use self::http::peer_addr::{PeerAddr, Secure};
pub use self::http::reserve::Descriptors;
pub use self::http::routes::Routes;
pub use self::http::upgrade::{PendingUpgrade, Upgraded};
pub use self::metrics::stats::Stats;
pub use self::metrics::traffic::{Flow, Traffic};
pub use self::observer::Observer;
pub use self::request::head::RequestHead;
pub use self::request::hooks::Refusal;
pub use self::request::origin_policy::OriginPolicy;
pub use self::request::origins::Origins;
pub use self::request::query::Query;
pub use self::request::request_error::{BadRequest, RequestError};
pub use self::response::accept_encoding::preferred_encoding;
pub use self::response::body::Body;
pub use self::response::compression::Compression;
pub use self::response::cookie::{Cookie, CookieError, Priority, SameSite};
pub use self::response::cors::{Cors, CorsError};
pub use self::service::{EngineLayer, EngineService};
pub use self::session::handle::{Sent, Session};
pub use self::session::translator::{Delivery, Translator};
pub use self::weak_server::WeakServer;

use self::shared::Shared;
use crate::config::Config;

/// An Engine.IO server.
///
/// This is a handle: clones are the same server. It listens by itself with [`serve`](Self::serve), or answers
/// the requests that an HTTP server or framework passes to its [`service`](Self::service) or
/// [`layer`](Self::layer).
///
/// A server is freed when its last handle is dropped and its last session and connection have ended. Its
/// handlers and hooks must hold no such handle, see [`WeakServer`].
#[derive(Clone, Debug)]
pub struct Server(Arc<Shared>);

impl Server {
    /// A builder with the official server's defaults.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    fn from_shared(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// The settings of the sessions.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Lets the sessions that are opened from now on keep the extension of this type, if a layer in front of the
    /// server adds it to the request: see [`RequestHead::extension`]. Costs a clone of the value for each session,
    /// and its memory as long as the session lives.
    pub fn keep_extension<T: Clone + Send + Sync + 'static>(&self) {
        self.0.kept_extensions.keep::<T>();
    }

    /// The open session with this id.
    pub fn session(&self, sid: &str) -> Option<Session> {
        self.0.registry.find(sid)
    }

    /// All open sessions, in no particular order.
    pub fn sessions(&self) -> Vec<Session> {
        self.0.registry.all()
    }

    /// The current numbers of sessions, tasks, connections and queued bytes.
    pub fn stats(&self) -> Stats {
        Stats {
            sessions: self.0.registry.len(),
            tasks: self.0.tasks.now(),
            outboxes: self.0.outboxes.now(),
            connections: self.0.connections.now(),
            panics: self.0.panics.now(),
            queued_bytes: self.0.budget.held(),
            received_bytes: self.0.received.held(),
            dropped_messages: self.0.budget.dropped(),
        }
    }

    /// The numbers of requests and connections that this server relays for sessions of other nodes. All are
    /// zero without [`peers`](ServerBuilder::peers).
    #[cfg(feature = "peers")]
    pub fn peer_stats(&self) -> peers::PeerStats {
        self.0.peers.get().map(|linked| linked.edge.stats()).unwrap_or_default()
    }

    /// The messages and bytes since the start. The traffic of a busy session is counted when its task pauses.
    pub fn traffic(&self) -> Traffic {
        self.0.meters.now()
    }

    /// Refuses new sessions and closes all others at once. Messages that wait in outboxes are dropped.
    /// Returns at once: [`stats`](Self::stats) shows when all sessions have ended, and [`serve`](Self::serve)
    /// returns then.
    pub fn close(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
        self.0.is_closed.store(true, Ordering::Relaxed);
        self.0.closed.notify_waiters();
        for session in self.sessions() {
            session.abort();
        }
    }

    /// Drains the server: refuses new sessions and closes the others in order, evenly spread over `spread` so
    /// that not all clients reconnect elsewhere at the same moment. The last quarter of `deadline`, at most
    /// two seconds, is for the remaining sessions: they are closed at once, with a close packet or close
    /// frame.
    ///
    /// Returns when no session is left and all close frames are sent, or at the deadline. Peers that do not
    /// read delay it no longer than that.
    pub async fn drain(&self, deadline: Duration, spread: Duration) {
        self.0.closing.store(true, Ordering::Relaxed);
        let started = Instant::now();
        if let Some(end) = started.checked_add(deadline) {
            self.0.drain_by(end);
        }
        let time = deadline - (deadline / 4).min(driver::close::LINGER);
        let sessions = self.sessions();
        let step = spread.min(time) / u32::try_from(sessions.len()).unwrap_or(u32::MAX).max(1);
        let close_all = async {
            for (session, number) in sessions.iter().zip(0..) {
                tokio::time::sleep_until(started + step * number).await;
                session.close();
            }
            self.0.emptied().await;
        };
        // Sessions also end by themselves, and without sessions there is nothing to wait for.
        tokio::select! {
            biased;
            () = self.0.emptied() => {}
            _ = tokio::time::timeout(time, close_all) => {}
        }
        self.close();
        self.0.emptied().await;
        self.0.closes_sent().await;
    }
}
