//! Metrics in the text format of Prometheus.
//!
//! They are those of this process. In a cluster each sample has the label `node`, so that the samples of all nodes add up
//! wherever they are scraped; what does not add up, as rooms with members at several nodes, is asked of the others. The
//! workers of a supervisor have one port, so that each answers with the metrics of all.

mod cluster;
mod page;
mod workers;

use http::StatusCode;
use socketio_server::Namespace;

use self::cluster::ClusterMetrics;
use self::page::{Kind, Page, seconds};
use crate::gateway::Gateway;
use crate::response::{self, HttpResponse};
use crate::stats::counters::Broadcasts;
use crate::stats::disconnects::SLOW_CONSUMER;
use crate::stats::snapshot;
use crate::webhooks::Metrics;

/// Media type of the text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Response with all metrics. It iterates over all sessions, and in a cluster asks the other nodes.
pub(super) async fn metrics(gateway: &Gateway) -> HttpResponse {
    let (cluster, others) = tokio::join!(ClusterMetrics::collect(gateway), workers::others(gateway));
    let own = text(gateway, cluster);
    let text = others.map(|others| others.with(&own, gateway.node())).unwrap_or(own);
    response::of(StatusCode::OK, CONTENT_TYPE, text)
}

/// The metrics of this process alone, for another worker of the same supervisor.
#[cfg(unix)]
pub(crate) fn of_worker(gateway: &Gateway) -> String {
    text(gateway, ClusterMetrics::own(gateway))
}

fn text(gateway: &Gateway, cluster: Option<ClusterMetrics>) -> String {
    let io = gateway.io();
    let counters = gateway.counters();
    let traffic = io.engine().traffic();
    let disconnects = gateway.disconnects().counts();
    let connections = snapshot::connections(io);
    let rooms = |name: &String| io.namespace(name).map_or(0, |namespace: Namespace| namespace.room_count());
    let mut page = Page::of(gateway.cluster().node());

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
    if let Some(cluster) = cluster {
        cluster.write(&mut page);
    }
    if let Some(metrics) = gateway.webhooks().metrics() {
        webhooks(&mut page, &metrics);
    }
    page.into_text()
}

fn webhooks(page: &mut Page, webhooks: &Metrics) {
    page.family("webhooks_total", Kind::Counter, "Webhooks by type and outcome.");
    for ((call, outcome), number) in &webhooks.calls {
        page.sample("webhooks_total", &[("type", call), ("outcome", outcome)], number);
    }
    page.one("webhook_retries_total", Kind::Counter, "Retries of webhooks.", webhooks.retries);
    page.one(
        "webhook_seconds_total",
        Kind::Counter,
        "Total time of all webhooks.",
        seconds(&webhooks.micros),
    );
    let help = "Invalid responses of the backend.";
    page.one("webhook_invalid_responses_total", Kind::Counter, help, webhooks.invalid_responses);
    page.one("webhooks_queued", Kind::Gauge, "Webhooks under way or queued.", webhooks.waiting);
    page.one(
        "webhook_queued_bytes",
        Kind::Gauge,
        "Bytes of the webhooks under way or queued.",
        webhooks.waiting_bytes,
    );
    let help = "State of the circuit: 0 closed, 1 half open, 2 open.";
    page.one("webhook_circuit_state", Kind::Gauge, help, webhooks.circuit);
    page.one(
        "webhook_circuit_opened_total",
        Kind::Counter,
        "Times that the circuit has opened.",
        webhooks.opened,
    );
}
