//! Metrics of a channel and its agent, in the text format of Prometheus.

use std::fmt::{Display, Write};

use socketio_server::Server;

use crate::backend::BackendAgent;
use crate::channel::Channel;
use crate::session::ROOM_PREFIX;

/// Media type of the text format.
pub const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Channel {
    /// The metrics of the channel in the text format of Prometheus, with the media type [`METRICS_CONTENT_TYPE`]. `io` is
    /// the server that has the channel's events. It iterates over the names of all rooms.
    pub fn metrics(&self, io: &Server) -> String {
        let mut page = Page(String::new());
        let clients = io.of(self.namespace());
        let (delivery, turns) = (self.delivery(), self.turns());
        let counters = delivery.counters();
        page.gauge("connections", "Connected clients.", clients.len());
        let conversations = if self.is_persistent() {
            clients.rooms().iter().filter(|room| room.starts_with(ROOM_PREFIX)).count()
        } else {
            clients.len()
        };
        page.gauge("conversations", "Conversations with a connected client.", conversations);
        page.gauge("waiting_messages", "Messages of users that wait for their turn.", turns.waiting());
        page.gauge("answers_in_progress", "Messages of users that the agent is answering.", turns.running());
        page.family("answers_total", "counter", "Messages of users by the outcome of the agent.");
        for (outcome, counter) in [("ok", &counters.answers), ("failed", &counters.failed_answers)] {
            page.sample("answers_total", &format!("{{outcome=\"{outcome}\"}}"), counter.now());
        }
        page.counter("sent_messages_total", "Messages of the bot to connected clients.", counters.sent.now());
        let help = "Messages of the bot that were kept for the return of a client.";
        page.counter("kept_messages_total", help, counters.kept.now());
        let help = "Kept messages that were sent to a client that had returned.";
        page.counter("replayed_messages_total", help, counters.replayed.now());
        let help = "Kept messages that were dropped because of a limit of the tracker.";
        page.counter("dropped_messages_total", help, counters.dropped.now());
        let help = "Events of clients beyond their rate limit.";
        page.counter("rate_limited_total", help, counters.rate_limited.now());
        page.gauge("tracker_up", "Whether the tracker can be used.", u8::from(delivery.is_ready()));
        let help = "Failed operations of the tracker.";
        page.counter("tracker_failures_total", help, counters.failed_tracking.now());
        page.0
    }
}

impl BackendAgent {
    /// The metrics of the requests to the backend, to be appended to [`Channel::metrics`].
    pub fn metrics(&self) -> String {
        let mut page = Page(String::new());
        let counters = self.counters();
        page.counter("backend_requests_total", "Requests to the backend.", counters.requests.now());
        let help = "Requests to the backend that have failed.";
        page.counter("backend_failures_total", help, counters.failed.now());
        let help = "Requests that repeat one that has failed.";
        page.counter("backend_retries_total", help, counters.retries.now());
        page.0
    }
}

struct Page(String);

// Errors are ignored, since writing to a string cannot fail.
impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP bot_channel_{name} {help}\n# TYPE bot_channel_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "bot_channel_{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, "", value);
    }
}
