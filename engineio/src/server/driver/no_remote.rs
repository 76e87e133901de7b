//! Without the feature `peers` no part of a session is at another node: nothing is done here, so that
//! callers need no `cfg`.

use std::time::Instant;

use super::Driver;
use crate::protocol::packet::PacketType;
use crate::protocol::prepared::Prepared;
use crate::server::handler::Handler;
use crate::server::session::handle::Session;
use crate::server::shared::Shared;

/// No part.
pub(super) struct Remote;

impl Remote {
    pub(super) fn none() -> Self {
        Self
    }

    pub(super) fn hold(_: &Shared, _: &Session) -> Option<(Box<dyn Handler>, Self)> {
        None
    }

    pub(super) fn is_held(&self) -> bool {
        false
    }

    pub(super) fn deadline(&self, other: Instant) -> Instant {
        other
    }

    pub(super) fn takes_packets(&self) -> bool {
        false
    }

    pub(super) fn is_delivering(&self) -> bool {
        false
    }

    pub(super) fn drop_probe(&mut self) {}
}

impl Driver {
    pub(super) fn remote_turn(&mut self, _: Instant) {}

    pub(super) fn deliver_waiting(&mut self, _: Instant) {}

    pub(super) fn answer_remote(&mut self, _: &[PacketType]) -> bool {
        false
    }

    pub(super) fn drain_remote(&mut self, _: &[Prepared]) {}

    pub(super) fn remote_switch(&mut self, _: Instant) {}

    pub(super) fn close_remote(&mut self) {}

    pub(super) fn release_kept(&mut self) {}
}
