//! What a server has to say beside what both sides say alike.

use engineio::{Prepared, Text};
use socketio_events::message;
pub(crate) use socketio_events::message::{ack, connect, connect_error, disconnect};
use socketio_parser::{ArgWriter, EncodeError, Event, Parser, RawValue, ToArgs};

use crate::error::EmitError;

/// An event, ready for every session that gets it. An offset, which a client that recovers needs, is its last
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
        Some(offset) => message::event(parser, namespace, ack_id, name, &WithOffset(args, offset)),
    }
}

/// The message with a note, if there is one.
pub(crate) fn noted(message: Prepared, note: Option<&Text>) -> Prepared {
    match note {
        Some(note) => message.with_note(note.clone()),
        None => message,
    }
}

/// An event as other servers get it, and listeners of outgoing events.
pub(crate) fn to_event<A: ToArgs + ?Sized>(parser: Parser, name: &str, args: &A) -> Result<Event, EmitError> {
    Ok(message::to_event(parser, name, args)?)
}

/// One value as another server gets it.
pub(crate) fn to_value<A: ToArgs + ?Sized>(parser: Parser, args: &A) -> Result<Option<RawValue>, EmitError> {
    Ok(to_event(parser, "answer", args)?.args().get(0).map(|first| first.to_owned()))
}

/// Arguments, and the offset behind them.
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
