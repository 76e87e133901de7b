//! The state machine.

pub(crate) mod heartbeat;
