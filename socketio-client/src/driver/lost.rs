//! The connection is lost, or could not be opened: who has to know, and whether it is opened again.

use std::sync::atomic::Ordering;

use socketio_events::handler::Running;

use super::Driver;
use super::link::Link;
use crate::disconnect_reason::DisconnectReason;
use crate::error::ConnectError;
use crate::manager_event::ManagerEvent;

impl Driver {
    /// The connection is gone although nobody wanted that.
    pub(super) fn lose(&mut self, reason: DisconnectReason) {
        if let Link::Open(client) = std::mem::replace(&mut self.link, Link::Closed) {
            // A server that broke the protocol does not know that this is the end.
            if matches!(reason, DisconnectReason::ParseError(_)) {
                self.works.push(Running::without_owner(Box::pin(async move {
                    let _ = client.close().await;
                    None
                })));
            }
        }
        self.joining.clear();
        self.decoder.reset();
        self.backoff.reset();
        let again = self.may_reconnect();
        for space in self.hub.spaces().iter().filter(|space| space.lock().is_active()) {
            if space.lost(again) {
                self.tell_disconnect(space, &reason);
            }
            if !again {
                self.tell_end(space);
            }
        }
        self.hub.tell(&ManagerEvent::Close(reason));
        self.reconnect();
    }

    pub(super) fn not_opened(&mut self, error: &ConnectError) {
        self.link = Link::Closed;
        let limit = self.hub.config.reconnection.attempts;
        let again = self.may_reconnect() && limit.is_none_or(|limit| self.backoff.attempts() < limit);
        self.hub.tell(&ManagerEvent::Error(error.clone()));
        for space in self.hub.spaces().iter().filter(|space| space.lock().is_active()) {
            space.failed(error, again);
            self.tell_connect_error(space, error);
            if !again {
                self.tell_end(space);
            }
        }
        if self.reconnecting {
            self.hub.tell(&ManagerEvent::ReconnectError(error.clone()));
        }
        if !again {
            self.backoff.reset();
            self.reconnecting = false;
            if self.may_reconnect() {
                self.hub.tell(&ManagerEvent::ReconnectFailed);
            }
        }
        self.reconnect();
    }

    fn may_reconnect(&self) -> bool {
        self.hub.reconnection.load(Ordering::Relaxed)
    }

    fn reconnect(&mut self) {
        // The bell says the rest: who has left in the meantime, and who has come back.
        self.hub.bell.ring();
        if self.lulls != self.hub.lulls() || !self.hub.is_wanted() {
            return;
        }
        if !self.may_reconnect() {
            self.give_up();
            return;
        }
        let mut random = [0; 4];
        // Delays that are not random only bring clients back together.
        let _ = getrandom::fill(&mut random);
        let delay = self.backoff.next(&self.hub.config.reconnection, u32::from_ne_bytes(random));
        match delay {
            Some(delay) => {
                self.reconnecting = true;
                self.link = Link::wait(delay);
            }
            None => {
                self.hub.tell(&ManagerEvent::ReconnectFailed);
                self.give_up();
            }
        }
    }

    /// There will not be another attempt.
    fn give_up(&mut self) {
        for space in self.hub.spaces().iter().filter(|space| space.lock().is_active()) {
            space.lost(false);
            self.tell_end(space);
        }
        self.hub.left();
    }
}
