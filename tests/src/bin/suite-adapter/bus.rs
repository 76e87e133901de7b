//! A medium whose messages go over the control connection: the official adapter with heartbeats.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use socketio_cluster::cluster::{decode, encode_json};
use socketio_cluster::{Limits, Sender};
use socketio_parser::Parser;
use socketio_parser::codec::Writer;
use socketio_server::cluster::{
    Adapter, AdapterError, BoxFuture, ClusterInbox, ClusterLink, Message, NodeId, Presence,
};

use crate::control::Output;
use crate::values::{Arg, from_buffers};

#[derive(Clone)]
pub(crate) struct Bus {
    presence: Presence,
    output: Output,
    /// The inboxes of the namespaces in the cluster.
    inboxes: Arc<Mutex<HashMap<String, ClusterInbox>>>,
    fail: Arc<AtomicBool>,
}

struct BusLink {
    bus: Bus,
    node: NodeId,
    namespace: String,
}

impl Bus {
    pub(crate) fn new(interval: Option<Duration>, timeout: Option<Duration>, output: Output) -> Self {
        let mut presence = Presence::default();
        if let Presence::Heartbeats { interval: default, timeout: other, .. } = &mut presence {
            *default = interval.unwrap_or(*default);
            *other = timeout.unwrap_or(*other);
        }
        Self { presence, output, inboxes: Arc::default(), fail: Arc::default() }
    }

    pub(crate) fn fail(&self, fail: bool) {
        self.fail.store(fail, Ordering::Relaxed);
    }

    /// The server leaves the cluster for this namespace.
    fn close(&self, namespace: &str) {
        let inbox = self.inboxes.lock().ok().and_then(|mut inboxes| inboxes.remove(namespace));
        if let Some(inbox) = inbox {
            let message = json!({"type": 13, "uid": inbox.node().as_str(), "nsp": namespace});
            self.output.say(&json!({"ev": "bus", "message": message}));
        }
    }

    fn is_open(&self, namespace: &str) -> bool {
        self.inboxes.lock().is_ok_and(|inboxes| inboxes.contains_key(namespace))
    }

    /// Handles a message of another server.
    pub(crate) async fn receive(&self, message: &Value) -> Result<(), String> {
        let namespace = message["nsp"].as_str().unwrap_or("/");
        let inbox = self.inboxes.lock().map_err(|_| "poisoned")?.get(namespace).cloned();
        let Some(inbox) = inbox else { return Ok(()) };
        let mut bytes = Vec::new();
        let limits = Limits::default();
        let mut writer = Writer::new(Parser::Msgpack, &mut bytes, limits.max_message_bytes);
        writer.value(&Arg(message)).map_err(|error| error.to_string())?;
        let envelope = decode(bytes.into(), &limits).map_err(|error| error.to_string())?;
        if let Some(from) = envelope.from {
            inbox.receive(from, envelope.message, None).await;
        }
        Ok(())
    }
}

impl Adapter for Bus {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        let (node, namespace) = (inbox.node().clone(), inbox.namespace().to_owned());
        if let Ok(mut inboxes) = self.inboxes.lock() {
            inboxes.insert(namespace.clone(), inbox);
        }
        Arc::new(BusLink { bus: self.clone(), node, namespace })
    }
}

impl ClusterLink for BusLink {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move {
            if self.bus.fail.load(Ordering::Relaxed) {
                return Err(AdapterError::new("publish failed"));
            }
            if !self.bus.is_open(&self.namespace) {
                return Ok(());
            }
            let sender = Sender::Node(&self.node);
            let text = encode_json(sender, &self.namespace, message, &Limits::default());
            let text = text.map_err(AdapterError::new)?;
            let message: Value = serde_json::from_slice(&text).map_err(AdapterError::new)?;
            self.bus.output.say(&json!({"ev": "bus", "message": from_buffers(message)}));
            Ok(())
        })
    }

    fn presence(&self) -> Presence {
        self.bus.presence
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.bus.close(&self.namespace);
        Box::pin(async {})
    }
}
