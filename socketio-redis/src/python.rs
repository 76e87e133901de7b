//! The channel of python-socketio: processes with `write_only=True` reach the clients of this server.

use std::collections::HashMap;
use std::sync::Arc;

use engineio::sync::Mutex;
use socketio_cluster::python::decode;
use socketio_cluster::{DecodeError, EMITTER, Limits, NodeId};
use socketio_server::cluster::ClusterInbox;

use socketio_broker::driver::{Topic, TopicKind};
use socketio_broker::link::{Receiver, receive};
use socketio_broker::medium::Medium;
use socketio_broker::medium::{Arrival, Mailbox};

/// The namespaces that messages of Python processes may be for.
#[derive(Default)]
struct Namespaces {
    inboxes: Mutex<HashMap<Arc<str>, ClusterInbox>>,
    limits: Limits,
}

/// The subscription of the channel, which ends on drop.
pub(crate) struct PythonChannel {
    namespaces: Arc<Namespaces>,
    medium: Medium,
    mailbox: Arc<Mailbox>,
}

impl PythonChannel {
    /// Subscribes to the channel.
    pub(crate) fn start(medium: &Medium, channel: &str) -> Self {
        let namespaces = Arc::<Namespaces>::default();
        let mailbox = medium.router().mailbox();
        medium.router().subscribe([Topic::new(TopicKind::Channel, channel)], &mailbox);
        receive(medium.clone(), channel.into(), Arc::clone(&mailbox), Arc::clone(&namespaces));
        Self { namespaces, medium: medium.clone(), mailbox }
    }

    /// A namespace has been opened. Those that are gone are forgotten.
    pub(crate) fn add(&self, inbox: &ClusterInbox) {
        let mut inboxes = self.namespaces.inboxes.lock();
        inboxes.retain(|_, inbox| inbox.is_open());
        inboxes.insert(inbox.namespace().into(), inbox.clone());
    }
}

impl Drop for PythonChannel {
    fn drop(&mut self) {
        self.medium.router().remove(&self.mailbox);
    }
}

impl Receiver for Namespaces {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        let Some(envelope) = decode(&arrival.payload, &self.limits)? else { return Ok(()) };
        let namespace = envelope.namespace.as_deref().unwrap_or("/");
        let inbox = self.inboxes.lock().get(namespace).cloned();
        if let Some(inbox) = inbox {
            inbox.receive(NodeId::from(EMITTER), envelope.message, None).await;
        }
        Ok(())
    }
}
