//! Values of messages.

use std::sync::Arc;

use bytes::Bytes;
use socketio_parser::codec::{Reader, Writer, number_name};
use socketio_parser::value::Kind;
use socketio_parser::{Parser, RawValue};

use crate::error::DecodeError;

/// Reads an id: a string, or a number as its name.
pub(crate) fn join_id(reader: &mut Reader<'_>) -> Result<Option<Arc<str>>, DecodeError> {
    match reader.kind() {
        Kind::Number => Ok(reader.number()?.map(|number| number_name(number).into())),
        _ => Ok(reader.text()?.map(Arc::from)),
    }
}

/// The value as JSON, with binary data as Node.js writes it.
pub(crate) fn json_text(value: &RawValue) -> Bytes {
    if value.parser() == Parser::Json {
        return value.as_bytes().clone();
    }
    let mut text = Vec::new();
    let written = Writer::new(Parser::Json, &mut text, usize::MAX).raw(value);
    // A value that the reader accepted can be written.
    if written.is_ok() { text.into() } else { Bytes::from_static(b"null") }
}
