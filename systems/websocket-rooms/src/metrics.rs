//! The metrics of a server, in the text format of Prometheus.

use std::fmt::{Display, Write};

use crate::connection::Connection;
use crate::server::Server;

/// Media type of the text format.
pub const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Server {
    /// The metrics of the server in the text format of Prometheus, for an HTTP endpoint with the media type
    /// [`METRICS_CONTENT_TYPE`]. It iterates over all connections. Base units are seconds and bytes.
    pub fn metrics(&self) -> String {
        let (stats, counters) = (self.stats(), self.counters());
        let queued: usize = self.connections().iter().map(Connection::queued_bytes).sum();
        let mut page = Page(String::new());
        page.one("uptime_seconds", "gauge", "Time since the start.", counters.started.elapsed().as_secs());
        page.one("connections", "gauge", "Open connections.", stats.connections);
        page.one("rooms", "gauge", "Rooms with at least one member.", stats.rooms);
        page.one("users", "gauge", "Users with at least one connection.", stats.users);
        page.one("queued_bytes", "gauge", "Bytes queued for clients.", queued);
        let opened = counters.opened.load(std::sync::atomic::Ordering::Relaxed);
        page.one("connections_opened_total", "counter", "Connections that were opened.", opened);
        page.labelled(
            "connections_closed_total",
            "Connections that have ended.",
            "reason",
            counters.closed.now(),
        );
        page.labelled("refused_total", "Refused clients by cause.", "cause", counters.refused.now());
        let ((received, received_bytes), (sent, sent_bytes)) =
            (counters.traffic.received(), counters.traffic.sent());
        page.one("received_messages_total", "counter", "Messages received from clients.", received);
        page.one("received_bytes_total", "counter", "Bytes of these messages.", received_bytes);
        page.one("sent_messages_total", "counter", "Messages sent to clients.", sent);
        page.one("sent_bytes_total", "counter", "Bytes of these messages.", sent_bytes);
        page.0
    }
}

struct Page(String);

// Errors are ignored, since writing to a string cannot fail.
impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ =
            write!(self.0, "# HELP websocket_rooms_{name} {help}\n# TYPE websocket_rooms_{name} {kind}\n");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        let _ = writeln!(self.0, "websocket_rooms_{name} {value}");
    }

    fn labelled(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl IntoIterator<Item = (&'static str, u64)>,
    ) {
        self.family(name, "counter", help);
        for (value, count) in counts {
            let _ = writeln!(self.0, "websocket_rooms_{name}{{{label}=\"{value}\"}} {count}");
        }
    }
}
