//! One session: [`Client`] receives and drives it, [`Sender`] sends.

pub(crate) mod carrier;
mod driver;
pub(crate) mod handle;
pub(crate) mod handshake;
mod probe;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use self::carrier::Carrier;
use self::driver::Driver;
pub use self::driver::Event;
use self::handle::Sender;
use self::handshake::Handshake;
use crate::client::error::Closed;
use crate::client::http::route::Route;
use crate::config::Transport;
use crate::protocol::sid::Sid;

/// A session with a server.
///
/// It is active while [`recv`](Self::recv) is awaited: heartbeats, the upgrade and sending all happen there.
/// The session has no task; dropping it closes the connection without a close packet.
pub struct Client(Driver);

impl Client {
    pub(crate) fn new(
        route: &Arc<Route>,
        carrier: Carrier,
        handshake: Handshake,
        remembered: Arc<AtomicBool>,
    ) -> Self {
        Self(Driver::new(route, carrier, handshake, remembered))
    }

    /// The session's id. It is a secret: it gives access to the session.
    pub fn sid(&self) -> &Sid {
        &self.0.sid
    }

    /// The current transport of the session.
    pub fn transport(&self) -> Transport {
        self.0.carrier.transport()
    }

    /// The sending half.
    pub fn sender(&self) -> Sender {
        Sender(Arc::clone(&self.0.shared))
    }

    /// Waits for the next event. An error is the reason for the end of the session, and is returned again by
    /// further calls.
    ///
    /// The future may be dropped at any point without any loss.
    pub async fn recv(&mut self) -> Result<Event, Closed> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) as a poll function.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        self.0.poll(cx)
    }

    /// Sets whether messages of the server are read. Default true. While reading is off, sending continues,
    /// and the server has to wait in the end. It should not last long: the server's heartbeat is not read
    /// either, and the session ends without it.
    pub fn set_reading(&mut self, reading: bool) {
        self.0.reading = reading;
    }

    /// Closes the session: writes all messages sent before, then notifies the server. Messages that arrive
    /// meanwhile are dropped.
    pub async fn close(mut self) -> Closed {
        self.0.shared.close();
        loop {
            if let Err(closed) = self.recv().await {
                return closed;
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("sid", self.sid())
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}
