//! Workers of one supervisor, which answer for `/metrics` together.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The workers of one supervisor, as one of them sees them.
#[cfg_attr(not(unix), allow(dead_code, reason = "workers are processes of Unix alone"))]
pub(crate) struct Group {
    /// Distinguishes them from those of other supervisors.
    pub(crate) id: String,
    /// Number of slots, each with a worker.
    pub(crate) workers: usize,
    /// Slot of this worker.
    pub(crate) slot: usize,
    /// The metrics of this worker; none after its end.
    pub(crate) metrics: Box<dyn Fn() -> Option<String> + Send + Sync>,
}

/// Metrics of one worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WorkerMetrics {
    pub(crate) slot: usize,
    /// Text in the format of Prometheus.
    pub(crate) text: String,
}

impl Group {
    /// The metrics of this worker.
    pub(super) fn own(&self) -> Option<WorkerMetrics> {
        (self.metrics)().map(|text| WorkerMetrics { slot: self.slot, text })
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("id", &self.id).field("slot", &self.slot).finish_non_exhaustive()
    }
}
