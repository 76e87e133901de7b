//! Metrics in the text format of Prometheus.

use std::fmt::{Display, Write as _};

use http::StatusCode;
use socketio_server::Namespace;

use crate::cluster::Cluster;
use crate::gateway::Gateway;
use crate::response::{self, HttpResponse};
use crate::stats::counters::{Broadcasts, Histogram, StatusCounters};
use crate::stats::disconnects::SLOW_CONSUMER;
use crate::stats::snapshot;
use crate::webhooks::Metrics;

/// Media type of the text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Response with all metrics. It iterates over all sessions.
pub(super) fn metrics(gateway: &Gateway) -> HttpResponse {
    response::of(StatusCode::OK, CONTENT_TYPE, text(gateway))
}

fn text(gateway: &Gateway) -> String {
    let io = gateway.io();
    let counters = gateway.counters();
    let traffic = io.engine().traffic();
    let disconnects = gateway.disconnects().counts();
    let connections = snapshot::connections(io);
    let rooms = |name: &String| io.namespace(name).map_or(0, |namespace: Namespace| namespace.room_count());
    let mut page = Page::default();

    page.one("uptime_seconds", Kind::Gauge, "Time since the start.", gateway.uptime().as_secs());
    page.family("connections", Kind::Gauge, "Open connections.");
    for (transport, number) in connections.connections {
        page.sample("connections", &[("transport", transport)], number);
    }
    page.one("queued_bytes", Kind::Gauge, "Bytes queued for clients.", connections.queued_bytes);
    let help = "Memory of queued messages, as limited by server.max_queued_bytes.";
    page.one("queued_memory_bytes", Kind::Gauge, help, io.engine().stats().queued_bytes);
    let help =
        "Memory of received data that is incomplete or waits, as limited by server.max_received_bytes.";
    page.one("received_memory_bytes", Kind::Gauge, help, io.engine().stats().received_bytes);
    let help = "Running handlers of disconnected clients, and their queued events.";
    page.one("detached_handlers", Kind::Gauge, help, io.detached_handlers());
    let help = "1 while file descriptors have run out and new clients are refused.";
    let ran_out = usize::from(gateway.descriptors().have_run_out());
    page.one("file_descriptors_exhausted", Kind::Gauge, help, ran_out);
    let rooms: usize = io.namespaces().iter().map(rooms).sum();
    page.one("rooms", Kind::Gauge, "Rooms with at least one member.", rooms);

    page.family(
        "sockets",
        Kind::Gauge,
        "Connected sockets by namespace; all namespaces of a pattern count together.",
    );
    let namespaces = counters.namespaces();
    for namespace in &namespaces {
        // `connected` is read before `disconnected`, so a client that connects and disconnects in between is
        // only in `disconnected`.
        let number = namespace.connected.now().saturating_sub(namespace.disconnected.now());
        page.sample("sockets", &[("namespace", &namespace.name)], number);
    }
    page.family("sockets_connected_total", Kind::Counter, "Sockets that have connected.");
    for namespace in &namespaces {
        page.sample("sockets_connected_total", &[("namespace", &namespace.name)], namespace.connected.now());
    }
    page.family(
        "dropped_events_total",
        Kind::Counter,
        "Events of clients that were refused, or did not match their handlers.",
    );
    for namespace in &namespaces {
        page.sample(
            "dropped_events_total",
            &[("namespace", &namespace.name)],
            namespace.refused_events.now(),
        );
    }
    let help = "Acknowledgements that were lost because the outbox was full.";
    page.family("lost_acks_total", Kind::Counter, help);
    for namespace in &namespaces {
        page.sample("lost_acks_total", &[("namespace", &namespace.name)], namespace.lost_acks.now());
    }

    let help = "Handshakes by the status of the response; 101 and 200 are successful.";
    page.by_status("handshakes_total", help, "protocol", &counters.handshakes);
    let help = "Failed TLS handshakes.";
    page.one("tls_failures_total", Kind::Counter, help, counters.tls_failures.now());
    page.one("sessions_opened_total", Kind::Counter, "Opened sessions.", traffic.opened);
    page.family("disconnects_total", Kind::Counter, "Disconnected sockets by reason.");
    for (reason, number) in &disconnects {
        page.sample("disconnects_total", &[("reason", reason)], number);
    }
    let slow = disconnects.get(SLOW_CONSUMER).copied().unwrap_or_default();
    page.one(
        "slow_consumers_total",
        Kind::Counter,
        "Sockets disconnected because they read too slowly.",
        slow,
    );

    page.one(
        "received_messages_total",
        Kind::Counter,
        "Messages received from clients.",
        traffic.received.messages,
    );
    page.one(
        "received_bytes_total",
        Kind::Counter,
        "Bytes of the messages received from clients.",
        traffic.received.bytes,
    );
    page.one("sent_messages_total", Kind::Counter, "Messages sent to clients.", traffic.sent.messages);
    page.one("sent_bytes_total", Kind::Counter, "Bytes of the messages sent to clients.", traffic.sent.bytes);
    let broadcasts = &counters.broadcasts;
    let help = "Receivers per broadcast.";
    page.histogram(
        "broadcast_receivers",
        help,
        &broadcasts.receivers,
        &Broadcasts::RECEIVERS,
        u64::to_string,
    );
    let help = "Time to queue a broadcast for all receivers.";
    page.histogram("broadcast_seconds", help, &broadcasts.micros, &Broadcasts::MICROS, seconds);
    let help = "Volatile events dropped because the client could not receive them at once.";
    page.one("volatile_events_dropped_total", Kind::Counter, help, broadcasts.dropped.now());
    let help = "Deliveries of broadcasts refused because the outbox was full.";
    page.one("broadcast_deliveries_refused_total", Kind::Counter, help, broadcasts.refused.now());
    let panics = io.engine().stats().panics;
    page.one("panics_total", Kind::Counter, "Sessions closed by a panic in a handler.", panics);
    let help = "Log lines dropped because the log was not read fast enough.";
    page.one("log_lines_dropped_total", Kind::Counter, help, crate::log::dropped());
    page.by_status("api_calls_total", "Calls of the HTTP API.", "call", &counters.calls);
    page.family("limit_exceeded_total", Kind::Counter, "Refusals by the limit that was exceeded.");
    for (limit, number) in counters.refused.now() {
        page.sample("limit_exceeded_total", &[("limit", limit)], number);
    }
    page.cluster(gateway.cluster());
    if let Some(webhooks) = gateway.webhooks().metrics() {
        page.webhooks(&webhooks);
    }
    page.0
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Microseconds as decimal seconds, without rounding errors.
fn seconds(micros: &u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Buffer for the text of the metrics.
#[derive(Default)]
struct Page(String);

// Errors are ignored, since writing to a string cannot fail.
impl Page {
    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = write!(self.0, "# HELP gateway_{name} {help}\n# TYPE gateway_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "gateway_{name}");
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{}\"", escape(text));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{after} {value}");
    }

    fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn histogram<const BOUNDS: usize>(
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

    /// This node in its cluster. Without a cluster there are no such metrics.
    fn cluster(&mut self, cluster: &Cluster) {
        let (Some(node), Some(connections)) = (cluster.node(), cluster.connections()) else { return };
        self.family("node_info", Kind::Gauge, "Name of this node in its cluster.");
        self.sample("node_info", &[("node", node)], 1);
        let help = "Other gateways of the cluster that this one has heard of lately.";
        self.one("cluster_other_nodes", Kind::Gauge, help, cluster.others().len());
        let state = match cluster.health() {
            Some("connected") => 0,
            Some("deaf") => 1,
            _ => 2,
        };
        let help = "Link to Redis: 0 connected, 1 deaf, 2 down.";
        self.one("cluster_link_state", Kind::Gauge, help, state);
        let stats = connections.stats();
        self.one("cluster_queued_bytes", Kind::Gauge, "Bytes that wait for Redis.", stats.queued_bytes);
        let help = "Bytes of received messages that wait for their namespace.";
        self.one("cluster_received_bytes", Kind::Gauge, help, stats.received_bytes);
        for (name, help, count) in [
            ("published", "Messages that Redis has taken.", stats.published),
            ("lost", "Messages that were not sent to other nodes.", stats.lost),
            ("unconfirmed", "Messages whose connection ended before Redis had answered.", stats.unconfirmed),
            ("received", "Messages that have arrived.", stats.received),
            (
                "dropped",
                "Messages that have arrived faster than they were handled, and were dropped.",
                stats.dropped,
            ),
            ("invalid", "Messages that have arrived and could not be read.", stats.bad_messages),
        ] {
            self.one(&format!("cluster_messages_{name}_total"), Kind::Counter, help, count);
        }
        self.one(
            "cluster_connections_total",
            Kind::Counter,
            "Opened connections to Redis.",
            stats.connections,
        );
        let help = "Times in which this node may have missed messages of others.";
        self.one("cluster_gaps_total", Kind::Counter, help, stats.gaps);
    }

    fn webhooks(&mut self, webhooks: &Metrics) {
        self.family("webhooks_total", Kind::Counter, "Webhooks by type and outcome.");
        for ((call, outcome), number) in &webhooks.calls {
            self.sample("webhooks_total", &[("type", call), ("outcome", outcome)], number);
        }
        self.one("webhook_retries_total", Kind::Counter, "Retries of webhooks.", webhooks.retries);
        self.one(
            "webhook_seconds_total",
            Kind::Counter,
            "Total time of all webhooks.",
            seconds(&webhooks.micros),
        );
        let help = "Invalid responses of the backend.";
        self.one("webhook_invalid_responses_total", Kind::Counter, help, webhooks.invalid_responses);
        self.one("webhooks_queued", Kind::Gauge, "Webhooks under way or queued.", webhooks.waiting);
        self.one(
            "webhook_queued_bytes",
            Kind::Gauge,
            "Bytes of the webhooks under way or queued.",
            webhooks.waiting_bytes,
        );
        let help = "State of the circuit: 0 closed, 1 half open, 2 open.";
        self.one("webhook_circuit_state", Kind::Gauge, help, webhooks.circuit);
        self.one(
            "webhook_circuit_opened_total",
            Kind::Counter,
            "Times that the circuit has opened.",
            webhooks.opened,
        );
    }

    fn by_status(&mut self, name: &str, help: &str, label: &str, counts: &StatusCounters) {
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
        assert_eq!(page.0, "gateway_x{a=\"q\\\"b\\\\n\\nl\",b=\"é\"} 7\n");
    }
}
