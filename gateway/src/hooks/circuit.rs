//! Whether the backend is worth a call: after several failures in a row it is left alone, and then tried by one call.

use std::time::{Duration, Instant};

/// See [`State`]. Times are arguments.
#[derive(Debug)]
pub(super) struct Circuit {
    state: State,
    /// So many failures in a row open it.
    limit: u32,
    /// For so long it is open.
    pause: Duration,
    /// How often it has opened.
    opened: u64,
}

/// Closed until `limit` calls in a row have failed; then open until its time is over; then half open while one call
/// tries. That one closes it, or opens it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Calls are made; so many have failed since one did not.
    Closed { failures: u32 },
    /// No call is made before this time.
    Open { until: Instant },
    /// One call is under way, and no other is made.
    HalfOpen,
}

/// What came of a call that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The backend answered, whatever it said.
    Answered,
    /// It did not.
    Failed,
    /// The call was given up before anybody could know.
    Unknown,
}

impl Circuit {
    pub(super) fn new(limit: u32, pause: Duration) -> Self {
        Self { state: State::Closed { failures: 0 }, limit, pause, opened: 0 }
    }

    /// Whether a call may be made now. If so, its outcome has to be told.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } if now >= until => {
                self.state = State::HalfOpen;
                true
            }
            State::Open { .. } | State::HalfOpen => false,
        }
    }

    /// A call that was admitted is over.
    pub(super) fn tell(&mut self, outcome: Outcome, now: Instant) {
        self.state = match (self.state, outcome) {
            (_, Outcome::Answered) => State::Closed { failures: 0 },
            (State::Closed { failures }, Outcome::Failed) if failures + 1 < self.limit => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. } | State::HalfOpen, Outcome::Failed) => {
                self.opened += 1;
                State::Open { until: now + self.pause }
            }
            // Another one may try at once.
            (State::HalfOpen, Outcome::Unknown) => State::Open { until: now },
            // One that was let through before it opened.
            (state, _) => state,
        };
    }

    /// For the metrics: 0 closed, 1 half open, 2 open.
    pub(super) fn number(&self) -> u64 {
        match self.state {
            State::Closed { .. } => 0,
            State::HalfOpen => 1,
            State::Open { .. } => 2,
        }
    }

    /// How often it has opened.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    #[test]
    fn opens_tries_and_closes() {
        let mut now = Instant::now();
        let mut circuit = Circuit::new(3, PAUSE);
        for _ in 0..2 {
            assert!(circuit.admits(now));
            circuit.tell(Outcome::Failed, now);
        }
        // One that was answered in between, and it begins anew.
        circuit.tell(Outcome::Answered, now);
        for _ in 0..3 {
            assert!(circuit.admits(now));
            circuit.tell(Outcome::Failed, now);
        }
        assert_eq!((circuit.number(), circuit.opened()), (2, 1));
        assert!(!circuit.admits(now));
        // Those that were under way do not make it longer.
        circuit.tell(Outcome::Failed, now + PAUSE / 2);
        circuit.tell(Outcome::Unknown, now + PAUSE / 2);
        now += PAUSE;
        assert!(circuit.admits(now));
        assert_eq!(circuit.number(), 1);
        assert!(!circuit.admits(now), "one tries, no other");
        circuit.tell(Outcome::Failed, now);
        assert!(!circuit.admits(now));
        now += PAUSE;
        assert!(circuit.admits(now));
        circuit.tell(Outcome::Unknown, now);
        assert!(circuit.admits(now), "the one that tried was given up");
        circuit.tell(Outcome::Answered, now);
        assert_eq!((circuit.number(), circuit.opened()), (0, 2));
        assert!(circuit.admits(now));
    }
}
