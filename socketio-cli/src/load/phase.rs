//! Results of one phase of a load test: latencies and failures.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use serde_json::json;

use super::latency::Latency;
use crate::print::line_out;

/// Results of a phase.
pub(crate) struct Phase {
    name: &'static str,
    begun: Instant,
    elapsed: Duration,
    latency: Latency,
    failures: BTreeMap<String, usize>,
}

impl Phase {
    /// Starts a phase.
    pub(crate) fn new(name: &'static str) -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self {
            name,
            begun: Instant::now(),
            elapsed: Duration::ZERO,
            latency: Latency::new()?,
            failures: BTreeMap::new(),
        })
    }

    pub(crate) fn end(&mut self) {
        self.elapsed = self.begun.elapsed();
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.latency.record(latency);
    }

    pub(crate) fn failed(&mut self, error: &str) {
        self.failed_times(error, 1);
    }

    pub(crate) fn failed_times(&mut self, error: &str, count: usize) {
        if count > 0 {
            *self.failures.entry(error.to_owned()).or_default() += count;
        }
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.failures.is_empty()
    }

    pub(crate) fn print(&self, as_json: bool) -> io::Result<()> {
        let seconds = self.elapsed.as_secs_f64();
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
