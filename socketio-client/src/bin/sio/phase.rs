//! One kind of load: how long its events took, and what failed.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::latency::Latency;
use crate::print::line_out;

/// What was done, from beginning to end.
pub(crate) struct Phase {
    name: &'static str,
    begun: Instant,
    lasted: Duration,
    latency: Latency,
    failures: BTreeMap<String, usize>,
}

impl Phase {
    /// A phase that begins now.
    pub(crate) fn new(name: &'static str) -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self {
            name,
            begun: Instant::now(),
            lasted: Duration::ZERO,
            latency: Latency::new()?,
            failures: BTreeMap::new(),
        })
    }

    pub(crate) fn end(&mut self) {
        self.lasted = self.begun.elapsed();
    }

    pub(crate) fn took(&mut self, took: Duration) {
        self.latency.record(took);
    }

    pub(crate) fn failed(&mut self, error: &str) {
        self.failed_often(error, 1);
    }

    pub(crate) fn failed_often(&mut self, error: &str, count: usize) {
        if count > 0 {
            *self.failures.entry(error.to_owned()).or_default() += count;
        }
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.failures.is_empty()
    }

    pub(crate) fn print(&self, as_json: bool) -> io::Result<()> {
        let seconds = self.lasted.as_secs_f64();
        let count = self.latency.count();
        let rate = if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        if as_json {
            let line = json!({
                "type": self.name, "seconds": seconds, "per_second": rate,
                "latency": self.latency.to_json(), "failures": self.failures,
            });
            return line_out(&line.to_string());
        }
        line_out(&format!("{:<10}{count} in {seconds:.2} s, {rate:.0} a second", self.name))?;
        if count > 0 {
            self.latency.lines().iter().try_for_each(|line| line_out(&format!("  {line}")))?;
        }
        self.failures
            .iter()
            .try_for_each(|(error, count)| line_out(&format!("  failed {count} times: {error}")))
    }
}
