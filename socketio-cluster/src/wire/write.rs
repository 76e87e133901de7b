//! Writing of the parts of a message.

use socketio_parser::codec::{Writer, number_name};
use socketio_parser::{EncodeError, Event};

use crate::limits::Limits;
use crate::message::{Flags, Message};
use crate::target::{Room, Target};
use crate::wire::Sender;

/// The usual size of the details of a socket.
const DETAILS: usize = 512;

/// Memory for a message: most are small, but the details of sockets have a few hundred bytes each.
pub(crate) fn capacity(message: &Message, limits: &Limits) -> usize {
    let details = match message {
        Message::FetchSocketsResponse { sockets, .. } => sockets.len().saturating_mul(DETAILS),
        _ => 0,
    };
    256 + details.min(limits.max_message_bytes)
}

/// Checks the size of a message that was written.
pub(crate) fn check_written(out: &[u8], limits: &Limits) -> Result<(), EncodeError> {
    if out.len() > limits.max_message_bytes {
        return Err(EncodeError::TooLarge(limits.max_message_bytes));
    }
    Ok(())
}

/// Writes the options of a broadcast or an operation, with the members in the order of the official sender.
/// Without flags the member is left out.
pub(crate) fn options(writer: &mut Writer<'_>, sender: Sender<'_>, target: &Target, flags: Option<Flags>) {
    writer.object(2 + usize::from(flags.is_some()));
    writer.key("rooms");
    rooms(writer, &target.rooms);
    if !sender.is_emitter() {
        writer.key("except");
        rooms(writer, &target.except);
    }
    if let Some(flags) = flags {
        writer.key("flags");
        write_flags(writer, flags);
    }
    if sender.is_emitter() {
        writer.key("except");
        rooms(writer, &target.except);
    }
    writer.end_object();
}

/// The options of an operation that has no flags, as the cluster adapter writes them.
pub(crate) fn operation(writer: &mut Writer<'_>, target: &Target) {
    writer.object(3);
    writer.key("rooms");
    rooms(writer, &target.rooms);
    writer.key("except");
    rooms(writer, &target.except);
    writer.key("flags");
    write_flags(writer, Flags::default());
    writer.end_object();
}

/// Only flags that differ from their default.
fn write_flags(writer: &mut Writer<'_>, flags: Flags) {
    let members = [flags.volatile, !flags.compress, flags.timeout.is_some(), flags.note.is_some()];
    let count = members.into_iter().filter(|is_there| *is_there).count();
    writer.object(count);
    if flags.volatile {
        writer.key("volatile").boolean(true);
    }
    if !flags.compress {
        writer.key("compress").boolean(false);
    }
    if let Some(timeout) = flags.timeout {
        writer.key("timeout").number(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    }
    if let Some(note) = flags.note {
        writer.key("note").text(note.as_str());
    }
    writer.end_object();
}

/// Rooms that select sockets. A name that is a number is written as a string and as a number, because a
/// Node.js server distinguishes them.
pub(crate) fn rooms(writer: &mut Writer<'_>, rooms: &[Room]) {
    let numbers = rooms.iter().filter(|room| number(room).is_some()).count();
    writer.array(rooms.len() + numbers);
    for room in rooms {
        writer.text(room);
        // A finite number can always be written.
        match number(room) {
            Some(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                let _ = writer.value(&(number as i64));
            }
            Some(number) => {
                let _ = writer.value(&number);
            }
            None => {}
        }
    }
    writer.end_array();
}

/// Rooms to join.
pub(crate) fn rooms_to_join(writer: &mut Writer<'_>, rooms: &[Room]) {
    writer.array(rooms.len());
    rooms.iter().for_each(|room| writer.text(room));
    writer.end_array();
}

/// The number that JavaScript would print as this name.
fn number(room: &str) -> Option<f64> {
    let starts = room.as_bytes().first().is_some_and(|first| first.is_ascii_digit() || *first == b'-');
    if !starts || room.len() > 25 {
        return None;
    }
    room.parse().ok().filter(|number: &f64| number.is_finite() && number_name(*number) == room)
}

/// The packet of a broadcast.
pub(crate) fn packet(
    writer: &mut Writer<'_>,
    event: &Event,
    namespace: Option<&str>,
) -> Result<(), EncodeError> {
    writer.object(2 + usize::from(namespace.is_some()));
    writer.key("type").number(2);
    writer.key("data").event(event)?;
    if let Some(namespace) = namespace {
        writer.key("nsp").text(namespace);
    }
    writer.end_object();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use socketio_parser::Parser;

    #[test]
    fn numeric_rooms_are_written_in_both_forms() {
        let names = ["a", "123", "0123", "1.5", "-7", "-0", "1e3", "NaN", "12345678901234567890", "é"];
        let names: Vec<Room> = names.into_iter().map(Room::from).collect();
        let mut out = Vec::new();
        rooms(&mut Writer::new(Parser::Json, &mut out, 1000), &names);
        let expected =
            r#"["a","123",123,"0123","1.5",1.5,"-7",-7,"-0","1e3","NaN","12345678901234567890","é"]"#;
        assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
    }
}
