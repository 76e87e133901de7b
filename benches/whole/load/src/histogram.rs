//! Histogram of latencies with an accuracy of about three percent: 32 buckets for every power of two.

use std::time::Duration;

pub struct Histogram {
    classes: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { classes: vec![0; 64 * 32], count: 0, max: 0 }
    }
}

impl Histogram {
    #[inline]
    pub fn add(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let class = if nanos < 32 {
            nanos as usize
        } else {
            let power = nanos.ilog2() as usize;
            ((power - 4) << 5) | ((nanos >> (power - 5)) as usize & 31)
        };
        self.classes[class] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// The quantile `share` of the latencies, in microseconds.
    pub fn micros(&self, share: f64) -> f64 {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (class, count) in self.classes.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let middle = if class < 32 {
                    class as u64
                } else {
                    let power = (class >> 5) + 4;
                    ((32 + (class as u64 & 31)) << (power - 5)) + (1 << (power - 5)) / 2
                };
                return middle.min(self.max) as f64 / 1000.0;
            }
        }
        self.max as f64 / 1000.0
    }
}
