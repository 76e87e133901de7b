//! A polling session that the application has not been told of: its client may take it to another node.

use std::sync::Arc;
use std::time::Instant;

use super::{Parts, Remote};
use crate::config::Transport;
use crate::outbox::received::ReceivedBytes;
use crate::protocol::packet::{Message, Packet, Protocol};
use crate::server::handler::Handler;
use crate::server::session::handle::Session;
use crate::server::shared::Shared;
use crate::sync::Mutex;

/// The wait of a session for its announcement.
pub(super) struct Hold {
    until: Instant,
    kept: Arc<Mutex<Kept>>,
}

/// The messages that arrive meanwhile.
struct Kept {
    messages: Vec<Message>,
    bytes: usize,
    /// They count as received data of the server.
    received: ReceivedBytes,
    /// The server holds too much of it.
    full: bool,
}

/// The handler of such a session.
struct Keeper(Arc<Mutex<Kept>>);

impl Handler for Keeper {
    fn on_message(&mut self, _: &Session, message: Message) {
        let mut kept = self.0.lock();
        kept.bytes += message.len() + size_of::<Packet>();
        kept.messages.push(message);
        let bytes = kept.bytes;
        kept.full |= !kept.received.set(bytes);
    }
}

impl Remote {
    /// The handler and the hold of a new session, if it has to wait.
    pub(in crate::server::driver) fn hold(
        server: &Shared,
        session: &Session,
    ) -> Option<(Box<dyn Handler>, Self)> {
        let linked = server.peers.get()?;
        let delay = linked.settings.delayed_connection_timeout;
        // Only a session that can move has to wait.
        if delay.is_zero()
            || session.transport() != Transport::Polling
            || session.protocol() != Protocol::V4
            || server.config.upgrades(Transport::Polling).is_empty()
        {
            return None;
        }
        let kept = Kept { messages: Vec::new(), bytes: 0, received: session.received_bytes(), full: false };
        let kept = Arc::new(Mutex::new(kept));
        let until = (tokio::time::Instant::now() + delay).into_std();
        let hold = Hold { until, kept: Arc::clone(&kept) };
        Some((Box::new(Keeper(kept)), Self(Some(Parts::new(&linked.link, Some(hold))))))
    }

    fn held(&self) -> Option<&Hold> {
        self.0.as_ref()?.hold.as_ref()
    }

    /// Whether the session is not announced yet.
    pub(in crate::server::driver) fn is_held(&self) -> bool {
        self.held().is_some()
    }

    /// The earlier of this deadline and that of the announcement.
    pub(in crate::server::driver) fn deadline(&self, other: Instant) -> Instant {
        self.held().map_or(other, |hold| hold.until.min(other))
    }

    /// Whether the session has to be announced now: the wait is over, or no more messages are kept.
    pub(super) fn is_due(&self, now: Instant, limit: usize) -> bool {
        self.held().is_some_and(|hold| {
            let kept = hold.kept.lock();
            hold.until <= now || kept.bytes > limit || kept.full
        })
    }

    /// Whether messages wait for the announcement.
    pub(super) fn has_kept(&self) -> bool {
        self.held().is_some_and(|hold| !hold.kept.lock().messages.is_empty())
    }

    /// Ends the wait, and returns the messages so far.
    pub(super) fn take_kept(&mut self) -> Vec<Message> {
        let hold = self.0.as_mut().and_then(|parts| parts.hold.take());
        hold.map(|hold| std::mem::take(&mut hold.kept.lock().messages)).unwrap_or_default()
    }
}
