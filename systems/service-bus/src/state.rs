//! The shared state of the bus.

use std::sync::Arc;

use engineio::sync::RwLock;
use socketio_server::Namespace;

use crate::command::CommandError;
use crate::kept::Kept;
use crate::presence::Presence;
use crate::requests::Requests;

/// Reference of handlers to their namespace. It is cleared at shutdown, because the namespace owns the
/// handlers.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<RwLock<Option<BusState>>>);

/// The shared state of the bus.
#[derive(Clone)]
pub(crate) struct BusState {
    pub(crate) namespace: Namespace,
    pub(crate) presence: Presence,
    pub(crate) kept: Kept,
    pub(crate) requests: Requests,
    /// Whether other nodes have services too.
    pub(crate) is_clustered: bool,
}

impl Slot {
    pub(crate) fn get(&self) -> Result<BusState, CommandError> {
        self.0.read().clone().ok_or(CommandError::Closed)
    }

    pub(crate) fn set(&self, home: Option<BusState>) {
        *self.0.write() = home;
    }
}
