//! Reading of the parts of a message.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socketio_parser::codec::{Reader, from_servers};
use socketio_parser::value::Kind;
use socketio_parser::{Event, Parser, RawValue};

use crate::error::DecodeError;
use crate::id::RequestId;
use crate::limits::Limits;
use crate::message::{Flags, Message, Note};
use crate::target::{Room, Target};
use crate::wire::sockets::{Sockets, read_sockets};
use crate::wire::values::join_id;

/// The longest timeout that is read from a message: one day.
const MAX_TIMEOUT_MILLISECONDS: f64 = 86_400_000.0;

/// The members of a message that were found so far. They have the same names and meanings in all messages, so
/// they are read before the type is known, in one pass.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    target: Option<Target>,
    flags: Flags,
    pub(crate) rooms: Option<Vec<Room>>,
    pub(crate) request: Option<RequestId>,
    packet: Option<Packet>,
    pub(crate) sockets: Option<Sockets>,
    count: Option<f64>,
    pub(crate) close: bool,
}

/// The packet of a broadcast, the event of the servers, or the value of an answer.
#[derive(Debug)]
struct Packet {
    whole: RawValue,
    kind: Kind,
    /// The members of a broadcast's packet.
    number: Option<f64>,
    data: Option<RawValue>,
    namespace: Option<Arc<str>>,
}

pub(crate) fn check_size(message: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    if message.len() > limits.max_message_bytes {
        return Err(DecodeError::Limit("max_message_bytes"));
    }
    Ok(())
}

