//! What the server says: packets to sockets, in order.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engineio::Message;
use engineio::client::Sender;
use serde::Deserialize;
use socketio_parser::{Packet, Payload, RawValue};

use super::old::old_refusal;
use super::{Driver, Taken};
use crate::disconnect_reason::DisconnectReason;
use crate::error::{ConnectError, Refusal};
use crate::socket::{AckSender, Arrived, Space};

/// What the server confirms with.
#[derive(Deserialize)]
struct Confirmation {
    sid: String,
    #[serde(default)]
    pid: Option<String>,
}

impl Driver {
    /// Takes a message, which may complete a packet.
    pub(super) fn take(&mut self, message: Message) -> Taken {
        let packet = match message {
            Message::Text(text) => self.decoder.text(text.into_bytes())?,
            Message::Binary(data) => self.decoder.binary(data)?,
        };
        match packet {
            Some(packet) => self.handle(packet),
            None => Ok(()),
        }
    }

    fn handle(&mut self, packet: Packet) -> Taken {
        let Some(link) = self.link.sender() else { return Ok(()) };
        if self.is_old() {
            self.note_root(&packet.namespace, &packet.payload);
        }
        // A namespace that nobody has asked for is the server's mistake, and does no harm.
        let Some(space) = self.hub.space(packet.namespace.as_str()) else { return Ok(()) };
        let let_in = matches!(packet.payload, Payload::Connect(_));
        if (let_in || matches!(packet.payload, Payload::ConnectError(_)))
            && !self.is_old()
            && !space.settle(let_in, &link)
        {
            // The socket may have come back, and waited for this, or nobody needs the namespace any more.
            self.hub.bell.ring();
            return Ok(());
        }
        if !space.lock().is_active() {
            return Ok(());
        }
        match packet.payload {
            Payload::Connect(data) => self.joined(&space, data.as_ref(), &link),
            Payload::ConnectError(data) => {
                let read = if self.is_old() { old_refusal } else { refusal };
                let refusal = data.and_then(|data| read(&data)).unwrap_or_default();
                self.refuse(&space, &ConnectError::Refused(refusal));
            }
            Payload::Disconnect => {
                let was_connected = space.lost(false);
                if was_connected {
                    self.tell_disconnect(&space, &DisconnectReason::ServerDisconnect);
                }
                self.tell_end(&space);
                self.hub.left();
            }
            Payload::Event(event) => {
                if let Some(arrived) = space.arrived(Arrived { event, ack_id: packet.ack_id })? {
                    self.deliver(&space, arrived);
                }
            }
            Payload::EmptyEvent => {}
            Payload::Ack(args) => {
                if packet.ack_id.is_some_and(|id| space.answered(id, args)) {
                    self.flush();
                }
            }
        }
        Ok(())
    }

    pub(super) fn joined(&mut self, space: &Arc<Space>, data: Option<&RawValue>, link: &Sender) {
        let confirmation = if self.is_old() {
            self.old_id(space).map(|sid| Confirmation { sid, pid: None })
        } else {
            data.and_then(|data| data.parse::<Confirmation>().ok())
        };
        let Some(confirmation) = confirmation.filter(|confirmation| !confirmation.sid.is_empty()) else {
            self.refuse(space, &ConnectError::V2Server);
            return;
        };
        let Some((recovered, early)) = space.joined(confirmation.sid, confirmation.pid, link) else { return };
        for arrived in early {
            self.deliver(space, arrived);
        }
        self.flush();
        self.tell_connect(space, recovered);
    }

    /// Calls the handlers of an event.
    fn deliver(&mut self, space: &Arc<Space>, Arrived { event, ack_id }: Arrived) {
        let join = space.note(&event);
        let ack = ack_id.map(|id| AckSender {
            socket: self.hub.weak_socket(space),
            join,
            id,
            sent: Arc::new(AtomicBool::new(false)),
        });
        self.tell_event(space, event, ack);
    }
}

/// An object with a message, as servers since v3 send it, or the message alone.
fn refusal(data: &RawValue) -> Option<Refusal> {
    data.parse::<Refusal>().ok().or_else(|| {
        let message = data.parse::<String>().ok()?;
        Some(Refusal { message, data: None })
    })
}
