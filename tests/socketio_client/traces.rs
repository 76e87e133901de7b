//! Output of the feature `tracing` for a client and a server in one process.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use engineio::Transport;
use socketio_client::{Data, ManagerEvent};
use tests::raw::{LONG, Request, soon};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use crate::support::{builder, start_with};

/// All spans and events of this thread, one line each: level, target, message, fields and span.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lines: Vec<String>,
    /// The descriptions of all spans by number, and the spans that were entered.
    spans: Vec<String>,
    entered: Vec<usize>,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let name = if field.name() == "message" { String::new() } else { format!("{}=", field.name()) };
        self.0 += &format!(" {name}{value:?}");
    }
}

fn line(metadata: &Metadata<'_>, record: impl FnOnce(&mut Fields)) -> String {
    let mut fields = Fields(format!("{} {}", metadata.level(), metadata.target()));
    record(&mut fields);
    fields.0
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("engineio") || metadata.target().starts_with("socketio")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut state = self.0.lock().unwrap();
        state.spans.push(line(span.metadata(), |fields| span.record(fields)));
        Id::from_u64(state.spans.len() as u64)
    }

    fn event(&self, event: &Event<'_>) {
        let mut state = self.0.lock().unwrap();
        let within = state.entered.last().map(|span| state.spans[span - 1].clone());
        let said = line(event.metadata(), |fields| event.record(fields));
        state.lines.push(format!("{said} in {within:?}"));
    }

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().entered.push(usize::try_from(span.into_u64()).unwrap());
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
}

impl Recorder {
    /// Records until the guards are dropped.
    fn on_this_thread() -> (Self, (DefaultGuard, Dispatch)) {
        let seen = Self::default();
        // With a single subscriber, `tracing` caches the interest of whichever thread comes first, and other
        // tests have no subscriber. With a second one it queries all of them.
        let second = Dispatch::new(Self::default());
        (seen.clone(), (tracing::subscriber::set_default(seen), second))
    }

    /// The lines with this prefix.
    fn lines(&self, beginning: &str) -> Vec<String> {
        let state = self.0.lock().unwrap();
        state.lines.iter().filter(|line| line.starts_with(beginning)).cloned().collect()
    }

    /// Waits for a line with this prefix that contains all these parts.
    async fn find(&self, beginning: &str, parts: &[&str]) -> String {
        let there = |line: &String| parts.iter().all(|part| line.contains(part));
        let found = tokio::time::timeout(LONG, async {
            loop {
                if let Some(line) = self.lines(beginning).into_iter().find(there) {
                    return line;
                }
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| panic!("no {beginning} {parts:?} in {:#?}", self.lines("")))
    }
}

#[tokio::test]
async fn spans_and_events_are_recorded() {
    let (seen, _guards) = Recorder::on_this_thread();
    let running = start_with(|io| {
        io.of_pattern("/tenant/{name}").unwrap();
        io.on("number", |Data(_): Data<u32>| async {});
        io.on("leave", |peer: socketio_server::Socket| async move { peer.session().abort() });
    })
    .await;
    let manager = builder(running.addr).build();
    let closed = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&closed);
    manager.on_event(move |event| {
        if matches!(event, ManagerEvent::Close(_)) {
            told.notify_one();
        }
    });
    let socket = manager.socket("/");
    socket.on("echo", |Data(_): Data<u32>| async {});
    soon(socket.connect().connected()).await.unwrap();

    let opened = seen.find("DEBUG engineio::server session opened", &["transport=\"polling\""]).await;
    let sid = socket.id().unwrap();
    seen.find("DEBUG engineio::client session opened", &["sid="]).await;
    let connected = seen.find("DEBUG socketio_server connected", &["namespace=\"/\"", &sid]).await;
    assert!(connected.contains("in Some(\"DEBUG engineio::server sid="), "{connected}");
    seen.find("DEBUG socketio_client connection open", &[]).await;
    seen.find("DEBUG socketio_client connected", &["namespace=\"/\"", "recovered=false"]).await;
    seen.find("DEBUG engineio::server session upgraded", &["transport=\"websocket\""]).await;
    seen.find("DEBUG engineio::client session upgraded", &[]).await;

    // Arguments of the wrong type on either side, without an error hook.
    socket.emit("number", "none").unwrap();
    seen.find("WARN socketio_server event refused", &["namespace=\"/\"", "number", &sid]).await;
    running.io.emit("echo", "none").await.unwrap();
    seen.find("WARN socketio_client event refused", &["event=\"echo\""]).await;

    // Namespaces that refuse, and one that is created on demand.
    manager.socket("/no").connect();
    seen.find("DEBUG socketio_server connection refused", &["namespace=\"/no\"", "Auth failed"]).await;
    seen.find("DEBUG socketio_client connection refused", &["namespace=\"/no\"", "Auth failed"]).await;
    let tenant = manager.socket("/tenant/a\u{202e}b");
    soon(tenant.connect().connected()).await.unwrap();
    seen.find("DEBUG socketio_server namespace created", &["a\\u{202e}b"]).await;

    // The connection is lost, and reopened.
    socket.emit("leave", &()).unwrap();
    soon(closed.notified()).await;
    seen.find("DEBUG engineio::server session closed", &["reason=\"forced close\""]).await;
    seen.find("DEBUG socketio_server disconnected", &["namespace=\"/\"", &sid]).await;
    seen.find("DEBUG engineio::client session closed", &[]).await;
    seen.find("DEBUG socketio_client disconnected", &["namespace=\"/\""]).await;
    seen.find("DEBUG socketio_client reconnecting", &["attempt=1"]).await;
    seen.find("DEBUG socketio_client reconnected", &["attempts=1"]).await;

    // Invalid requests.
    Request::new("GET", "/socket.io/?EIO=4&transport=pigeon").send(running.addr).await;
    seen.find("DEBUG engineio::server request refused", &["code=0", "pigeon", "127.0.0.1"]).await;
    Request::new("GET", "/socket.io/?EIO=4&transport=polling&sid=not-to-be-seen").send(running.addr).await;
    seen.find("DEBUG engineio::server request refused", &["code=1", "Session ID unknown"]).await;
    assert!(seen.lines("").iter().all(|line| !line.contains("not-to-be-seen")));
    assert!(opened.contains("sid=Sid("), "{opened}");
    for session in running.io.engine().sessions() {
        let secret = session.id().as_str();
        assert!(seen.lines("").iter().all(|line| !line.contains(secret)), "{secret}");
    }
}

#[tokio::test]
async fn a_slow_consumer_is_recorded() {
    let (seen, _guards) = Recorder::on_this_thread();
    let server = engineio::Server::builder().max_buffered(1000, engineio::SlowConsumer::Disconnect);
    let mut running = tests::raw::start(server.transports([Transport::Polling])).await;
    running.polling().await;
    let session = running.opened().await;
    while session.send("x".repeat(600)).is_ok() {}
    let said = seen.find("WARN engineio::server slow consumer disconnected", &["waiting="]).await;
    seen.find("DEBUG engineio::server session closed", &["fault=\"the client reads too slowly\""]).await;
    assert!(!said.contains(session.id().as_str()), "{said}");
}
