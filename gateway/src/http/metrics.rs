//! Metrics in the text format of Prometheus.

use std::fmt::{Display, Write as _};

use http::StatusCode;
use socketio_server::Namespace;

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

    page.one(
        "uptime_seconds",
        Kind::Gauge,
        "How long the gateway has been there.",
        gateway.uptime().as_secs(),
    );
    page.family("connections", Kind::Gauge, "Open connections.");
    for (transport, number) in connections.connections {
        page.sample("connections", &[("transport", transport)], number);
    }
    page.one("queued_bytes", Kind::Gauge, "What waits for clients to read it.", connections.queued_bytes);
    let about = "Memory that waits for clients, as server.max_queued_bytes counts it.";
    page.one("queued_memory_bytes", Kind::Gauge, about, io.engine().stats().queued_bytes);
    let about = "Handlers that still run for clients that have left, and events that wait for theirs.";
    page.one("detached_handlers", Kind::Gauge, about, io.detached_handlers());
    let about = "1 while file descriptors have run out and new clients are refused.";
    let ran_out = usize::from(gateway.descriptors().have_run_out());
    page.one("out_of_descriptors", Kind::Gauge, about, ran_out);
    let rooms: usize = io.namespaces().iter().map(rooms).sum();
    page.one("rooms", Kind::Gauge, "Rooms with somebody in them.", rooms);

    page.family("sockets", Kind::Gauge, "Clients in a namespace; those that fit a pattern together.");
    let namespaces = counters.namespaces();
    for namespace in &namespaces {
        // `connected` is read before `disconnected`, so a client that connects and disconnects in between is only in
        // `disconnected`.
        let number = namespace.connected.now().saturating_sub(namespace.disconnected.now());
        page.sample("sockets", &[("namespace", &namespace.name)], number);
    }
    page.family("sockets_connected_total", Kind::Counter, "Clients that were let into a namespace.");
    for namespace in &namespaces {
        page.sample("sockets_connected_total", &[("namespace", &namespace.name)], namespace.connected.now());
    }
    page.family(
        "dropped_events_total",
        Kind::Counter,
        "Events of clients that were refused, or were not what their handlers take.",
    );
    for namespace in &namespaces {
        page.sample(
            "dropped_events_total",
            &[("namespace", &namespace.name)],
            namespace.refused_events.now(),
        );
    }
    let about = "Answers that clients waited for and did not get: too much waited for them.";
    page.family("lost_answers_total", Kind::Counter, about);
    for namespace in &namespaces {
        page.sample("lost_answers_total", &[("namespace", &namespace.name)], namespace.lost_acks.now());
    }

    let about = "Requests for a connection, by the status of the answer: 101 and 200 let in.";
    page.by_status("handshakes_total", about, "protocol", &counters.handshakes);
    let about = "Connections that were closed since they came to no TLS.";
    page.one("tls_failures_total", Kind::Counter, about, counters.tls_failures.now());
    page.one("sessions_opened_total", Kind::Counter, "Sessions that were opened.", traffic.opened);
    page.family("closes_total", Kind::Counter, "Clients that went from a namespace, by why.");
    for (reason, number) in &disconnects {
        page.sample("closes_total", &[("reason", reason)], number);
    }
    let slow = disconnects.get(SLOW_CONSUMER).copied().unwrap_or_default();
    page.one("slow_consumers_total", Kind::Counter, "Those of them that were put off as too slow.", slow);

    page.one("received_messages_total", Kind::Counter, "Messages of clients.", traffic.received.messages);
    page.one("received_bytes_total", Kind::Counter, "Their bytes.", traffic.received.bytes);
    page.one("sent_messages_total", Kind::Counter, "Messages to clients.", traffic.sent.messages);
    page.one("sent_bytes_total", Kind::Counter, "Their bytes.", traffic.sent.bytes);
    let broadcasts = &counters.broadcasts;
    let about = "How many clients an event reached that was sent to many at once.";
    page.histogram(
        "broadcast_receivers",
        about,
        &broadcasts.receivers,
        &Broadcasts::RECEIVERS,
        u64::to_string,
    );
    let about = "How long it took to hand such an event out to all of them.";
    page.histogram("broadcast_seconds", about, &broadcasts.micros, &Broadcasts::MICROS, seconds);
    let about = "Volatile events that clients could not take at once.";
    page.one("volatile_drops_total", Kind::Counter, about, broadcasts.dropped.now());
    let about = "Events for many at once that did not get to a client for whom too much waits already.";
    page.one("broadcast_refused_total", Kind::Counter, about, broadcasts.refused.now());
    let panics = io.engine().stats().panics;
    page.one("panics_total", Kind::Counter, "Sessions that a panic in a handler ended.", panics);
    let about = "Lines of the log that were dropped since nobody read it.";
    page.one("log_lines_dropped_total", Kind::Counter, about, crate::log::dropped());
    page.by_status("api_calls_total", "Calls of the HTTP API.", "call", &counters.calls);
    page.family("refused_total", Kind::Counter, "What was more than the limits allow, by what it was.");
    for (what, number) in counters.refused.now() {
        page.sample("refused_total", &[("what", what)], number);
    }
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
    fn family(&mut self, name: &str, kind: Kind, about: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = write!(self.0, "# HELP gateway_{name} {about}\n# TYPE gateway_{name} {kind}\n");
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

    fn one(&mut self, name: &str, kind: Kind, about: &str, value: impl Display) {
        self.family(name, kind, about);
        self.sample(name, &[], value);
    }

    fn histogram<const BOUNDS: usize>(
        &mut self,
        name: &str,
        about: &str,
        histogram: &Histogram<BOUNDS>,
        bounds: &[u64; BOUNDS],
        shown: impl Fn(&u64) -> String,
    ) {
        self.family(name, Kind::Histogram, about);
        let (within, all, sum) = histogram.now();
        let bucket = format!("{name}_bucket");
        for (bound, number) in bounds.iter().zip(within) {
            self.sample(&bucket, &[("le", &shown(bound))], number);
        }
        self.sample(&bucket, &[("le", "+Inf")], all);
        self.sample(&format!("{name}_sum"), &[], shown(&sum));
        self.sample(&format!("{name}_count"), &[], all);
    }

    fn webhooks(&mut self, webhooks: &Metrics) {
        self.family("hook_calls_total", Kind::Counter, "Calls of the backend, by what came of them.");
        for ((call, outcome), number) in &webhooks.calls {
            self.sample("hook_calls_total", &[("call", call), ("outcome", outcome)], number);
        }
        self.one("hook_retries_total", Kind::Counter, "Tries of them after the first one.", webhooks.retries);
        self.one(
            "hook_milliseconds_total",
            Kind::Counter,
            "How long all took together.",
            webhooks.milliseconds,
        );
        let about = "Answers of the backend that could not be followed.";
        self.one("hook_misfits_total", Kind::Counter, about, webhooks.invalid_responses);
        self.one("hook_waiting_calls", Kind::Gauge, "Calls that are under way or wait.", webhooks.waiting);
        self.one("hook_waiting_bytes", Kind::Gauge, "Their bytes.", webhooks.waiting_bytes);
        let about = "Whether the backend is called: 0 yes, 1 by one call that tries, 2 no.";
        self.one("hook_circuit", Kind::Gauge, about, webhooks.circuit);
        self.one("hook_circuit_opened_total", Kind::Counter, "How often it was given up.", webhooks.opened);
    }

    fn by_status(&mut self, name: &str, about: &str, label: &str, counts: &StatusCounters) {
        self.family(name, Kind::Counter, about);
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
    fn microseconds_are_seconds() {
        let shown = [0, 1, 10, 1_000_000, 1_200_000, 12_345_678].map(|micros| seconds(&micros));
        assert_eq!(shown, ["0", "0.000001", "0.00001", "1", "1.2", "12.345678"]);
    }

    #[test]
    fn a_label_says_what_it_says() {
        let mut page = Page::default();
        page.sample("x", &[("a", "q\"b\\n\nl"), ("b", "é")], 7);
        assert_eq!(page.0, "gateway_x{a=\"q\\\"b\\\\n\\nl\",b=\"é\"} 7\n");
    }
}