/// Reads the members of a message that is an object: JSON if it starts with `{`, otherwise msgpack.
pub(crate) fn read_object(
    message: Bytes,
    limits: &Limits,
    member: impl FnMut(&mut Reader<'_>, &str) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let read = |reader: &mut Reader<'_>| reader.members(member);
    if read_message(message, b'{', limits, read)? { Ok(()) } else { Err(DecodeError::Shape("object")) }
}

/// Reads the elements of a message that is an array: JSON if it starts with `[`, otherwise msgpack.
pub(crate) fn read_array(
    message: Bytes,
    limits: &Limits,
    element: impl FnMut(&mut Reader<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let read = |reader: &mut Reader<'_>| reader.elements(element);
    if read_message(message, b'[', limits, read)? { Ok(()) } else { Err(DecodeError::Shape("array")) }
}

/// Reads a whole message, within its limits. `read` returns whether the message has the expected shape.
fn read_message(
    message: Bytes,
    json: u8,
    limits: &Limits,
    read: impl FnOnce(&mut Reader<'_>) -> Result<bool, DecodeError>,
) -> Result<bool, DecodeError> {
    check_size(&message, limits)?;
    let (parser, message) = if message.first() == Some(&json) {
        (Parser::Json, message)
    } else {
        (Parser::Msgpack, from_servers(&message)?)
    };
    let mut reader = Reader::new(parser, &message, limits.max_depth)?;
    if !read(&mut reader)? {
        return Ok(false);
    }
    reader.finish()?;
    Ok(true)
}

/// The number of a type; an unknown one if it is no integer.
pub(crate) fn type_number(number: f64) -> u32 {
    // The cast saturates.
    if number.fract() == 0.0 { number as u32 } else { u32::MAX }
}

impl Parts {
    /// Reads the member at the reader if it is one of those; otherwise leaves it.
    pub(crate) fn member(
        &mut self,
        reader: &mut Reader<'_>,
        key: &str,
        limits: &Limits,
    ) -> Result<(), DecodeError> {
        match key {
            "opts" => self.options(reader, limits)?,
            "rooms" => self.rooms = Some(rooms(reader, "rooms", limits)?),
            "requestId" => self.request = join_id(reader)?.map(|id| RequestId::from(&*id)),
            "packet" => self.packet = Some(Packet::read(reader)?),
            "sockets" => self.sockets = Some(read_sockets(reader, limits)?),
            "clientCount" => self.count = reader.number()?,
            "close" => self.close = reader.truthy()?,
            _ => {}
        }
        Ok(())
    }

    /// Reads the event of the servers, or the value of an answer, where the classic adapter has it.
    pub(crate) fn read_packet(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.packet = Some(Packet::read(reader)?);
        Ok(())
    }

    pub(crate) fn options(&mut self, reader: &mut Reader<'_>, limits: &Limits) -> Result<(), DecodeError> {
        let mut target = Target::default();
        let flags = &mut self.flags;
        let is_map = reader.members(|reader, key| -> Result<(), DecodeError> {
            match key {
                "rooms" => target.rooms = rooms(reader, "rooms", limits)?,
                "except" => target.except = rooms(reader, "except", limits)?,
                "flags" => *flags = self::flags(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        if !is_map {
            return Err(DecodeError::Type("opts"));
        }
        self.target = Some(target);
        Ok(())
    }

    /// The selected sockets, if there are options.
    pub(crate) fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// The namespace in the packet of a broadcast.
    pub(crate) fn packet_namespace(&self) -> Option<Arc<str>> {
        self.packet.as_ref().and_then(|packet| packet.namespace.clone())
    }

    /// The message with this number in the cluster adapter. Options are required, since without them all
    /// sockets would be selected; their members may be missing.
    pub(crate) fn message(self, number: u32, limits: &Limits) -> Result<Message, DecodeError> {
        let request = || self.request.clone().ok_or(DecodeError::Missing("requestId"));
        let target = || self.target.clone().ok_or(DecodeError::Missing("opts"));
        let rooms = || self.rooms.clone().ok_or(DecodeError::Missing("rooms"));
        Ok(match number {
            1 => Message::InitialHeartbeat,
            2 => Message::Heartbeat,
            3 => Message::Broadcast {
                event: self.broadcast(limits)?,
                target: target()?,
                flags: self.flags,
                request: self.request,
            },
            4 => Message::SocketsJoin { target: target()?, rooms: rooms()? },
            5 => Message::SocketsLeave { target: target()?, rooms: rooms()? },
            6 => Message::DisconnectSockets { target: target()?, close: self.close },
            7 => Message::FetchSockets { target: target()?, request: request()? },
            8 => Message::FetchSocketsResponse {
                request: request()?,
                sockets: self.sockets.ok_or(DecodeError::Missing("sockets"))?.details,
            },
            9 => {
                let packet = self.packet.as_ref().ok_or(DecodeError::Missing("packet"))?;
                Message::ServerSideEmit { event: event(&packet.whole, limits)?, request: self.request }
            }
            10 => Message::ServerSideEmitResponse { request: request()?, answer: self.answer() },
            11 => Message::BroadcastClientCount { request: request()?, count: self.count()? },
            12 => Message::BroadcastAck { request: request()?, answer: self.answer() },
            13 => Message::Close,
            101 => Message::AllRooms { request: request()? },
            102 => Message::AllRoomsResponse { request: request()?, rooms: rooms()? },
            other => return Err(DecodeError::UnknownType(other)),
        })
    }

    fn broadcast(&self, limits: &Limits) -> Result<Event, DecodeError> {
        let packet = self.packet.as_ref().ok_or(DecodeError::Missing("packet"))?;
        // EVENT and, as older servers have it, BINARY_EVENT.
        if !matches!(packet.number, Some(number) if number == 2.0 || number == 5.0) {
            return Err(DecodeError::NoEvent);
        }
        for_clients(event(packet.data.as_ref().ok_or(DecodeError::Missing("data"))?, limits)?)
    }

    /// The value of an answer. `undefined` is no value.
    fn answer(&self) -> Option<RawValue> {
        let packet = self.packet.as_ref().filter(|packet| packet.kind != Kind::Missing)?;
        Some(packet.whole.clone())
    }

    fn count(&self) -> Result<usize, DecodeError> {
        match self.count {
            // The cast saturates.
            Some(count) if count >= 0.0 => Ok(count as usize),
            _ => Err(DecodeError::Type("clientCount")),
        }
    }
}

impl Packet {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (start, kind) = (reader.position(), reader.kind());
        let (mut number, mut data, mut namespace) = (None, None, None);
        if kind == Kind::Object {
            reader.members(|reader, key| -> Result<(), DecodeError> {
                match key {
                    "type" => number = reader.number()?,
                    "data" => data = Some(reader.raw()?),
                    "nsp" => namespace = reader.text()?.map(Arc::from),
                    _ => {}
                }
                Ok(())
            })?;
        } else {
            reader.skip()?;
        }
        Ok(Self { whole: reader.since(start), kind, number, data, namespace })
    }
}

fn event(value: &RawValue, limits: &Limits) -> Result<Event, DecodeError> {
    let bytes = value.as_bytes().clone();
    Ok(match value.parser() {
        Parser::Json => Event::from_json_array(bytes, Vec::new(), &limits.parser())?,
        _ => Event::from_msgpack_array(bytes, &limits.parser())?,
    })
}

/// Refuses an event whose name clients may not receive. Events between servers may have it.
pub(crate) fn for_clients(event: Event) -> Result<Event, DecodeError> {
    match event.reserved_name() {
        Some(_) => Err(socketio_parser::DecodeError::ReservedEvent.into()),
        None => Ok(event),
    }
}

/// Reads a list of rooms. A missing list is empty. A room that is neither a string nor a number is an error,
/// because a shorter list could select more sockets.
fn rooms(reader: &mut Reader<'_>, what: &'static str, limits: &Limits) -> Result<Vec<Room>, DecodeError> {
    if matches!(reader.kind(), Kind::Missing | Kind::Null) {
        reader.skip()?;
        return Ok(Vec::new());
    }
    let mut rooms: Vec<Room> = Vec::new();
    let is_list = reader.elements(|reader| -> Result<(), DecodeError> {
        let room = join_id(reader)?.ok_or(DecodeError::Type(what))?;
        if rooms.len() >= limits.max_rooms {
            return Err(DecodeError::Limit("max_rooms"));
        }
        // A numeric name is written twice: as a string and as a number.
        if rooms.last() != Some(&room) {
            rooms.push(room);
        }
        Ok(())
    })?;
    if is_list { Ok(rooms) } else { Err(DecodeError::Type(what)) }
}

fn flags(reader: &mut Reader<'_>) -> Result<Flags, DecodeError> {
    let mut flags = Flags::default();
    reader.members(|reader, key| -> Result<(), DecodeError> {
        match key {
            "volatile" => flags.volatile = reader.truthy()?,
            // A missing flag means that the event may be compressed.
            "compress" => flags.compress = reader.kind() == Kind::Missing || reader.truthy()?,
            "timeout" => {
                let timeout = reader.number()?.filter(|timeout| *timeout >= 0.0);
                let timeout = timeout.map(|timeout| timeout.min(MAX_TIMEOUT_MILLISECONDS) as u64);
                flags.timeout = timeout.map(Duration::from_millis);
            }
            "note" => flags.note = reader.text()?.and_then(|text| Note::new(&text)),
            _ => {}
        }
        Ok(())
    })?;
    Ok(flags)
}
