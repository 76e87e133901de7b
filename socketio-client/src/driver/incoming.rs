//! Packets of the server, in the order of their arrival.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engineio::Message;
use engineio::client::Sender;
use serde::Deserialize;
use socketio_parser::{Packet, Payload, RawValue};

use super::Driver;
use super::v2::parse_v2_refusal;
use crate::disconnect_reason::DisconnectReason;
use crate::error::{ConnectError, ProtocolError, Refusal};
use crate::manager_event::ManagerEvent;
use crate::namespace::early::IncomingEvent;
use crate::socket::context::AckSender;
use crate::socket::{Namespace, WeakSocket};

/// Data of the server's CONNECT packet.
#[derive(Deserialize)]
struct Confirmation {
    sid: String,
    #[serde(default)]
    pid: Option<String>,
}

impl Driver {
    /// Handles a message, which may complete a packet.
    pub(super) fn receive(&mut self, message: Message) -> Result<(), ProtocolError> {
        let packet = match message {
            Message::Text(text) => self.decoder.text(text.into_bytes())?,
            Message::Binary(data) => self.decoder.binary(data)?,
        };
        match packet {
            Some(packet) => self.handle_packet(packet),
            None => Ok(()),
        }
    }

    fn handle_packet(&mut self, packet: Packet) -> Result<(), ProtocolError> {
        let Some(connection) = self.connection.sender() else { return Ok(()) };
        if self.shared.has_hooks() {
            self.shared.emit_event(&ManagerEvent::Packet(packet.clone()));
        }
        if self.is_v2() {
            self.track_root(&packet.namespace, &packet.payload);
        }
        // A packet for an unknown namespace is an error of the server without consequences here.
        let Some(namespace) = self.shared.find_namespace(packet.namespace.as_str()) else { return Ok(()) };
        let accepted = matches!(packet.payload, Payload::Connect(_));
        let is_reply = accepted || matches!(packet.payload, Payload::ConnectError(_));
        if is_reply && !self.is_v2() && !namespace.take_reply(accepted, &connection) {
            // The socket may be active again and wait for this reply, or its namespace may be unused now.
            self.shared.wakeup.signal();
            return Ok(());
        }
        if !namespace.lock().is_active() {
            return Ok(());
        }
        match packet.payload {
            Payload::Connect(data) => self.confirm(&namespace, data.as_ref(), &connection),
            Payload::ConnectError(data) => {
                let parse = if self.is_v2() { parse_v2_refusal } else { parse_refusal };
                let refusal = data.and_then(|data| parse(&data)).unwrap_or_default();
                self.refuse(&namespace, &ConnectError::Refused(refusal));
            }
            Payload::Disconnect => {
                let was_connected = namespace.lose(false);
                if was_connected {
                    self.dispatch_disconnect(&namespace, &DisconnectReason::ServerDisconnect);
                }
                self.dispatch_end(&namespace);
                self.shared.left();
            }
            Payload::Event(event) => {
                let event = IncomingEvent { event, ack_id: packet.ack_id };
                if let Some(event) = namespace.receive(event)? {
                    self.handle_event(&namespace, event);
                }
            }
            Payload::EmptyEvent => {}
            Payload::Ack(args) => {
                if packet.ack_id.is_some_and(|id| namespace.acknowledge(id, args)) {
                    self.flush();
                }
            }
        }
        Ok(())
    }

    /// Handles the confirmation of a CONNECT.
    pub(super) fn confirm(
        &mut self,
        namespace: &Arc<Namespace>,
        data: Option<&RawValue>,
        connection: &Sender,
    ) {
        let confirmation = if self.is_v2() {
            self.v2_socket_id(namespace).map(|sid| Confirmation { sid, pid: None })
        } else {
            data.and_then(|data| data.parse::<Confirmation>().ok())
        };
        let Some(Confirmation { sid, pid }) =
            confirmation.filter(|confirmation| !confirmation.sid.is_empty())
        else {
            self.refuse(namespace, &ConnectError::V2Server);
            return;
        };
        let Some((recovered, early)) = namespace.confirm(sid, pid, connection) else { return };
        for event in early {
            self.handle_event(namespace, event);
        }
        self.flush();
        self.dispatch_connect(namespace, recovered);
    }

    fn handle_event(&mut self, namespace: &Arc<Namespace>, incoming: IncomingEvent) {
        let attempt = namespace.note_event(&incoming);
        let IncomingEvent { event, ack_id } = incoming;
        let ack = ack_id.map(|id| AckSender {
            socket: WeakSocket::new(&self.shared, namespace),
            attempt,
            id,
            sent: Arc::new(AtomicBool::new(false)),
        });
        self.dispatch_event(namespace, event, ack);
    }
}

/// Parses the data of CONNECT_ERROR: an object with a message, as servers since v3 send it, or only the
/// message.
fn parse_refusal(data: &RawValue) -> Option<Refusal> {
    data.parse::<Refusal>().ok().or_else(|| {
        let message = data.parse::<String>().ok()?;
        Some(Refusal { message, data: None })
    })
}
