//! Encoding of events that only a server sends, with offsets for recovery.

use std::num::NonZeroU32;

use engineio::{Prepared, Text};
use socketio_cluster::{Flags, Note};
use socketio_events::message::{self, OFFSET_TAG};
pub(crate) use socketio_events::message::{ack, connect, connect_error, disconnect};
use socketio_parser::{ArgWriter, EncodeError, Event, Parser, RawValue, ToArgs};

use crate::error::EmitError;

/// An event, encoded once for all its sessions. The offset, which a recovering client needs, is its last
/// argument.
pub(crate) fn event<A: ToArgs + ?Sized>(
    parser: Parser,
    namespace: &str,
    ack_id: Option<u64>,
    name: &str,
    args: &A,
    offset: Option<&str>,
) -> Result<Prepared, EncodeError> {
    match offset {
        None => message::event(parser, namespace, ack_id, name, args),
        Some(offset) => {
            let message = message::event(parser, namespace, ack_id, name, &WithOffset(args, offset))?;
            let tag = message.tag() | OFFSET_TAG;
            Ok(message.with_tag(tag))
        }
    }
}

/// Properties of a message that its sender adds. Of these a short note is sent to other servers.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    /// For the translators of sessions.
    pub(crate) note: Option<Text>,
    /// The value that the message updates, for slow clients.
    pub(crate) conflation_key: Option<NonZeroU32>,
}

impl Marks {
    /// The marks of an event of another server.
    pub(crate) fn received(flags: Flags) -> Self {
        Self { note: flags.note.map(|note| note.as_str().to_owned().into()), conflation_key: None }
    }

    /// Adds the marks that other servers receive.
    pub(crate) fn put_into(&self, flags: &mut Flags) {
        flags.note = self.note.as_ref().and_then(|note| Note::new(note.as_str()));
    }

    pub(crate) const NONE: Self = Self { note: None, conflation_key: None };

    pub(crate) fn put_on(&self, mut message: Prepared) -> Prepared {
        if let Some(note) = &self.note {
            message = message.with_note(note.clone());
        }
        match self.conflation_key {
            Some(key) => message.conflate_by(key),
            None => message,
        }
    }
}

/// An event in its decoded form, for other servers and for listeners of outgoing events.
pub(crate) fn to_event<A: ToArgs + ?Sized>(parser: Parser, name: &str, args: &A) -> Result<Event, EmitError> {
    Ok(message::to_event(parser, name, args)?)
}

/// The names that events between servers may not have, as with the official server.
const RESERVED_SERVER_EVENTS: [&str; 3] = ["connect", "connection", "new_namespace"];

/// An event for the handlers of other servers. Other names are reserved than for clients.
pub(crate) fn to_server_event<A: ToArgs + ?Sized>(name: &str, args: &A) -> Result<Event, EmitError> {
    match RESERVED_SERVER_EVENTS.into_iter().find(|reserved| *reserved == name) {
        Some(reserved) => Err(EncodeError::ReservedEvent(reserved).into()),
        None => Ok(message::server_event(name, args)?),
    }
}

/// One value in its decoded form, for another server.
pub(crate) fn to_value<A: ToArgs + ?Sized>(parser: Parser, args: &A) -> Result<Option<RawValue>, EmitError> {
    Ok(to_event(parser, "answer", args)?.args().get(0).map(|first| first.to_owned()))
}

/// Arguments followed by an offset.
struct WithOffset<'a, A: ?Sized>(&'a A, &'a str);

impl<A: ToArgs + ?Sized> ToArgs for WithOffset<'_, A> {
    fn count(&self) -> usize {
        self.0.count() + 1
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        self.0.write(writer)?;
        self.1.write(writer)
    }
}
