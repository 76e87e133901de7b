//! Translator of one native client, between its messages and Socket.IO packets.

use bytes::Bytes;
use engineio::frame::CloseCode;
use engineio::{
    CloseReason, Delivery, Fault as Failure, FrameWriter, Message, Prepared, Session, Text, Translator,
};
use serde::Deserialize;
use serde_json::{Value, json};
use socketio_parser::{DecodeError, Decoder, Limits, Namespace, Packet, Parser, Payload, RawValue};
use socketio_server::OFFSET_TAG;
use tokio::sync::oneshot;

use super::message::{self, Fault, Outgoing};
use super::plain;

/// Number of consecutive invalid messages that closes the connection.
const MAX_FAULTS: u8 = 10;

/// Outcome of joining the namespace.
pub(super) type Joined = Result<(), Refused>;

/// Refusal by the server or the application.
#[derive(Debug, Deserialize)]
pub(super) struct Refused {
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

/// Native client, in its only namespace.
pub(super) struct Client {
    namespace: Namespace,
    /// Maximum size of a message in bytes.
    max_payload: usize,
    /// Number of announced attachments that have not arrived.
    expected: usize,
    /// Number of consecutive invalid messages.
    faults: u8,
    joining: Option<oneshot::Sender<Joined>>,
    /// Reason of closing the connection, if the translator closes it.
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    Disconnected,
    Faults,
    Internal,
}

impl End {
    fn close_frame(self) -> (CloseCode, &'static str) {
        match self {
            Self::Disconnected => (CloseCode::POLICY_VIOLATION, "server namespace disconnect"),
            Self::Faults => (CloseCode::POLICY_VIOLATION, "too many invalid messages"),
            Self::Internal => (CloseCode::INTERNAL_ERROR, "internal error"),
        }
    }
}

impl Client {
    /// Creates a client, and the receiver of the outcome of joining.
    pub(super) fn new(namespace: &str, max_payload: usize) -> (Self, oneshot::Receiver<Joined>) {
        let (joining, joined) = oneshot::channel();
        let client = Self {
            namespace: namespace.into(),
            max_payload,
            expected: 0,
            faults: 0,
            joining: Some(joining),
            end: None,
        };
        (client, joined)
    }

