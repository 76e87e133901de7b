//! The way of a call past the circuit: it is let through, waits for the call that tries the backend, or is refused.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::circuit::{Admission, Circuit, Outcome};

/// The circuit, and who waits for it.
#[derive(Debug)]
pub(super) struct Gate {
    circuit: Mutex<Circuit>,
    /// The circuit opened, closed, or wants another trial.
    changed: Notify,
}

/// Until when a call may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) deadline: Instant,
    /// Whether it waits while the circuit is open, too, and not only while another call tries the backend.
    pub(super) while_open: bool,
}

/// Why a call was not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The circuit is open for longer than the call may wait.
    Open,
    /// The call waited until its deadline.
    Undecided,
}

/// What the circuit has to be told of a call that was let through. Dropped, this is told.
#[derive(Debug)]
pub(super) struct Report<'a> {
    gate: &'a Gate,
    is_trial: bool,
    outcome: Outcome,
}

impl Gate {
    pub(super) fn new(circuit: Circuit) -> Self {
        Self { circuit: Mutex::new(circuit), changed: Notify::new() }
    }

    /// Every change of it is whole, so a panic elsewhere is no reason to stop.
    pub(super) fn circuit<R>(&self, look: impl FnOnce(&mut Circuit) -> R) -> R {
        look(&mut self.circuit.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A call that has not been let through yet.
    pub(super) fn report(&self) -> Report<'_> {
        Report { gate: self, is_trial: false, outcome: Outcome::Unknown }
    }
}

impl Report<'_> {
    /// Returns when a try may be made.
    pub(super) async fn pass(&mut self, patience: Patience) -> Result<(), Refusal> {
        loop {
            // Before the look, so that no change is missed.
            let changed = self.gate.changed.notified();
            let now = Instant::now();
            let wake = match self.gate.circuit(|circuit| circuit.admits(now)) {
                Admission::Call => return Ok(()),
                Admission::Trial => {
                    // What it was before is of no interest to an open circuit.
                    self.is_trial = true;
                    self.outcome = Outcome::Unknown;
                    return Ok(());
                }
                Admission::Open { until } if patience.while_open && until < patience.deadline => until,
                Admission::Open { .. } => return Err(Refusal::Open),
                Admission::Undecided if now < patience.deadline => patience.deadline,
                Admission::Undecided => return Err(Refusal::Undecided),
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    /// Whether a call that was let through and then waited for something else may still be made.
    pub(super) fn is_good(&self) -> bool {
        self.is_trial || self.gate.circuit(|circuit| circuit.is_closed())
    }

    /// What came of a try. What came of the trial is told at once, that of another call when this is dropped.
    pub(super) fn tried(&mut self, outcome: Outcome) {
        self.outcome = outcome;
        if self.is_trial {
            self.tell();
            self.is_trial = false;
            self.outcome = Outcome::Unknown;
        }
    }

    fn tell(&self) {
        let now = Instant::now();
        let has_changed = self.gate.circuit(|circuit| {
            let before = circuit.number();
            if self.is_trial {
                circuit.tell_trial(self.outcome, now);
            } else {
                circuit.tell(self.outcome, now);
            }
            circuit.number() != before
        });
        if has_changed {
            self.gate.changed.notify_waiters();
        }
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}
