//! A medium whose messages go over the control connection.

use std::sync::{Arc, Mutex};

use engineio::peers::{Owner, PeerId, PeerInbox, PeerLink, PeerMessage, Peers};
use serde_json::{Value, json};

use crate::message::{decode, encode};
use crate::output::Output;

#[derive(Clone)]
pub(crate) struct Bus {
    node: PeerId,
    output: Output,
    inbox: Arc<Mutex<Option<PeerInbox>>>,
}

impl Bus {
    pub(crate) fn new(output: Output) -> Self {
        // As the official ids, six hexadecimal digits.
        let node = format!("{:06x}", std::process::id() & 0x00ff_ffff);
        Self { node: node.into(), output, inbox: Arc::default() }
    }

    /// Handles a message of another node. All messages go to all nodes here.
    pub(crate) fn receive(&self, message: &Value) {
        let Some(from) = message["senderId"].as_str().filter(|from| *from != self.node.as_str()) else {
            return;
        };
        let to = message["recipientId"].as_str();
        if to.is_some_and(|to| to != self.node.as_str()) {
            return;
        }
        let inbox = self.inbox.lock().ok().and_then(|inbox| inbox.clone());
        match (inbox, decode(message)) {
            (Some(inbox), Some(message)) if to.is_some() => inbox.receive(from.into(), message),
            (Some(inbox), Some(message)) => inbox.receive_broadcast(from.into(), message),
            _ => eprintln!("a message that cannot be read: {message}"),
        }
    }
}

impl Peers for Bus {
    fn open(&self, inbox: PeerInbox) -> Arc<dyn PeerLink> {
        if let Ok(mut place) = self.inbox.lock() {
            *place = Some(inbox);
        }
        Arc::new(self.clone())
    }
}

impl PeerLink for Bus {
    fn send(&self, to: Option<&PeerId>, message: PeerMessage) {
        let Some(mut message) = encode(&message) else { return };
        message["senderId"] = self.node.as_str().into();
        if let Some(to) = to {
            message["recipientId"] = to.as_str().into();
        }
        self.output.say(&json!({"ev": "engineBus", "message": message}));
    }

    fn owner_of(&self, sid: &str) -> Owner {
        if sid.len() == 20 { Owner::Unknown } else { Owner::Nobody }
    }

    fn has_extensions(&self) -> bool {
        false
    }
}
