//! Admission of webhooks by the circuit. A webhook is admitted, waits for the outcome of the trial, or is
//! refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use engineio::sync::Mutex;
use tokio::sync::Notify;

use super::circuit::{Admission, Circuit, Outcome};

/// Circuit, with the tasks that wait for a change of its state.
#[derive(Debug)]
pub(super) struct Gate {
    circuit: Mutex<Circuit>,
    /// Notified when the circuit opens, closes, or needs another trial.
    changed: Notify,
    /// Webhooks refused since the circuit was last closed.
    refused: AtomicU64,
}

/// Limits of the time that a webhook waits for the circuit.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitLimits {
    pub(super) deadline: Instant,
    /// Whether the webhook also waits for an open circuit, and not only for the outcome of a trial.
    pub(super) while_open: bool,
}

/// Reason for which a webhook was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The circuit stays open beyond the deadline, or the webhook does not wait for an open circuit.
    Open,
    /// The trial had no outcome before the deadline.
    Undecided,
}

/// Guard of an admitted webhook that reports the outcome to the circuit. The last known outcome is reported
/// on drop.
#[derive(Debug)]
pub(super) struct Report<'a> {
    gate: &'a Gate,
    is_trial: bool,
    outcome: Outcome,
    /// Error of the last attempt, for the log.
    reason: Option<String>,
}

impl Gate {
    pub(super) fn new(circuit: Circuit) -> Self {
        Self { circuit: Mutex::new(circuit), changed: Notify::new(), refused: AtomicU64::new(0) }
    }

    /// Runs `look` on the locked circuit. No change can be interrupted, so a poisoned lock is still
    /// consistent.
    pub(super) fn circuit<R>(&self, look: impl FnOnce(&mut Circuit) -> R) -> R {
        look(&mut self.circuit.lock())
    }

    /// Creates the guard of a webhook that has not been admitted yet.
    pub(super) fn report(&self) -> Report<'_> {
        Report { gate: self, is_trial: false, outcome: Outcome::Unknown, reason: None }
    }

    fn refuse(&self, refusal: Refusal) -> Result<(), Refusal> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(refusal)
    }
}

impl Report<'_> {
    /// Waits until an attempt is admitted.
    pub(super) async fn pass(&mut self, limits: WaitLimits) -> Result<(), Refusal> {
        loop {
            // The notification is registered before the state is read, so that no change is missed.
            let changed = self.gate.changed.notified();
            let now = Instant::now();
            let wake = match self.gate.circuit(|circuit| circuit.admits(now)) {
                Admission::Call => return Ok(()),
                Admission::Trial => {
                    // Earlier attempts of this webhook do not count for an open circuit.
                    self.is_trial = true;
                    self.outcome = Outcome::Unknown;
                    return Ok(());
                }
                Admission::Open { until } if limits.while_open && until < limits.deadline => until,
                Admission::Open { .. } => return self.gate.refuse(Refusal::Open),
                Admission::Undecided if now < limits.deadline => limits.deadline,
                Admission::Undecided => return self.gate.refuse(Refusal::Undecided),
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    /// Whether the admission is still valid after the webhook has waited for something else.
    pub(super) fn is_valid(&self) -> bool {
        self.is_trial || self.gate.circuit(|circuit| circuit.is_closed())
    }

    /// Records the outcome of an attempt, with the error if it failed. The outcome of a trial is reported at
    /// once, that of another webhook on drop.
    pub(super) fn tried(&mut self, failure: Option<String>) {
        self.outcome = if failure.is_some() { Outcome::Failed } else { Outcome::Answered };
        self.reason = failure;
        if self.is_trial {
            self.report_outcome();
            self.is_trial = false;
            self.outcome = Outcome::Unknown;
        }
    }

    fn report_outcome(&self) {
        let now = Instant::now();
        let (before, after) = self.gate.circuit(|circuit| {
            let before = circuit.number();
            if self.is_trial {
                circuit.report_trial(self.outcome, now);
            } else {
                circuit.report(self.outcome, now);
            }
            (before, circuit.number())
        });
        if before == after {
            return;
        }
        self.gate.changed.notify_waiters();
        if before == 0 {
            let reason = self.reason.as_deref().unwrap_or_default();
            tracing::warn!(reason, "the backend is unavailable, webhooks are paused");
        } else if after == 0 {
            let refused = self.gate.refused.swap(0, Ordering::Relaxed);
            tracing::warn!(refused, "the backend is available again");
        }
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        self.report_outcome();
    }
}
