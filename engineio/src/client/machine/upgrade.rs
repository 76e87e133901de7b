//! The upgrade of a polling session to a WebSocket.

use std::time::Instant;

/// An upgrade in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Upgrade {
    deadline: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// The WebSocket is being opened.
    Opening,
    /// The probe ping was sent.
    Probed,
    /// The pong has arrived. No further polling request starts, and the session moves when the last one has
    /// ended.
    Answered,
}

impl Upgrade {
    pub(super) fn new(deadline: Instant) -> Self {
        Self { deadline, stage: Stage::Opening }
    }

    /// The end of the wait for the server's pong and for the end of the polling requests.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the server has answered the probe.
    pub(super) fn is_answered(&self) -> bool {
        self.stage == Stage::Answered
    }

    /// The WebSocket is open. `true` if the probe ping has to be sent now.
    pub(super) fn opened(&mut self) -> bool {
        self.advance(Stage::Opening, Stage::Probed)
    }

    /// The pong has arrived. `true` if it was expected.
    pub(super) fn answered(&mut self) -> bool {
        self.advance(Stage::Probed, Stage::Answered)
    }

    fn advance(&mut self, from: Stage, to: Stage) -> bool {
        let expected = self.stage == from;
        if expected {
            self.stage = to;
        }
        expected
    }
}