    fn text(&mut self, text: Text, deliver: &mut dyn FnMut(Delivery<'_>)) -> Result<(), Fault> {
        if self.expected > 0 {
            return Err(Fault::Expected);
        }
        // The limits of the server's own decoder.
        let limits = Limits { max_packet_bytes: self.max_payload, ..Limits::default() };
        if let Some(message) = plain::read(text.as_bytes(), &limits) {
            let bytes = text.len();
            let mut packet = Some(message.into_packet(text.into_bytes(), self.namespace.clone()));
            deliver(Delivery::Decoded { bytes, message: &mut packet });
            return Ok(());
        }
        let (packet, attachments) = message::to_packet(text.as_str(), self.namespace.as_str())?;
        self.expected = attachments;
        deliver(Message::from(packet).into());
        Ok(())
    }

    fn binary(&mut self, data: Bytes, deliver: &mut dyn FnMut(Delivery<'_>)) -> Result<(), Fault> {
        if self.expected == 0 {
            deliver(Message::from(message::binary_packet(self.namespace.as_str())?).into());
        } else {
            self.expected -= 1;
        }
        deliver(Message::from(data).into());
        Ok(())
    }

    /// Reports an invalid message to the client, or closes the connection after too many.
    fn fault(&mut self, session: &Session, fault: &Fault) {
        self.faults += 1;
        if self.faults >= MAX_FAULTS {
            return self.end(session, End::Faults);
        }
        let (mut packet, event) = (Vec::new(), json!({"message": fault.to_string()}));
        // The event name and the namespace are valid, so encoding succeeds. A client with a full outbox
        // misses the event.
        if Parser::Json.encode_event(&mut packet, self.namespace.as_str(), None, "error", &event).is_ok() {
            let _ = session.send(String::from_utf8(packet).unwrap_or_default());
        }
    }

    /// Closes the connection after the queued messages are written.
    fn end(&mut self, session: &Session, end: End) {
        self.end = Some(end);
        session.close();
    }

    /// Translates a packet. `has_offset` is whether its last argument is an offset.
    fn packet(
        &mut self,
        session: &Session,
        packet: &Packet,
        has_offset: bool,
        from: Option<&str>,
        frames: &mut FrameWriter,
    ) {
        let (event, arguments) = match &packet.payload {
            Payload::Event(event) => (Some(message::to_json(event.name())), event.args()),
            Payload::Ack(arguments) => (None, arguments),
            Payload::Connect(welcome) => return self.joined(welcome.as_ref(), frames),
            Payload::ConnectError(refusal) => return self.refused(refusal.as_ref()),
            Payload::Disconnect => return self.end(session, End::Disconnected),
            Payload::EmptyEvent => return,
        };
        let mut outgoing = Outgoing::new(event.as_deref(), packet.ack_id, arguments);
        if has_offset {
            outgoing = outgoing.without_offset();
        }
        outgoing.from(from).write_frames(frames);
    }

    fn joined(&mut self, welcome: Option<&RawValue>, frames: &mut FrameWriter) {
        #[derive(Deserialize)]
        struct Welcome {
            sid: String,
        }
        let Some(Ok(Welcome { sid })) = welcome.map(RawValue::parse) else { return };
        let welcome = json!({"event": "connect", "data": {"id": sid, "namespace": self.namespace.as_str()}});
        if let Some(joining) = self.joining.take() {
            let _ = joining.send(Ok(()));
        }
        frames.text(|out| out.extend_from_slice(welcome.to_string().as_bytes()));
    }

    fn refused(&mut self, refusal: Option<&RawValue>) {
        let Some(Ok(refusal)) = refusal.map(RawValue::parse) else { return };
        if let Some(joining) = self.joining.take() {
            let _ = joining.send(Err(refusal));
        }
    }
}

impl Translator for Client {
    fn first_message(&mut self) -> Option<Message> {
        let mut packet = Vec::new();
        Parser::Json.encode_connect::<()>(&mut packet, self.namespace.as_str(), None).ok()?;
        Some(String::from_utf8(packet).ok()?.into())
    }

    fn incoming(&mut self, session: &Session, message: Message, deliver: &mut dyn FnMut(Delivery<'_>)) {
        if self.end.is_some() {
            return;
        }
        let translated = match message {
            Message::Text(text) => self.text(text, deliver),
            Message::Binary(data) => self.binary(data, deliver),
        };
        match translated {
            Ok(()) => self.faults = 0,
            Err(fault) => self.fault(session, &fault),
        }
    }

    fn outgoing(&mut self, session: &Session, message: &Prepared, frames: &mut FrameWriter) {
        if self.end.is_some() {
            return;
        }
        let note = message.note();
        let from = note.as_ref().map(Text::as_str);
        if let Some(outgoing) = plain::from_packet(message) {
            return outgoing.from(from).write_frames(frames);
        }
        match decode(message) {
            Ok(Some(packet)) => {
                let has_offset = message.tag() & OFFSET_TAG != 0;
                self.packet(session, &packet, has_offset, from, frames);
            }
            Ok(None) => {}
            // The own server never sends invalid packets.
            Err(_) => self.end(session, End::Internal),
        }
    }

    fn close_frame(
        &mut self,
        reason: CloseReason,
        code: Option<CloseCode>,
    ) -> Option<(CloseCode, &'static str)> {
        match reason {
            _ if self.end.is_some() => self.end.map(End::close_frame),
            CloseReason::TransportClose => code.map(|code| (code, "")),
            CloseReason::TransportError(Failure::WebSocket) if code == Some(CloseCode::MESSAGE_TOO_BIG) => {
                Some((CloseCode::MESSAGE_TOO_BIG, "message too big"))
            }
            CloseReason::TransportError(fault) => {
                Some((code.unwrap_or(CloseCode::GOING_AWAY), fault.as_str()))
            }
            _ => Some((code.unwrap_or(CloseCode::GOING_AWAY), reason.as_str())),
        }
    }
}

/// Packet of a message of the server, whose text and attachments are sent together. A binary message
/// without a packet is ignored.
fn decode(message: &Prepared) -> Result<Option<Packet>, DecodeError> {
    // Packets of the own server need no limits.
    let mut decoder = Decoder::new(Parser::Json, unlimited());
    let mut packet = None;
    for part in message.messages() {
        match part {
            Message::Text(text) => packet = decoder.text(text.into_bytes())?,
            Message::Binary(data) if decoder.is_pending() => packet = decoder.binary(data)?,
            Message::Binary(_) => {}
        }
    }
    Ok(packet)
}

fn unlimited() -> Limits {
    Limits {
        max_packet_bytes: usize::MAX,
        max_attachments: u32::MAX,
        max_attachment_bytes: usize::MAX,
        max_depth: 1000,
        max_arguments: u32::MAX,
        ..Limits::default()
    }
}
