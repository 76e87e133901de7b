//! Lost connections and failed attempts: notifications, and the decision about the next attempt.

use socketio_events::handler::Running;

use super::Driver;
use super::connection::Connection;
use crate::disconnect_reason::DisconnectReason;
use crate::error::ConnectError;
use crate::manager_event::ManagerEvent;

impl Driver {
    /// Handles the loss of the connection.
    pub(super) fn connection_lost(&mut self, reason: DisconnectReason) {
        if let Connection::Open(client) = std::mem::replace(&mut self.connection, Connection::Closed) {
            // After a violation of the protocol the server still considers the connection open.
            if matches!(reason, DisconnectReason::ParseError(_)) {
                self.handlers.push(Running::without_owner(Box::pin(async move {
                    let _ = client.close().await;
                    None
                })));
            }
        }
        self.shared.set_engine(None);
        self.credentials.clear();
        self.reset_decoder();
        self.backoff.reset();
        let retry = self.may_reconnect();
        for namespace in self.shared.namespaces().iter().filter(|namespace| namespace.lock().is_active()) {
            if namespace.lose(retry) {
                self.dispatch_disconnect(namespace, &reason);
            }
            if !retry {
                self.dispatch_end(namespace);
            }
        }
        self.shared.emit_event(&ManagerEvent::Close(reason));
        self.schedule_attempt();
    }

    /// Handles a failed attempt.
    pub(super) fn attempt_failed(&mut self, error: &ConnectError) {
        self.connection = Connection::Closed;
        let limit = self.shared.reconnection.lock().attempts;
        let retry = self.may_reconnect() && limit.is_none_or(|limit| self.backoff.attempts() < limit);
        self.shared.emit_event(&ManagerEvent::Error(error.clone()));
        for namespace in self.shared.namespaces().iter().filter(|namespace| namespace.lock().is_active()) {
            namespace.fail(error, retry);
            self.dispatch_connect_error(namespace, error);
            if !retry {
                self.dispatch_end(namespace);
            }
        }
        let was_reconnecting = self.reconnecting;
        if !retry {
            self.backoff.reset();
            self.reconnecting = false;
            self.shared.stop_keeping_open();
            if self.may_reconnect() {
                self.shared.emit_event(&ManagerEvent::ReconnectFailed);
            }
        }
        if was_reconnecting {
            self.shared.emit_event(&ManagerEvent::ReconnectError(error.clone()));
        }
        self.schedule_attempt();
    }

    fn may_reconnect(&self) -> bool {
        self.shared.reconnection.lock().enabled
    }

    /// Schedules the next attempt, if a socket is active and an attempt is permitted.
    fn schedule_attempt(&mut self) {
        // The signal covers sockets that were connected or disconnected in the meantime.
        self.shared.wakeup.signal();
        if self.idle_count != self.shared.idle_count() || !self.shared.is_needed() {
            return;
        }
        if !self.may_reconnect() {
            self.give_up();
            return;
        }
        let mut random = [0; 4];
        // Without randomness the delays are only less well spread.
        let _ = getrandom::fill(&mut random);
        let settings = self.shared.reconnection.lock().clone();
        let delay = self.backoff.next(&settings, u32::from_ne_bytes(random));
        match delay {
            Some(delay) => {
                self.reconnecting = true;
                self.connection = Connection::wait(delay);
            }
            None => {
                self.shared.emit_event(&ManagerEvent::ReconnectFailed);
                self.give_up();
            }
        }
    }

    /// Makes all sockets inactive.
    fn give_up(&mut self) {
        for namespace in self.shared.namespaces().iter().filter(|namespace| namespace.lock().is_active()) {
            namespace.lose(false);
            self.dispatch_end(namespace);
        }
        self.shared.left();
    }
}
