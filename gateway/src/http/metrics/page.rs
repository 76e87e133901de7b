//! The text format of Prometheus.

use std::fmt::{Display, Write as _};

use crate::stats::counters::{Histogram, StatusCounters};

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Microseconds as decimal seconds, without rounding errors.
pub(super) fn seconds(micros: &u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text of the metrics.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    /// The node that all samples are of.
    node: Option<String>,
}

// Errors are ignored, since writing to a string cannot fail.
impl Page {
    /// An empty text, whose samples have the label `node` in a cluster.
    pub(super) fn of(node: Option<&str>) -> Self {
        Self { text: String::new(), node: node.map(escape) }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = write!(self.text, "# HELP gateway_{name} {help}\n# TYPE gateway_{name} {kind}\n");
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "gateway_{name}");
        let node = self.node.as_ref().map(|node| ("node", node.clone()));
        let labels = node.into_iter().chain(labels.iter().map(|(label, text)| (*label, escape(text))));
        let mut before = '{';
        for (label, text) in labels {
            let _ = write!(self.text, "{before}{label}=\"{text}\"");
            before = ',';
        }
        let after = if before == ',' { "}" } else { "" };
        let _ = writeln!(self.text, "{after} {value}");
    }

    pub(super) fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    pub(super) fn histogram<const BOUNDS: usize>(
        &mut self,
        name: &str,
        help: &str,
        histogram: &Histogram<BOUNDS>,
        bounds: &[u64; BOUNDS],
        shown: impl Fn(&u64) -> String,
    ) {
        self.family(name, Kind::Histogram, help);
        let (within, all, sum) = histogram.now();
        let bucket = format!("{name}_bucket");
        for (bound, number) in bounds.iter().zip(within) {
            self.sample(&bucket, &[("le", &shown(bound))], number);
        }
        self.sample(&bucket, &[("le", "+Inf")], all);
        self.sample(&format!("{name}_sum"), &[], shown(&sum));
        self.sample(&format!("{name}_count"), &[], all);
    }

    pub(super) fn by_status(&mut self, name: &str, help: &str, label: &str, counts: &StatusCounters) {
        self.family(name, Kind::Counter, help);
        for ((what, status), number) in counts.now() {
            self.sample(name, &[(label, what), ("status", &status.to_string())], number);
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_shown_as_seconds() {
        let shown = [0, 1, 10, 1_000_000, 1_200_000, 12_345_678].map(|micros| seconds(&micros));
        assert_eq!(shown, ["0", "0.000001", "0.00001", "1", "1.2", "12.345678"]);
    }

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.sample("x", &[("a", "q\"b\\n\nl"), ("b", "é")], 7);
        assert_eq!(page.into_text(), "gateway_x{a=\"q\\\"b\\\\n\\nl\",b=\"é\"} 7\n");
    }

    #[test]
    fn in_a_cluster_each_sample_is_of_its_node() {
        let mut page = Page::of(Some("a"));
        page.sample("x", &[], 1);
        page.sample("y", &[("b", "c")], 2);
        assert_eq!(page.into_text(), "gateway_x{node=\"a\"} 1\ngateway_y{node=\"a\",b=\"c\"} 2\n");
    }
}
