//! An event: its name and its arguments.

use std::fmt;

use bytes::Bytes;

use crate::attachments::Attachments;
use crate::json;
use crate::json::scan::First;
use crate::json::text::{number_name, unescape_into};
use crate::{DecodeError, Limits, PacketType, Parser, RawArgs};

/// Reserved event names. They have a meaning for the library on one side or the other, or for the event
/// emitter of a Node server.
pub const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// The reserved name that equals `name`, if any.
pub fn reserved_event(name: &str) -> Option<&'static str> {
    reserved(name.as_bytes())
}

#[inline]
pub(crate) fn reserved(name: &[u8]) -> Option<&'static str> {
    // All reserved names start with one of four letters and have 7 to 14 bytes, so most names are ruled out
    // here.
    let candidate = matches!(name.first(), Some(b'c' | b'd' | b'n' | b'r')) && name.len() >= 7;
    if !candidate {
        return None;
    }
    RESERVED_EVENTS.into_iter().find(|reserved| reserved.as_bytes() == name)
}

/// A received event.
#[derive(Clone)]
pub struct Event {
    /// Set only if the name is not a plain slice of the packet.
    name: Option<Box<str>>,
    args: RawArgs,
}

impl Event {
    /// An event from a JSON array: its name and then its arguments, as in the payload of an EVENT packet. The
    /// placeholders in the text refer to `attachments`. The event is a slice of `text`; nothing is copied.
    ///
    /// The limits are those of a decoder, except for the number and the size of the attachments. The name may be
    /// a [reserved](Self::reserved_name) one, since events between servers may have it.
    ///
    /// ```
    /// use socketio_parser::{Event, Limits};
    ///
    /// let event = Event::from_json_array(r#"["news",{"id":1}]"#.into(), Vec::new(), &Limits::default())?;
    /// assert_eq!((event.name(), event.args().len()), ("news", 1));
    /// # Ok::<(), socketio_parser::DecodeError>(())
    /// ```
    pub fn from_json_array(
        text: Bytes,
        attachments: Vec<Bytes>,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let array = json::whole_array(&text, &attachments, PacketType::Event, limits)?;
        let args = RawArgs::new(text, array.spans, 1, attachments.into(), Parser::Json);
        Self::from_json::<true>(array.first, args)
    }

    /// From an argument list that still starts with the name. Packets of a peer may not have a reserved one.
    #[inline(always)]
    pub(crate) fn from_json<const RESERVED_TOO: bool>(
        first: First,
        args: RawArgs,
    ) -> Result<Self, DecodeError> {
        let name = match first {
            First::Plain => None,
            First::Escaped => {
                let mut name = String::new();
                unescape_into(args.name_bytes(), &mut name).ok_or(DecodeError::Unicode)?;
                Some(name.into_boxed_str())
            }
            First::Number => number_name(args.name_bytes()).map(String::into_boxed_str),
            First::Missing | First::Other => return Err(DecodeError::EventName),
        };
        // The official decoder compares strings only, and a number never equals a reserved name.
        let plain = match &name {
            None => args.name_bytes(),
            Some(name) => name.as_bytes(),
        };
        if !RESERVED_TOO && reserved(plain).is_some() {
            return Err(DecodeError::ReservedEvent);
        }
        Ok(Self { name, args })
    }

    /// From an argument list that starts with a name without escapes.
    pub(crate) fn plain(args: RawArgs) -> Self {
        Self { name: None, args }
    }

    /// From an argument list whose name was already extracted.
    #[cfg(feature = "msgpack")]
    pub(crate) fn from_msgpack(name: Box<str>, args: RawArgs) -> Self {
        Self { name: Some(name), args }
    }

    /// The reserved name that this event has, if any. A decoder returns no such event, and no packet is encoded
    /// from it.
    pub fn reserved_name(&self) -> Option<&'static str> {
        reserved_event(self.name())
    }

    /// The name. A name may also be a number, which is printed as JavaScript prints it.
    #[inline]
    pub fn name(&self) -> &str {
        match &self.name {
            Some(name) => name,
            None => std::str::from_utf8(self.args.name_bytes()).unwrap_or_default(),
        }
    }

    /// The arguments, without the name.
    pub fn args(&self) -> &RawArgs {
        &self.args
    }

    /// The arguments, without the name.
    pub fn into_args(self) -> RawArgs {
        self.args
    }

    pub(crate) fn set_attachments(&mut self, attachments: Attachments) {
        self.args.set_attachments(attachments);
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("name", &self.name()).field("args", &self.args).finish()
    }
}
