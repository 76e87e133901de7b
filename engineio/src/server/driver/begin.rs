//! The start of a session: its announcement to the application, and the driver.

use std::sync::Arc;

use super::websocket_carrier::WebSocketCarrier;
use super::{Driver, Remote, first_deadline};
use crate::deflate::Agreed;
use crate::io::Upgrading;
use crate::outbox::received::ReceivedBytes;
use crate::protocol::prepared::Dialect;
use crate::server::handler::Handler;
use crate::server::http::address_limit::CountedAddress;
use crate::server::metrics::traffic::Traffic;
use crate::server::session::handle::Session;
use crate::server::session::translator::Translator;
use crate::server::shared::Shared;
use crate::server::trace;
use crate::session::Machine;

/// The handler of a session: that of the application, or one that keeps messages until the session is
/// announced.
pub(crate) struct Announced {
    handler: Box<dyn Handler>,
    remote: Remote,
}

impl Shared {
    /// Announces a new session to the application, at once or later.
    pub(crate) fn announce(&self, session: &Session) -> Announced {
        match Remote::hold(self, session) {
            Some((handler, remote)) => Announced { handler, remote },
            None => Announced { handler: self.accept(session), remote: Remote::none() },
        }
    }

    /// Announces a session to the application, which makes its handler.
    pub(super) fn accept(&self, session: &Session) -> Box<dyn Handler> {
        let handler = self.accept.accept(session);
        if let Some(observing) = &self.options.observer {
            observing.observer.on_open(session);
        }
        // Counted before the first turn of an announced session, in which the application may read the
        // counters.
        self.meters.add(Traffic { opened: 1, ..Traffic::default() });
        trace::opened(session);
        handler
    }

    /// The WebSocket of a request that is being answered with 101.
    pub(crate) fn websocket(
        &self,
        upgrading: Upgrading,
        session: &Session,
        deflate: Option<Agreed>,
    ) -> Box<WebSocketCarrier> {
        self.websocket_in(upgrading, session.dialect(), deflate)
    }

    /// The WebSocket of a client that speaks this dialect.
    pub(crate) fn websocket_in(
        &self,
        upgrading: Upgrading,
        dialect: Dialect,
        deflate: Option<Agreed>,
    ) -> Box<WebSocketCarrier> {
        let received = ReceivedBytes::new(&self.received);
        Box::new(WebSocketCarrier::new(upgrading, dialect, deflate, &self.config, received))
    }
}

impl Driver {
    /// The driver of an open session. `carrier` is the connection of a WebSocket session, possibly pending.
    pub(crate) fn new(
        session: Session,
        machine: Machine,
        announced: Announced,
        server: Arc<Shared>,
        carrier: Option<Box<WebSocketCarrier>>,
        address: Option<CountedAddress>,
        translator: Option<Box<dyn Translator>>,
    ) -> Self {
        let Announced { handler, remote } = announced;
        let deadline = remote.deadline(first_deadline(&machine));
        let timer = Box::pin(tokio::time::sleep_until(deadline.into()));
        let task = server.tasks.enter();
        Self {
            session,
            machine,
            handler,
            server,
            parked: None,
            post: None,
            carrier,
            translator,
            probe: None,
            remote,
            timer,
            close_code: None,
            traffic: Traffic::default(),
            over: false,
            _task: task,
            _address: address,
        }
    }
}
