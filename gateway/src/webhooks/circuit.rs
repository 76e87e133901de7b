//! Circuit breaker of the backend. After several consecutive failures it opens, and no webhooks are sent for
//! a while. Then one trial webhook decides whether it closes.

use std::time::{Duration, Instant};

/// State machine of the circuit breaker; see [`State`]. Times are arguments, so that tests need no clock.
#[derive(Debug)]
pub(super) struct Circuit {
    state: State,
    /// Number of consecutive failures that opens the circuit.
    limit: u32,
    /// Time for which the circuit stays open.
    pause: Duration,
    /// Number of times the circuit has opened.
    opened: u64,
}

/// State of the circuit. It is closed until `limit` consecutive webhooks have failed, then open for `pause`,
/// then half open while one trial webhook is under way. The outcome of the trial closes or reopens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Webhooks are sent. `failures` is the number of failures since the last success.
    Closed { failures: u32 },
    /// No webhook is sent before this time.
    Open { until: Instant },
    /// The trial webhook is under way, and no other is sent.
    HalfOpen,
}

/// Decision of the circuit about a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The webhook may be sent, with retries. Its outcome must be reported after the last attempt.
    Call,
    /// The webhook is the trial. Its outcome must be reported after the first attempt.
    Trial,
    /// The trial is under way; the webhook has to wait for its outcome.
    Undecided,
    /// No webhook is sent before this time.
    Open { until: Instant },
}

/// Outcome of an admitted webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The backend responded, with any result.
    Answered,
    /// The backend did not respond, or reported that it does not work.
    Failed,
    /// The webhook was abandoned before its outcome was known.
    Unknown,
}

impl Circuit {
    pub(super) fn new(limit: u32, pause: Duration) -> Self {
        Self { state: State::Closed { failures: 0 }, limit, pause, opened: 0 }
    }

    /// Decides about a webhook. Once the pause is over, the first caller becomes the trial.
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

    /// Records the outcome of an ordinary webhook.
    pub(super) fn report(&mut self, outcome: Outcome, now: Instant) {
        self.state = match (self.state, outcome) {
            (_, Outcome::Answered) => State::Closed { failures: 0 },
            (State::Closed { failures }, Outcome::Failed) if failures + 1 < self.limit => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. }, Outcome::Failed) => self.open(now),
            // The webhook was admitted before the circuit opened. Its failure neither reopens nor prolongs
            // anything.
            (state, _) => state,
        };
    }

    /// Records the outcome of the first attempt of the trial.
    pub(super) fn report_trial(&mut self, outcome: Outcome, now: Instant) {
        self.state = match (self.state, outcome) {
            (_, Outcome::Answered) => State::Closed { failures: 0 },
            (State::HalfOpen, Outcome::Failed) => self.open(now),
            // The next webhook may become the trial at once.
            (State::HalfOpen, Outcome::Unknown) => State::Open { until: now },
            // Another webhook was answered in the meantime and closed the circuit.
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

    /// State as the value of the metric: 0 closed, 1 half open, 2 open.
    pub(super) fn number(&self) -> u64 {
        match self.state {
            State::Closed { .. } => 0,
            State::HalfOpen => 1,
            State::Open { .. } => 2,
        }
    }

    /// Number of times the circuit has opened.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    /// Open circuit whose pause is over.
    fn due(now: Instant) -> Circuit {
        let mut circuit = Circuit::new(1, PAUSE);
        circuit.report(Outcome::Failed, now.checked_sub(PAUSE).unwrap());
        circuit
    }

    #[test]
    fn opens_after_consecutive_failures() {
        let now = Instant::now();
        let mut circuit = Circuit::new(3, PAUSE);
        for _ in 0..2 {
            assert_eq!(circuit.admits(now), Admission::Call);
            circuit.report(Outcome::Failed, now);
        }
        // A success resets the number of failures.
        circuit.report(Outcome::Answered, now);
        for _ in 0..3 {
            assert_eq!(circuit.admits(now), Admission::Call);
            circuit.report(Outcome::Unknown, now);
            circuit.report(Outcome::Failed, now);
        }
        assert_eq!((circuit.number(), circuit.opened(), circuit.is_closed()), (2, 1, false));
        assert_eq!(circuit.admits(now), Admission::Open { until: now + PAUSE });
    }

    #[test]
    fn earlier_webhooks_do_not_prolong_the_pause() {
        let now = Instant::now();
        let mut circuit = due(now);
        for outcome in [Outcome::Failed, Outcome::Unknown] {
            circuit.report(outcome, now);
            assert_eq!((circuit.number(), circuit.opened()), (2, 1));
        }
        assert_eq!(circuit.admits(now), Admission::Trial);
        for outcome in [Outcome::Failed, Outcome::Unknown] {
            circuit.report(outcome, now);
            assert_eq!(circuit.admits(now), Admission::Undecided, "the trial is still under way");
        }
        circuit.report(Outcome::Answered, now);
        assert_eq!(circuit.admits(now), Admission::Call, "any response shows that the backend is available");
        // The circuit is closed, so the outcome of the late trial is ignored.
        circuit.report_trial(Outcome::Failed, now);
        circuit.report_trial(Outcome::Unknown, now);
        assert_eq!((circuit.number(), circuit.opened()), (0, 1));
    }

    #[test]
    fn one_trial_webhook_is_sent() {
        let mut now = Instant::now();
        let mut circuit = due(now);
        assert_eq!(circuit.admits(now), Admission::Trial);
        assert_eq!(circuit.number(), 1);
        assert_eq!(circuit.admits(now + PAUSE), Admission::Undecided);
        circuit.report_trial(Outcome::Failed, now);
        assert_eq!(circuit.admits(now), Admission::Open { until: now + PAUSE });
        now += PAUSE;
        assert_eq!(circuit.admits(now), Admission::Trial);
        circuit.report_trial(Outcome::Unknown, now);
        assert_eq!(circuit.admits(now), Admission::Trial, "the trial was abandoned");
        circuit.report_trial(Outcome::Answered, now);
        assert_eq!((circuit.number(), circuit.opened()), (0, 2));
        assert_eq!(circuit.admits(now), Admission::Call);
    }

    #[test]
    fn a_response_closes_the_circuit() {
        let now = Instant::now();
        let mut circuit = due(now);
        circuit.report(Outcome::Answered, now);
        assert!(circuit.is_closed());
    }
}
