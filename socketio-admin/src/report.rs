//! Reports of development mode, in their order, from hooks that must not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::Serialize;
use socketio_parser::{RawArgs, Value};
use socketio_server::{Args, Socket, WeakServer};
use tokio::sync::mpsc;

use crate::trace;

/// Reports that wait for the adapter. Beyond it they are dropped, and counted.
const MAX_WAITING: usize = 10_000;

/// An event to one page, or to all.
struct Report {
    page: Option<Socket>,
    event: &'static str,
    args: Vec<Value>,
}

/// Queue of the reports of a server.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    sender: mpsc::Sender<Report>,
    dropped: Arc<AtomicU64>,
}

/// The arguments of a report.
#[derive(Debug, Default)]
pub(crate) struct ReportArgs(Vec<Value>);

impl Reports {
    /// Starts the task that emits the reports. It ends with the server.
    pub(crate) fn start(io: WeakServer, namespace: String) -> Self {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        tokio::spawn(emit(io, namespace, receiver));
        Self { sender, dropped: Arc::default() }
    }

    /// Reports that were dropped because too many waited.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Adds an event for all pages.
    pub(crate) fn add(&self, event: &'static str, args: ReportArgs) {
        self.push(Report { page: None, event, args: args.0 });
    }

    /// Adds an event for one page, behind those that wait.
    pub(crate) fn add_for(&self, page: &Socket, event: &'static str, args: ReportArgs) {
        self.push(Report { page: Some(page.clone()), event, args: args.0 });
    }

    fn push(&self, report: Report) {
        if self.sender.try_send(report).is_err() && !self.sender.is_closed() {
            // One line is enough; the count has the rest.
            if self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
                trace::reports_dropped();
            }
        }
    }
}

impl ReportArgs {
    /// Adds an argument.
    pub(crate) fn with(mut self, value: impl Serialize) -> Self {
        // Texts, maps and lists of them convert without an error.
        self.0.extend(Value::from_serialize(&value));
        self
    }

    /// Adds an event as one argument: a list of its name and its arguments.
    pub(crate) fn with_event(self, name: &str, args: &RawArgs) -> Self {
        let name = Value::from_serialize(name).ok();
        let args = (0..args.len()).filter_map(|at| args.parse::<Value>(at).ok());
        self.with(name.into_iter().chain(args).collect::<Vec<_>>())
    }

    /// Adds the time.
    pub(crate) fn now(self) -> Self {
        self.with(humantime::format_rfc3339_millis(SystemTime::now()).to_string())
    }
}

async fn emit(io: WeakServer, namespace: String, mut reports: mpsc::Receiver<Report>) {
    while let Some(Report { page, event, args }) = reports.recv().await {
        let Some(namespace) = io.upgrade().and_then(|io| io.namespace(&namespace)) else { return };
        let sent = match page {
            Some(page) => page.emit(event, &Args(args)),
            None => namespace.emit(event, &Args(args)).await,
        };
        if let Err(error) = sent {
            trace::not_sent(event, &error);
        }
    }
}

#[cfg(test)]
mod tests {
    use socketio_server::Server;

    use super::*;

    /// The task that emits does not run before the test waits.
    #[tokio::test]
    async fn reports_that_wait_are_limited() {
        let io = Server::builder().build().unwrap();
        io.of("/admin");
        let reports = Reports::start(io.downgrade(), "/admin".to_owned());
        for _ in 0..MAX_WAITING + 7 {
            reports.add("room_joined", ReportArgs::default().with("/"));
        }
        assert_eq!((reports.dropped(), reports.sender.capacity()), (7, 0));
        // They are sent, and there is room again.
        let taken = reports.sender.reserve_many(MAX_WAITING).await.unwrap();
        assert_eq!(taken.len(), MAX_WAITING);
        drop(taken);
        reports.add("room_joined", ReportArgs::default().with("/"));
        assert_eq!(reports.dropped(), 7);
    }
}
