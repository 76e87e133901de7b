//! The end of a session.

use std::time::Instant;

use super::{Driver, close};
use crate::close_reason::CloseReason;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::PacketType;
use crate::server::trace;
use crate::session::FinalPacket;

impl Driver {
    /// Runs once, whatever the reason.
    pub(super) fn finish(&mut self, reason: CloseReason, final_packet: FinalPacket, now: Instant) {
        self.over = true;
        self.leave();
        let last = match final_packet {
            FinalPacket::Close => PacketType::Close,
            FinalPacket::Noop => PacketType::Noop,
        };
        self.answer_poll(&[last], now);
        self.refuse_post();
        self.close_remote();
        let code = self.close_code.take();
        let last = match &mut self.translator {
            Some(translator) => translator.close_frame(reason, code),
            None => code.map(|code| (code, "")),
        };
        if let Some(websocket) = self.probe.take() {
            close::spawn_probe(*websocket, last, &self.server);
        }
        if let Some(websocket) = self.carrier.take() {
            close::spawn(*websocket, last, &self.server);
        }
        self.release_kept();
        if !self.remote.is_held() {
            trace::closed(&self.session, reason);
        }
        self.handler.on_close(&self.session, reason);
        self.observe(|observer, session| observer.on_close(session, reason));
        self.session.outbox().clear();
    }

    /// Refuses messages and requests from here on.
    pub(super) fn leave(&self) {
        self.session.outbox().close();
        self.server.registry.remove(&self.session);
        self.session.close_mailbox();
    }
}

/// Ends the session after a panic of the handler, or when the runtime shuts down.
impl Drop for Driver {
    fn drop(&mut self) {
        if !self.over {
            self.leave();
            self.session.outbox().clear();
            self.close_remote();
            if std::thread::panicking() {
                self.server.panics.add();
                trace::panicked(&self.session);
                for websocket in [self.probe.take(), self.carrier.take()].into_iter().flatten() {
                    close::spawn(*websocket, Some((CloseCode::INTERNAL_ERROR, "")), &self.server);
                }
            }
        }
    }
}
