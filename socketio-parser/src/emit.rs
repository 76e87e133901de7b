//! What can be sent as the arguments of an event: one value, several said explicitly, or arguments as they came.

use serde::ser::Serialize;

use crate::attachments;
use crate::{EncodeError, Parser, RawArg, RawArgs, RawValue};

/// Something that can be sent as the arguments of an event or an acknowledgement.
///
/// | given | arguments |
/// |---|---|
/// | any value that serde can serialise, also a `Vec` or a tuple | one |
/// | [`Args`]`(())`, [`Args`]`((a,))`, [`Args`]`((a, b))`, … | none, one, two, … |
/// | [`RawArgs`] of a received packet, or a reference to it | those, unchanged |
/// | [`RawArg`] or [`RawValue`], one of them | that, unchanged |
/// | [`Then`]`(first, more)` | those of the one, then those of the other |
///
/// ```
/// use socketio_parser::{Args, Parser};
///
/// let encode = |text: &mut Vec<u8>| -> Result<(), socketio_parser::EncodeError> {
///     Parser::Json.encode_event(text, "/", None, "a", &(1, 2))?;
///     text.push(b' ');
///     Parser::Json.encode_event(text, "/", None, "a", &Args((1, 2)))?;
///     Ok(())
/// };
/// let mut text = Vec::new();
/// encode(&mut text)?;
/// assert_eq!(text, br#"2["a",[1,2]] 2["a",1,2]"#);
/// # Ok::<(), socketio_parser::EncodeError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as the arguments of an event",
    note = "one argument is any value that implements `serde::Serialize`; several are written `Args((a, b))`"
)]
pub trait ToArgs {
    /// How many arguments these are.
    fn count(&self) -> usize;

    /// Writes them, one after the other.
    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError>;
}

impl<T: Serialize + ?Sized> ToArgs for T {
    fn count(&self) -> usize {
        1
    }

    #[inline]
    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        writer.value(self)
    }
}

/// Several arguments, as a tuple of up to eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Args<T>(pub T);

macro_rules! several {
    ($count:literal $($name:ident $index:tt)*) => {
        impl<$($name: Serialize),*> ToArgs for Args<($($name,)*)> {
            fn count(&self) -> usize {
                $count
            }

            #[inline]
            fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
                $(writer.value(&self.0.$index)?;)*
                let _ = writer;
                Ok(())
            }
        }
    };
}

several!(0);
several!(1 A 0);
several!(2 A 0 B 1);
several!(3 A 0 B 1 C 2);
several!(4 A 0 B 1 C 2 D 3);
several!(5 A 0 B 1 C 2 D 3 E 4);
several!(6 A 0 B 1 C 2 D 3 E 4 F 5);
several!(7 A 0 B 1 C 2 D 3 E 4 F 5 G 6);
several!(8 A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7);

/// As many arguments as there are elements.
impl<T: Serialize> ToArgs for Args<&[T]> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        self.0.iter().try_for_each(|element| writer.value(element))
    }
}

/// As many arguments as there are elements.
impl<T: Serialize> ToArgs for Args<Vec<T>> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        self.0.iter().try_for_each(|element| writer.value(element))
    }
}

impl ToArgs for &RawArgs {
    fn count(&self) -> usize {
        self.len()
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        writer.raw(self)
    }
}

impl ToArgs for RawArgs {
    fn count(&self) -> usize {
        self.len()
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        writer.raw(self)
    }
}

impl ToArgs for RawValue {
    fn count(&self) -> usize {
        1
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        writer.raw_value(self)
    }
}

impl ToArgs for &RawValue {
    fn count(&self) -> usize {
        1
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        writer.raw_value(self)
    }
}

impl ToArgs for RawArg<'_> {
    fn count(&self) -> usize {
        1
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        writer.raw_value(&self.to_owned())
    }
}

/// The arguments of the first, followed by those of the second: a received event with something appended, say.
///
/// ```
/// use socketio_parser::{Decoder, Parser, Payload, Then};
///
/// let packet = Decoder::default().text(r#"2["news",{"id": 12345678901234567890}]"#.into())?.unwrap();
/// let Payload::Event(event) = packet.payload else { panic!("an event") };
/// let mut text = Vec::new();
/// Parser::Json.encode_event(&mut text, "/", None, event.name(), &Then(event.args(), "offset-1"))?;
/// assert_eq!(text, br#"2["news",{"id": 12345678901234567890},"offset-1"]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Then<A, B>(pub A, pub B);

impl<A: ToArgs, B: ToArgs> ToArgs for Then<A, B> {
    fn count(&self) -> usize {
        self.0.count() + self.1.count()
    }

    fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
        self.0.write(writer)?;
        self.1.write(writer)
    }
}

/// Where the arguments of one packet are written.
#[derive(Debug)]
pub struct ArgWriter<'a> {
    out: &'a mut Vec<u8>,
    parser: Parser,
    /// Whether something stands before the next argument.
    more: bool,
}

impl<'a> ArgWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>, parser: Parser, more: bool) -> Self {
        Self { out, parser, more }
    }

    /// Writes one argument.
    #[inline]
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        match self.parser {
            Parser::Json => {
                self.separate();
                serde_json::to_writer(&mut *self.out, value)?;
            }
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => crate::msgpack::ser::to_writer(self.out, value)?,
        }
        Ok(())
    }

    /// Writes arguments that were received, as they are if they are encoded in the same way.
    pub fn raw(&mut self, args: &RawArgs) -> Result<(), EncodeError> {
        if args.is_empty() {
            return Ok(());
        }
        match (args.parser(), self.parser) {
            (Parser::Json, Parser::Json) => {
                // Placeholders are numbered from the packet's first attachment on. Behind others they change.
                if args.attachments().is_empty() || attachments::written() == 0 {
                    self.separate();
                    self.out.extend_from_slice(args.as_bytes());
                    args.attachments().iter().for_each(|attachment| {
                        attachments::leave(attachment);
                    });
                } else {
                    args.iter().try_for_each(|arg| self.raw_value(&arg.to_owned()))?;
                }
            }
            #[cfg(feature = "msgpack")]
            (Parser::Msgpack, Parser::Msgpack) => self.out.extend_from_slice(args.as_bytes()),
            #[cfg(feature = "msgpack")]
            (Parser::Json, Parser::Msgpack) | (Parser::Msgpack, Parser::Json) => {
                args.iter().try_for_each(|arg| self.raw_value(&arg.to_owned()))?;
            }
        }
        Ok(())
    }

    /// Writes one value that was received, as it is if it is encoded in the same way and refers to no attachments.
    pub fn raw_value(&mut self, value: &RawValue) -> Result<(), EncodeError> {
        match (value.parser(), self.parser) {
            (Parser::Json, Parser::Json) if value.attachments().is_empty() => {
                self.separate();
                self.out.extend_from_slice(value.as_bytes());
            }
            // Only the attachments that it refers to go with it, and are numbered anew.
            (Parser::Json, _) => self.value(&value.json_value())?,
            #[cfg(feature = "msgpack")]
            (Parser::Msgpack, Parser::Msgpack) => self.out.extend_from_slice(value.as_bytes()),
            #[cfg(feature = "msgpack")]
            (Parser::Msgpack, Parser::Json) => {
                self.separate();
                crate::msgpack::json::write_json(value.as_bytes(), self.out)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn separate(&mut self) {
        if self.more {
            self.out.push(b',');
        }
        self.more = true;
    }
}
