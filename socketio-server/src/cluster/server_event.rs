//! Events between the servers of a cluster (`serverSideEmit`).

use std::sync::Arc;

use engineio::sync::Mutex;
use socketio_parser::{Event, Parser, RawValue};
use tokio::sync::oneshot;

use crate::extensions::Extensions;

/// An event of another server, for the handlers of one namespace.
#[derive(Clone, Debug)]
pub(crate) struct ServerEvent {
    /// Name of the namespace.
    pub(crate) namespace: Arc<str>,
    pub(crate) event: Event,
    /// The right to answer, if an answer was requested.
    pub(crate) reply: Option<ServerReply>,
    pub(crate) parser: Parser,
    pub(crate) state: Arc<Extensions>,
}

/// The right to answer another server, once. All clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ServerReply {
    sender: Arc<Mutex<Option<oneshot::Sender<Option<RawValue>>>>>,
}

impl ServerReply {
    pub(crate) fn new(sender: oneshot::Sender<Option<RawValue>>) -> Self {
        Self { sender: Arc::new(Mutex::new(Some(sender))) }
    }

    /// Sends the answer. Has no effect if another handler has answered.
    pub(crate) fn send(&self, answer: Option<RawValue>) {
        let sender = self.sender.lock().take();
        if let Some(sender) = sender {
            // The receiver may have been dropped.
            let _ = sender.send(answer);
        }
    }
}
