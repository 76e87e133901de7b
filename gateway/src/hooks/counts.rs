//! What is counted of the calls.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::hooks::Moment;
use crate::tallies::Counter;

/// What is counted of the calls.
#[derive(Debug, Default)]
pub(super) struct Counts {
    outcomes: Mutex<Outcomes>,
    retries: Counter,
    milliseconds: Counter,
    /// What the backend said and could not be done.
    misfits: Counter,
}

/// By call and what came of it.
type Outcomes = BTreeMap<(&'static str, &'static str), u64>;

impl Counts {
    pub(super) fn add(&self, moment: Moment, outcome: &'static str) {
        // Counting leaves nothing half done, so a panic elsewhere is no reason to stop.
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        *outcomes.entry((moment.name(), outcome)).or_default() += 1;
    }

    pub(super) fn again(&self) {
        self.retries.add();
    }

    pub(super) fn took(&self, time: Duration) {
        self.milliseconds.add_many(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    pub(super) fn misfit(&self) {
        self.misfits.add();
    }

    pub(super) fn outcomes(&self) -> Outcomes {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn retries(&self) -> u64 {
        self.retries.now()
    }

    pub(super) fn milliseconds(&self) -> u64 {
        self.milliseconds.now()
    }

    pub(super) fn misfits(&self) -> u64 {
        self.misfits.now()
    }
}
