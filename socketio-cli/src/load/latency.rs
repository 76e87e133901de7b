//! Latency histogram.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Highest recorded latency. Higher ones count as this value.
const HIGHEST: Duration = Duration::from_secs(3600);
/// Length of the longest bar in characters.
const WIDTH: usize = 40;

/// Latencies in microseconds, with a precision of three digits.
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        Histogram::new_with_max(micros(HIGHEST), 3).map(Self)
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(micros(latency));
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Percentiles in milliseconds.
    pub(crate) fn to_json(&self) -> Value {
        let at = |percentile| millis(self.0.value_at_percentile(percentile));
        json!({
            "count": self.0.len(), "min_ms": millis(self.0.min()), "mean_ms": self.0.mean() / 1000.0,
            "p50_ms": at(50.0), "p90_ms": at(90.0), "p99_ms": at(99.0), "max_ms": millis(self.0.max()),
        })
    }

    /// Percentiles in one line, then one bar for each doubling of the latency.
    pub(crate) fn lines(&self) -> Vec<String> {
        let stats = self.to_json();
        let stat = |name: &str| stats[name].as_f64().unwrap_or_default();
        let mut lines = vec![format!(
            "p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            stat("p50_ms"),
            stat("p90_ms"),
            stat("p99_ms"),
            stat("max_ms"),
        )];
        let bars: Vec<_> = self.0.iter_log(128, 2.0).collect();
        let most = bars.iter().map(|bar| bar.count_since_last_iteration()).max().unwrap_or(0).max(1);
        for bar in bars.iter().filter(|bar| bar.count_since_last_iteration() > 0) {
            let count = bar.count_since_last_iteration();
            let width = usize::try_from(count * WIDTH as u64 / most).unwrap_or(WIDTH).max(1);
            let below = millis(bar.value_iterated_to().saturating_add(1));
            lines.push(format!("  < {below:>9.2} ms {:<WIDTH$} {count}", "#".repeat(width)));
        }
        lines
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_counts_a_range_of_latencies() {
        let mut latency = Latency::new().unwrap();
        for millis in [1, 1, 1, 1, 3, 1000] {
            latency.record(Duration::from_millis(millis));
        }
        latency.record(HIGHEST * 2);
        assert_eq!(latency.to_json()["count"], 7);
        let lines = latency.lines();
        assert!(lines[0].starts_with("p50 1.00 ms, p90 "), "{lines:?}");
        let counts: Vec<_> = lines[1..].iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(counts, ["4", "1", "1", "1"]);
        assert!(lines[1].starts_with("  <      1.02 ms ####"), "{lines:?}");
    }

    #[test]
    fn an_empty_histogram_has_no_bars() {
        assert_eq!(Latency::new().unwrap().lines().len(), 1);
    }
}
