//! `#[serde(with = "socketio_parser::attachment")]`: fields of types other than [`Binary`] as attachments.
//!
//! Supports `Bytes` and `Vec<u8>`, and `Option` and `Vec` of those.
//!
//! ```
//! use bytes::Bytes;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Frame {
//!     at: u64,
//!     #[serde(with = "socketio_parser::attachment")]
//!     pixels: Bytes,
//!     #[serde(with = "socketio_parser::attachment", default)]
//!     thumbnail: Option<Bytes>,
//! }
//! ```

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::Binary;

/// A type whose bytes can be sent as attachments.
pub trait Attach: Sized {
    /// The representation for serde.
    type Wire: Serialize + for<'de> Deserialize<'de>;

    /// Converts into the serialized form.
    fn to_wire(&self) -> Self::Wire;

    /// Converts from the deserialized form.
    fn from_wire(wire: Self::Wire) -> Self;
}

impl Attach for Bytes {
    type Wire = Binary;

    fn to_wire(&self) -> Binary {
        Binary(self.clone())
    }

    fn from_wire(wire: Binary) -> Self {
        wire.0
    }
}

/// Copies, because an attachment is shared and a vector is not.
impl Attach for Vec<u8> {
    type Wire = Binary;

    fn to_wire(&self) -> Binary {
        Binary(Bytes::copy_from_slice(self))
    }

    fn from_wire(wire: Binary) -> Self {
        wire.0.into()
    }
}

impl<T: Attach> Attach for Option<T> {
    type Wire = Option<T::Wire>;

    fn to_wire(&self) -> Self::Wire {
        self.as_ref().map(T::to_wire)
    }

    fn from_wire(wire: Self::Wire) -> Self {
        wire.map(T::from_wire)
    }
}

impl<T: Attach> Attach for Vec<T> {
    type Wire = Vec<T::Wire>;

    fn to_wire(&self) -> Self::Wire {
        self.iter().map(T::to_wire).collect()
    }

    fn from_wire(wire: Self::Wire) -> Self {
        wire.into_iter().map(T::from_wire).collect()
    }
}

/// Serialises the field as an attachment.
pub fn serialize<T: Attach, S: Serializer>(field: &T, serializer: S) -> Result<S::Ok, S::Error> {
    field.to_wire().serialize(serializer)
}

/// Fills the field from an attachment.
pub fn deserialize<'de, T: Attach, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::Wire::deserialize(deserializer).map(T::from_wire)
}
