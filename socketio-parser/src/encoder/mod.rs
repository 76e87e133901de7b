//! Encoding of packets.

#[cfg(feature = "msgpack")]
mod msgpack;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::attachments::{Sink, writing};
use crate::emit::{ArgWriter, ToArgs};
use crate::event::reserved_event;
use crate::header;
use crate::{Decoder, EncodeError, Limits, Packet, PacketType, Parser, Payload, RawValue, Revision};

impl Parser {
    /// A decoder for packets of this parser.
    pub fn decoder(self, limits: Limits) -> Decoder {
        Decoder::new(self, limits)
    }

    /// Encodes CONNECT: credentials from a client, `{"sid":…}` from a server, or nothing.
    pub fn encode_connect<T: Serialize + ?Sized>(
        self,
        out: &mut Vec<u8>,
        namespace: &str,
        data: Option<&T>,
    ) -> Result<(), EncodeError> {
        self.encode_plain(out, PacketType::Connect, namespace, None, data)
    }

    /// Encodes DISCONNECT.
    pub fn encode_disconnect(self, out: &mut Vec<u8>, namespace: &str) -> Result<(), EncodeError> {
        self.encode_plain::<()>(out, PacketType::Disconnect, namespace, None, None)
    }

    /// Encodes CONNECT_ERROR: an object of the message and the optional data; in revision 4 the data, or else
    /// the message.
    pub fn encode_connect_error<T: Serialize + ?Sized>(
        self,
        out: &mut Vec<u8>,
        revision: Revision,
        namespace: &str,
        message: &str,
        data: Option<&T>,
    ) -> Result<(), EncodeError> {
        let kind = PacketType::ConnectError;
        match (revision, data) {
            (Revision::V5, _) => {
                self.encode_plain(out, kind, namespace, None, Some(&Refusal { message, data }))
            }
            (Revision::V4, Some(data)) => self.encode_plain(out, kind, namespace, None, Some(data)),
            (Revision::V4, None) => self.encode_plain(out, kind, namespace, None, Some(message)),
        }
    }

    /// Encodes EVENT. An `ack_id` requests an acknowledgement. All receivers of a broadcast may share one id,
    /// so that it is encoded once.
    ///
    /// ```
    /// use socketio_parser::{Args, Parser};
    ///
    /// // Room for what the transport puts in front.
    /// let mut message = vec![0; 11];
    /// let attachments = Parser::Json.encode_event(&mut message, "/chat", Some(12), "say", &Args(("hi", 1)))?;
    /// assert_eq!(&message[11..], br#"2/chat,12["say","hi",1]"#);
    /// assert!(attachments.is_empty());
    /// # Ok::<(), socketio_parser::EncodeError>(())
    /// ```
    #[inline]
    pub fn encode_event<A: ToArgs + ?Sized>(
        self,
        out: &mut Vec<u8>,
        namespace: &str,
        ack_id: Option<u64>,
        name: &str,
        args: &A,
    ) -> Result<Vec<Bytes>, EncodeError> {
        if let Some(reserved) = reserved_event(name) {
            return Err(EncodeError::ReservedEvent(reserved));
        }
        self.encode_args(out, PacketType::Event, namespace, ack_id, Some(name), args)
    }

    /// Encodes ACK, the answer to the event with this id.
    #[inline]
    pub fn encode_ack<A: ToArgs + ?Sized>(
        self,
        out: &mut Vec<u8>,
        namespace: &str,
        ack_id: u64,
        args: &A,
    ) -> Result<Vec<Bytes>, EncodeError> {
        self.encode_args(out, PacketType::Ack, namespace, Some(ack_id), None, args)
    }

    /// Adds the number of attachments to the event or acknowledgement that was encoded at `start` of `out`.
    /// The arguments already contain the placeholders; the attachments are the messages that follow. No
    /// effect for an encoding whose packets have no attachments.
    ///
    /// ```
    /// use socketio_parser::Parser;
    ///
    /// let mut packet = Vec::new();
    /// let placeholder = serde_json::json!({"_placeholder": true, "num": 0});
    /// Parser::Json.encode_event(&mut packet, "/", None, "file", &placeholder)?;
    /// Parser::Json.announce_attachments(&mut packet, 0, 1);
    /// assert_eq!(packet, br#"51-["file",{"_placeholder":true,"num":0}]"#);
    /// # Ok::<(), socketio_parser::EncodeError>(())
    /// ```
    pub fn announce_attachments(self, out: &mut Vec<u8>, start: usize, attachments: usize) {
        let kind = out.get(start).and_then(|digit| PacketType::from_digit(*digit));
        if self == Self::Json && matches!(kind, Some(PacketType::Event | PacketType::Ack)) {
            header::announce(out, start, attachments);
        }
    }

