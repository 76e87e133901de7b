//! The way of a call past the circuit: it is let through, waits for the call that tries the backend, or is refused.

use std::sync::atomic::{AtomicU64, Ordering};
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
    /// Calls that were refused since it was closed.
    refused: AtomicU64,
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
    /// Why the last try failed.
    reason: Option<String>,
}

impl Gate {
    pub(super) fn new(circuit: Circuit) -> Self {
        Self { circuit: Mutex::new(circuit), changed: Notify::new(), refused: AtomicU64::new(0) }
    }

    /// Every change of it is whole, so a panic elsewhere is no reason to stop.
    pub(super) fn circuit<R>(&self, look: impl FnOnce(&mut Circuit) -> R) -> R {
        look(&mut self.circuit.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A call that has not been let through yet.
    pub(super) fn report(&self) -> Report<'_> {
        Report { gate: self, is_trial: false, outcome: Outcome::Unknown, reason: None }
    }

    fn refuse(&self, refusal: Refusal) -> Result<(), Refusal> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(refusal)
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
                Admission::Open { .. } => return self.gate.refuse(Refusal::Open),
                Admission::Undecided if now < patience.deadline => patience.deadline,
                Admission::Undecided => return self.gate.refuse(Refusal::Undecided),
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

    /// What came of a try: why it failed, if it did. What came of the trial is told at once, that of another call when
    /// this is dropped.
    pub(super) fn tried(&mut self, failure: Option<String>) {
        self.outcome = if failure.is_some() { Outcome::Failed } else { Outcome::Answered };
        self.reason = failure;
        if self.is_trial {
            self.tell();
            self.is_trial = false;
            self.outcome = Outcome::Unknown;
        }
    }

    fn tell(&self) {
        let now = Instant::now();
        let (before, after) = self.gate.circuit(|circuit| {
            let before = circuit.number();
            if self.is_trial {
                circuit.tell_trial(self.outcome, now);
            } else {
                circuit.tell(self.outcome, now);
            }
            (before, circuit.number())
        });
        if before == after {
            return;
        }
        self.gate.changed.notify_waiters();
        if before == 0 {
            let reason = self.reason.as_deref().unwrap_or_default();
            tracing::warn!(reason, "the backend does not work, calls to it pause");
        } else if after == 0 {
            let refused = self.gate.refused.swap(0, Ordering::Relaxed);
            tracing::warn!(refused, "the backend works again");
        }
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}
