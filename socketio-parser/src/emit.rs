//! Arguments of an event to send: one value, several explicit values, or received arguments.

use bytes::Bytes;
use serde::ser::Serialize;

use crate::attachments::{self, Attachments};
use crate::value;
use crate::{EncodeError, Parser, RawArg, RawArgs, RawValue};

/// Arguments of an event or an acknowledgement that can be sent.
///
/// | given | arguments |
/// |---|---|
/// | any value that serde can serialise, also a `Vec` or a tuple | one |
/// | [`Args`]`(())`, [`Args`]`((a,))`, [`Args`]`((a, b))`, … | none, those of `a`, those of `a` and `b`, … |
/// | [`RawArgs`] of a received packet | those, unchanged |
/// | [`RawArg`] or [`RawValue`], one of them | that, unchanged |
/// | [`Then`]`(first, more)` | those of the one, then those of the other |
///
/// The last three forms forward a received event. Its bytes stay unchanged, except for the numbers of
/// placeholders if the packet has other attachments before, or only some attachments are sent.
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
    /// Number of arguments.
    fn count(&self) -> usize;

    /// Writes the arguments in order.
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

/// Several arguments, as a tuple of up to eight. Each element may be a received argument, or a list of
/// arguments itself.
///
/// ```
/// use socketio_parser::{Args, Decoder, Parser, Payload};
///
/// let packet = Decoder::default().text(r#"2["say",{"text": "hi"},1.0]"#.into())?.unwrap();
/// let Payload::Event(event) = packet.payload else { panic!("an event") };
/// let said = event.args().get(0).expect("an argument");
/// let mut text = Vec::new();
/// Parser::Json.encode_event(&mut text, "/", None, "said", &Args(("Ada", said)))?;
/// assert_eq!(text, br#"2["said","Ada",{"text": "hi"}]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Args<T>(pub T);

macro_rules! several {
    ($($name:ident $index:tt)*) => {
        impl<$($name: ToArgs),*> ToArgs for Args<($($name,)*)> {
            fn count(&self) -> usize {
                0 $(+ self.0.$index.count())*
            }

            #[inline]
            fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
                $(self.0.$index.write(writer)?;)*
                let _ = writer;
                Ok(())
            }
        }
    };
}

several!();
several!(A 0);
several!(A 0 B 1);
several!(A 0 B 1 C 2);
several!(A 0 B 1 C 2 D 3);
several!(A 0 B 1 C 2 D 3 E 4);
several!(A 0 B 1 C 2 D 3 E 4 F 5);
several!(A 0 B 1 C 2 D 3 E 4 F 5 G 6);
several!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7);

macro_rules! elements {
    ($($list:ty)*) => {
        $(
            /// The arguments of the tuple's elements.
            impl<T: ToArgs> ToArgs for Args<$list> {
                fn count(&self) -> usize {
                    self.0.iter().map(T::count).sum()
                }

                fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
                    self.0.iter().try_for_each(|element| element.write(writer))
                }
            }
        )*
    };
}

elements!(&[T] Vec<T>);

macro_rules! received {
    ($($type:ty: $count:expr, $write:ident;)*) => {
        $(impl ToArgs for $type {
            fn count(&self) -> usize {
                $count(self)
            }

            fn write(&self, writer: &mut ArgWriter<'_>) -> Result<(), EncodeError> {
                writer.$write(self)
            }
        })*
    };
}

received! {
    RawArgs: Self::len, raw;
    &RawArgs: |args: &&RawArgs| args.len(), raw;
    RawArg<'_>: |_| 1, raw_arg;
    &RawArg<'_>: |_| 1, raw_arg;
    RawValue: |_| 1, raw_value;
    &RawValue: |_| 1, raw_value;
}

/// The arguments of the first element, then those of the second: for instance a received event with an
/// appended argument.
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

/// Output for the arguments of one packet.
#[derive(Debug)]
pub struct ArgWriter<'a> {
    out: &'a mut Vec<u8>,
    parser: Parser,
    /// Whether the next argument needs a separator.
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

    /// Writes received arguments; unchanged if they have the same encoding.
    pub fn raw(&mut self, args: &RawArgs) -> Result<(), EncodeError> {
        if args.is_empty() {
            return Ok(());
        }
        match (args.parser(), self.parser) {
            (Parser::Json, Parser::Json) if attachments::written() == 0 => {
                // All attachments are sent, and before any others, so their numbers stay valid.
                self.json(args.as_bytes(), &[]);
                args.attachments().iter().for_each(|attachment| {
                    attachments::leave(attachment);
                });
            }
            (Parser::Json, Parser::Json) => self.json(args.as_bytes(), args.attachments()),
            #[cfg(feature = "msgpack")]
            (Parser::Msgpack, Parser::Msgpack) => self.out.extend_from_slice(args.as_bytes()),
            #[cfg(feature = "msgpack")]
            (Parser::Json, Parser::Msgpack) | (Parser::Msgpack, Parser::Json) => {
                args.iter().try_for_each(|arg| self.converted(&arg.to_owned()))?;
            }
        }
        Ok(())
    }

    /// Writes one received argument; unchanged if it has the same encoding. Only the attachments that it
    /// refers to are sent.
    pub fn raw_arg(&mut self, arg: &RawArg<'_>) -> Result<(), EncodeError> {
        if arg.parser() == self.parser {
            self.copied(arg.as_bytes(), arg.attachments());
            return Ok(());
        }
        self.converted(&arg.to_owned())
    }

    /// Writes one received value; unchanged if it has the same encoding. Only the attachments that it refers
    /// to are sent.
    pub fn raw_value(&mut self, value: &RawValue) -> Result<(), EncodeError> {
        if value.parser() == self.parser {
            self.copied(value.as_bytes(), value.attachments());
            return Ok(());
        }
        self.converted(value)
    }

    /// A value in the encoding of this packet.
    fn copied(&mut self, bytes: &[u8], attachments: &Attachments) {
        match self.parser {
            Parser::Json => self.json(bytes, attachments),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => self.out.extend_from_slice(bytes),
        }
    }

    /// A value in the other encoding.
    fn converted(&mut self, value: &RawValue) -> Result<(), EncodeError> {
        match value.parser() {
            Parser::Json => self.value(&value.json_value()),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => {
                self.separate();
                Ok(crate::msgpack::json::write_json(value.as_bytes(), self.out)?)
            }
        }
    }

    fn json(&mut self, text: &[u8], attachments: &[Bytes]) {
        self.separate();
        if attachments.is_empty() {
            self.out.extend_from_slice(text);
        } else {
            value::forward(text, attachments, self.out);
        }
    }

    #[inline]
    fn separate(&mut self) {
        if self.more {
            self.out.push(b',');
        }
        self.more = true;
    }
}