    /// Encodes a received packet of either encoding. In the same encoding the payload is copied unchanged.
    pub fn encode_packet(self, out: &mut Vec<u8>, packet: &Packet) -> Result<Vec<Bytes>, EncodeError> {
        let (namespace, ack_id) = (packet.namespace.as_str(), packet.ack_id);
        match &packet.payload {
            // The name is copied unchanged: it may be a number, or contain escapes.
            Payload::Event(event) if event.args().parser() == self => {
                let all = event.args().with_name();
                self.encode_args(out, PacketType::Event, namespace, ack_id, None, &all)
            }
            // From the other encoding the name is copied in its text form: msgpack has the number NaN.
            Payload::Event(event) => {
                self.encode_args(out, PacketType::Event, namespace, ack_id, Some(event.name()), event.args())
            }
            Payload::Ack(args) => self.encode_args(out, PacketType::Ack, namespace, ack_id, None, args),
            Payload::Connect(Some(data)) | Payload::ConnectError(Some(data)) => {
                self.encode_value(out, packet.kind(), namespace, ack_id, data)?;
                Ok(Vec::new())
            }
            _ => {
                self.encode_plain::<()>(out, packet.kind(), namespace, ack_id, None)?;
                Ok(Vec::new())
            }
        }
    }

    #[inline]
    fn encode_args<A: ToArgs + ?Sized>(
        self,
        out: &mut Vec<u8>,
        kind: PacketType,
        namespace: &str,
        ack_id: Option<u64>,
        name: Option<&str>,
        args: &A,
    ) -> Result<Vec<Bytes>, EncodeError> {
        let start = out.len();
        let written = match self {
            Self::Json => {
                let sink = Sink::Attachments(Vec::new());
                let (written, sink) = writing(sink, || json_args(out, kind, namespace, ack_id, name, args));
                written.map(|()| match sink {
                    Some(Sink::Attachments(attachments)) => attachments,
                    _ => Vec::new(),
                })
            }
            #[cfg(feature = "msgpack")]
            Self::Msgpack => {
                let write = || msgpack::write_args(out, kind, namespace, ack_id, name, args);
                writing(Sink::Packet, write).0.map(|()| Vec::new())
            }
        };
        match written {
            Ok(attachments) => {
                header::announce(out, start, attachments.len());
                Ok(attachments)
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }

    /// A packet type without attachments.
    fn encode_plain<T: Serialize + ?Sized>(
        self,
        out: &mut Vec<u8>,
        kind: PacketType,
        namespace: &str,
        ack_id: Option<u64>,
        data: Option<&T>,
    ) -> Result<(), EncodeError> {
        restored(out, |out| match self {
            Self::Json => {
                header::write(out, kind, namespace, ack_id)?;
                if let Some(data) = data {
                    serde_json::to_writer(&mut *out, data)?;
                }
                Ok(())
            }
            #[cfg(feature = "msgpack")]
            Self::Msgpack => {
                let write =
                    data.map(|data| move |out: &mut Vec<u8>| Ok(crate::msgpack::ser::to_writer(out, data)?));
                let write =
                    write.as_ref().map(|write| write as &dyn Fn(&mut Vec<u8>) -> Result<(), EncodeError>);
                let packet = || msgpack::write_plain(out, kind, namespace, ack_id, write);
                writing(Sink::Packet, packet).0
            }
        })
    }

    /// A packet with received data.
    fn encode_value(
        self,
        out: &mut Vec<u8>,
        kind: PacketType,
        namespace: &str,
        ack_id: Option<u64>,
        data: &RawValue,
    ) -> Result<(), EncodeError> {
        match (data.parser(), self) {
            (Self::Json, Self::Json) => {
                header::write(out, kind, namespace, ack_id)?;
                out.extend_from_slice(data.as_bytes());
                Ok(())
            }
            #[cfg(feature = "msgpack")]
            (Self::Msgpack, Self::Msgpack) => {
                let write = |out: &mut Vec<u8>| {
                    out.extend_from_slice(data.as_bytes());
                    Ok(())
                };
                msgpack::write_plain(out, kind, namespace, ack_id, Some(&write))
            }
            #[cfg(feature = "msgpack")]
            (Self::Json, Self::Msgpack) => {
                self.encode_plain(out, kind, namespace, ack_id, Some(&data.json_value()))
            }
            #[cfg(feature = "msgpack")]
            (Self::Msgpack, Self::Json) => restored(out, |out| {
                header::write(out, kind, namespace, ack_id)?;
                Ok(crate::msgpack::json::write_json(data.as_bytes(), out)?)
            }),
        }
    }
}

/// Restores the buffer if `write` fails.
fn restored(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    let written = write(out);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

#[inline]
fn json_args<A: ToArgs + ?Sized>(
    out: &mut Vec<u8>,
    kind: PacketType,
    namespace: &str,
    ack_id: Option<u64>,
    name: Option<&str>,
    args: &A,
) -> Result<(), EncodeError> {
    header::write(out, kind, namespace, ack_id)?;
    out.push(b'[');
    if let Some(name) = name {
        serde_json::to_writer(&mut *out, name)?;
    }
    args.write(&mut ArgWriter::new(out, Parser::Json, name.is_some()))?;
    out.push(b']');
    Ok(())
}

/// Payload of CONNECT_ERROR: undefined data is left out, as by `JSON.stringify`.
struct Refusal<'a, T: ?Sized> {
    message: &'a str,
    data: Option<&'a T>,
}

impl<T: Serialize + ?Sized> Serialize for Refusal<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1 + usize::from(self.data.is_some())))?;
        object.serialize_entry("message", self.message)?;
        if let Some(data) = self.data {
            object.serialize_entry("data", data)?;
        }
        object.end()
    }
}
