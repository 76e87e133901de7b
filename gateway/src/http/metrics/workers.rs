//! Metrics of all workers of a supervisor in one text.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use super::page::{Kind, Page};
use crate::cluster::{Question, WorkerMetrics};
use crate::gateway::Gateway;

/// Maximum wait for the other workers. Prometheus gives up ten seconds after its request. It is longer than the default
/// of `cluster.request_timeout_ms`, after which the answers that have arrived are there.
const WAIT: Duration = Duration::from_secs(5);

/// Metrics of the other workers.
pub(super) struct Others {
    texts: Vec<String>,
    /// Number of slots whose workers did not answer.
    missing: usize,
}

/// Asks the other workers. `None` if this process is no worker.
pub(super) async fn others(gateway: &Gateway) -> Option<Others> {
    let (io, cluster) = (gateway.io(), gateway.cluster());
    let group = cluster.group();
    let group = group.get()?;
    let question = Question::Metrics { group: group.id.clone() };
    let asked = tokio::time::timeout(WAIT, cluster.ask::<Option<WorkerMetrics>>(io, &question)).await;
    let answers = asked.map(|asked| asked.answers).unwrap_or_default();
    let mut slots = BTreeSet::from([group.slot]);
    let mut texts = Vec::new();
    // Other nodes of the cluster have answered null.
    for WorkerMetrics { slot, text } in answers.into_iter().filter_map(|answered| answered.answer) {
        slots.insert(slot);
        texts.push(text);
    }
    Some(Others { texts, missing: group.workers.saturating_sub(slots.len()) })
}

impl Others {
    /// The metrics of all workers.
    pub(super) fn with(self, own: &str, node: Option<&str>) -> String {
        let mut page = Page::of(node);
        let help = "Workers of the supervisor whose metrics are missing.";
        page.one("workers_missing", Kind::Gauge, help, self.missing);
        merged([page.into_text().as_str(), own].into_iter().chain(self.texts.iter().map(String::as_str)))
    }
}

/// Families of several texts, in the order in which they are first found, each with the samples of all texts. The help
/// of the first text counts: workers may be of two versions during a restart.
fn merged<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    #[derive(Default)]
    struct Family<'a> {
        help: &'a str,
        kind: &'a str,
        samples: Vec<&'a str>,
    }
    let mut order = Vec::new();
    let mut families: HashMap<&str, Family<'_>> = HashMap::new();
    for text in texts {
        let mut current = None;
        for line in text.lines() {
            let name = |line: &'a str| line.split(' ').next().unwrap_or_default();
            if let Some(help) = line.strip_prefix("# HELP ") {
                let name = name(help);
                current = Some(name);
                families.entry(name).or_insert_with(|| {
                    order.push(name);
                    Family { help, ..Family::default() }
                });
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                if let Some(family) = families.get_mut(name(kind)).filter(|family| family.kind.is_empty()) {
                    family.kind = kind;
                }
            } else if let Some(family) = current.and_then(|name| families.get_mut(name)) {
                family.samples.push(line);
            }
        }
    }
    let mut text = String::new();
    for Family { help, kind, samples } in order.iter().filter_map(|name| families.remove(name)) {
        // Writing to a string cannot fail.
        let _ = write!(text, "# HELP {help}\n# TYPE {kind}\n");
        for sample in samples {
            text.push_str(sample);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_is_there_once_with_all_samples() {
        let one = "# HELP a First.\n# TYPE a gauge\na{node=\"0\"} 1\n# HELP b Second.\n# TYPE b histogram\n\
            b_bucket{node=\"0\",le=\"+Inf\"} 2\nb_sum{node=\"0\"} 3\n";
        let two = "# HELP b Second, of another version.\n# TYPE b histogram\nb_sum{node=\"1\"} 4\n\
            # HELP c Third.\n# TYPE c counter\nc{node=\"1\"} 5\n# HELP a First.\n# TYPE a gauge\na{node=\"1\"} 6\n";
        let expected = "# HELP a First.\n# TYPE a gauge\na{node=\"0\"} 1\na{node=\"1\"} 6\n\
            # HELP b Second.\n# TYPE b histogram\nb_bucket{node=\"0\",le=\"+Inf\"} 2\nb_sum{node=\"0\"} 3\n\
            b_sum{node=\"1\"} 4\n# HELP c Third.\n# TYPE c counter\nc{node=\"1\"} 5\n";
        assert_eq!(merged([one, two].into_iter()), expected);
        assert_eq!(merged([one].into_iter()), one);
    }

    #[test]
    fn lines_without_a_family_are_left_out() {
        assert_eq!(merged(["x 1\n# TYPE x gauge\n\n", "# nothing"].into_iter()), "");
    }

    #[test]
    fn missing_workers_are_counted() {
        let others = Others { texts: vec!["# HELP a A.\n# TYPE a gauge\na 1\n".to_owned()], missing: 2 };
        let text = others.with("# HELP a A.\n# TYPE a gauge\na 0\n", Some("n"));
        assert!(text.starts_with("# HELP gateway_workers_missing "), "{text}");
        assert!(text.contains("\ngateway_workers_missing{node=\"n\"} 2\n"), "{text}");
        assert!(text.ends_with("# HELP a A.\n# TYPE a gauge\na 0\na 1\n"), "{text}");
    }
}
