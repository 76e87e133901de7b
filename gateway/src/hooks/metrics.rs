//! What operators can know of the line to the backend.

use std::collections::BTreeMap;

use super::line::Line;

/// What operators can know.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Calls that are over, by what they were and what came of them.
    pub(crate) calls: BTreeMap<(&'static str, &'static str), u64>,
    /// Tries after the first one.
    pub(crate) retries: u64,
    /// How long all calls took together.
    pub(crate) milliseconds: u64,
    /// Answers that could not be followed.
    pub(crate) misfits: u64,
    /// Calls that are under way or wait.
    pub(crate) waiting: u64,
    /// Their bytes.
    pub(crate) waiting_bytes: u64,
    /// 0 closed, 1 half open, 2 open.
    pub(crate) circuit: u64,
    /// How often it opened.
    pub(crate) opened: u64,
}

impl Metrics {
    pub(super) fn of(line: &Line) -> Self {
        let (counts, held) = (line.counts(), line.held());
        let (circuit, opened) = line.circuit(|circuit| (circuit.number(), circuit.opened()));
        Self {
            calls: counts.outcomes(),
            retries: counts.retries(),
            milliseconds: counts.milliseconds(),
            misfits: counts.misfits(),
            waiting: held.calls as u64,
            waiting_bytes: held.bytes as u64,
            circuit,
            opened,
        }
    }
}
