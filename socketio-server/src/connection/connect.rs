//! CONNECT packets: limits, admission and refusal.

use std::task::{Context, Poll};

use engineio::Protocol;
use serde_json::json;
use socketio_parser::{Parser, RawValue};

use super::join::{self, Admission, JoinOutcome, PendingJoin};
use super::{Connection, Slot};
use crate::encode;
use crate::error::ConnectError;
use crate::socket::{ConnectContext, Snapshot};
use crate::trace;

impl Connection {
    pub(super) fn connect(
        &mut self,
        namespace: &socketio_parser::Namespace,
        auth: Option<RawValue>,
        cx: &mut Context<'_>,
    ) {
        if self.slots.len() >= self.server.config.max_namespaces {
            self.slots.retain(|slot| !matches!(slot, Slot::Disconnected(_)));
            if self.slots.len() >= self.server.config.max_namespaces {
                return self.violation();
            }
        }
        let auth = match self.session.protocol() {
            Protocol::V4 => auth,
            Protocol::V3 => namespace.query().and_then(query_as_auth),
        };
        let name = self.name(namespace);
        if auth.as_ref().is_some_and(|auth| auth.as_bytes().len() > self.server.config.max_auth_bytes) {
            self.refuse(name, &ConnectError::new("the credentials are too large"));
            return self.violation();
        }
        if self.server.detached_handlers.total() >= self.server.config.max_detached_handlers {
            let busy = ConnectError::new("the server is busy").with_data(json!({"code": "busy"}));
            return self.refuse(name, &busy);
        }
        let config = &self.server.config;
        let burst = config.connect_burst.max(config.max_namespaces);
        let now = tokio::time::Instant::now().into_std();
        if !self.connects.admits(now, burst, config.connects_per_second) {
            return self.refuse(name, &ConnectError::new("too many connects"));
        }
        // Detached, because the credentials live as long as the socket.
        let auth = auth.map(RawValue::detach);
        // The slot is reserved before the first await point.
        self.slots.push(Slot::Joining(name.into()));
        let mut joining = PendingJoin::new(&self.server, name, &self.session, &self.siblings, auth);
        match joining.poll(cx) {
            Poll::Ready(outcome) => self.joined(joining.name(), outcome, cx),
            Poll::Pending => self.joining.push(joining),
        }
    }

    pub(super) fn joined(&mut self, name: &str, outcome: JoinOutcome, cx: &mut Context<'_>) {
        let slot = self.slots.iter().position(|slot| slot.name() == name);
        match (outcome, slot) {
            (JoinOutcome::Admitted(admission), Some(at)) => self.admit(*admission, at, cx),
            (JoinOutcome::Admitted(admission), None) => admission.give_up(),
            (JoinOutcome::Refused(error), at) => {
                if let Some(at) = at {
                    self.slots.swap_remove(at);
                }
                self.refuse(name, &error);
            }
        }
    }

    pub(super) fn admit(&mut self, admission: Admission, at: usize, cx: &mut Context<'_>) {
        if admission.socket.namespace_state().is_deleted() {
            let name = self.slots.swap_remove(at);
            admission.give_up();
            return self.refuse(name.name(), &ConnectError::new("Invalid namespace"));
        }
        let Some((socket, occupancy)) = admission.admit() else {
            self.slots.swap_remove(at);
            return;
        };
        self.slots[at] = Slot::Joined(socket.clone(), Snapshot::new(socket.namespace_state()));
        if occupancy.is_counted() {
            self.occupancies.push(occupancy);
        }
        self.connect_by = None;
        trace::connected(
            socket.namespace(),
            socket.id(),
            socket.recovered(),
            socket.not_recovered().as_ref(),
        );
        let handlers = socket.namespace_state().handlers();
        for call in handlers.connect.calls() {
            self.called(at, call(ConnectContext::new(socket.clone(), ()), cx));
        }
        if socket.namespace_state().is_deleted() {
            // Deleted in the meantime, perhaps before the socket was in the list of those to disconnect.
            socket.disconnect(false);
        }
    }

    pub(super) fn refuse(&mut self, namespace: &str, error: &ConnectError) {
        self.refused += 1;
        trace::connection_refused(namespace, error);
        let wire = self.siblings.wire();
        let parser = wire.map_or(self.server.config.parser, |wire| wire.parser());
        let packet = join::refusal(parser, self.session.protocol(), namespace, error);
        let finish = |packet| match wire {
            None => Ok(packet),
            Some(wire) => wire.finish(packet),
        };
        if let Ok(packet) = packet.and_then(finish) {
            // Sent even if the outbox is full, because the client waits for it. The number of refusals is
            // limited below.
            self.session.send_regardless(packet);
        }
        if self.refused > self.server.config.max_refused_connects {
            self.violation();
        }
    }

    pub(super) fn poll_joining(&mut self, cx: &mut Context<'_>) {
        let mut at = 0;
        while at < self.joining.len() {
            match self.joining[at].poll(cx) {
                Poll::Ready(outcome) => {
                    let joining = self.joining.swap_remove(at);
                    self.joined(joining.name(), outcome, cx);
                }
                Poll::Pending => at += 1,
            }
        }
    }
}

/// The credentials of a Socket.IO v2 client, converted to the form of later versions.
fn query_as_auth(query: &str) -> Option<RawValue> {
    let query = engineio::Query::from(query);
    let auth: serde_json::Map<_, _> =
        query.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    encode::to_value(Parser::Json, &auth).ok().flatten()
}
