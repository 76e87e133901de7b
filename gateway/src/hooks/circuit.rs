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

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may, with all its tries. Its outcome has to be told after the last one.
    Call,
    /// It is the one that tries the backend. Its outcome has to be told after the first try.
    Trial,
    /// Another call tries the backend.
    Undecided,
    /// No call is made before this time.
    Open { until: Instant },
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

    /// Whether a call may be made now.
    pub(super) fn admits(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Call,
            State::Open { until } if now >= until => {
                self.state = State::HalfOpen;
                Admission::Trial
            }
            State::Open { until } => Admission::Open { until },
            State::HalfOpen => Admission::Undecided,
        }
    }

    /// A call that was admitted is over.
    pub(super) fn tell(&mut self, outcome: Outcome, now: Instant) {
        self.state = match (self.state, outcome) {
            (_, Outcome::Answered) => State::Closed { failures: 0 },
            (State::Closed { failures }, Outcome::Failed) if failures + 1 < self.limit => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. }, Outcome::Failed) => self.open(now),
            // One that was let through before it opened.
            (state, _) => state,
        };
    }

    /// The call that tries the backend has made its first try.
    pub(super) fn tell_trial(&mut self, outcome: Outcome, now: Instant) {
        self.state = match (self.state, outcome) {
            (_, Outcome::Answered) => State::Closed { failures: 0 },
            (State::HalfOpen, Outcome::Failed) => self.open(now),
            // Another one may try at once.
            (State::HalfOpen, Outcome::Unknown) => State::Open { until: now },
            // Another call was answered in the meantime.
            (state, _) => state,
        };
    }

    fn open(&mut self, now: Instant) -> State {
        self.opened += 1;
        State::Open { until: now + self.pause }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
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

    /// An open one whose time is over.
    fn due(now: Instant) -> Circuit {
        let mut circuit = Circuit::new(1, PAUSE);
        circuit.tell(Outcome::Failed, now.checked_sub(PAUSE).unwrap());
        circuit
    }

    #[test]
    fn opens_after_failures_in_a_row() {
        let now = Instant::now();
        let mut circuit = Circuit::new(3, PAUSE);
        for _ in 0..2 {
            assert_eq!(circuit.admits(now), Admission::Call);
            circuit.tell(Outcome::Failed, now);
        }
        // One that was answered in between, and it begins anew.
        circuit.tell(Outcome::Answered, now);
        for _ in 0..3 {
            assert_eq!(circuit.admits(now), Admission::Call);
            circuit.tell(Outcome::Unknown, now);
            circuit.tell(Outcome::Failed, now);
        }
        assert_eq!((circuit.number(), circuit.opened(), circuit.is_closed()), (2, 1, false));
        assert_eq!(circuit.admits(now), Admission::Open { until: now + PAUSE });
    }

    #[test]
    fn calls_from_before_it_opened_do_not_make_it_longer() {
        let now = Instant::now();
        let mut circuit = due(now);
        for outcome in [Outcome::Failed, Outcome::Unknown] {
            circuit.tell(outcome, now);
            assert_eq!((circuit.number(), circuit.opened()), (2, 1));
        }
        assert_eq!(circuit.admits(now), Admission::Trial);
        for outcome in [Outcome::Failed, Outcome::Unknown] {
            circuit.tell(outcome, now);
            assert_eq!(circuit.admits(now), Admission::Undecided, "the trial is still under way");
        }
        circuit.tell(Outcome::Answered, now);
        assert_eq!(circuit.admits(now), Admission::Call, "whoever is answered shows that it works");
        // What the trial says now is one failure among others.
        circuit.tell_trial(Outcome::Failed, now);
        circuit.tell_trial(Outcome::Unknown, now);
        assert_eq!((circuit.number(), circuit.opened()), (0, 1));
    }

    #[test]
    fn one_call_tries() {
        let mut now = Instant::now();
        let mut circuit = due(now);
        assert_eq!(circuit.admits(now), Admission::Trial);
        assert_eq!(circuit.number(), 1);
        assert_eq!(circuit.admits(now + PAUSE), Admission::Undecided);
        circuit.tell_trial(Outcome::Failed, now);
        assert_eq!(circuit.admits(now), Admission::Open { until: now + PAUSE });
        now += PAUSE;
        assert_eq!(circuit.admits(now), Admission::Trial);
        circuit.tell_trial(Outcome::Unknown, now);
        assert_eq!(circuit.admits(now), Admission::Trial, "the one that tried was given up");
        circuit.tell_trial(Outcome::Answered, now);
        assert_eq!((circuit.number(), circuit.opened()), (0, 2));
        assert_eq!(circuit.admits(now), Admission::Call);
    }

    #[test]
    fn an_answer_closes_it() {
        let now = Instant::now();
        let mut circuit = due(now);
        circuit.tell(Outcome::Answered, now);
        assert!(circuit.is_closed());
    }
}
