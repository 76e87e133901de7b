//! The name of a namespace, as a slice of the packet it came with.

use std::fmt;

use bytes::Bytes;

use crate::DecodeError;

/// The name of a namespace: `/`, or `/chat`.
///
/// A name is a slice of its packet, so extracting it copies nothing. The default namespace holds no reference
/// to the packet.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Namespace(Bytes);

impl Namespace {
    /// The default namespace, `/`.
    pub const fn root() -> Self {
        Self(Bytes::from_static(b"/"))
    }

    /// `bytes` must come from text; a binary message may contain anything.
    pub(crate) fn from_wire(name: Bytes) -> Result<Self, DecodeError> {
        match std::str::from_utf8(&name) {
            Ok(_) => Ok(Self(name)),
            Err(_) => Err(DecodeError::Unicode),
        }
    }

    /// The whole name, as received.
    pub fn as_str(&self) -> &str {
        // The bytes were validated at construction. A second check costs a few nanoseconds and avoids
        // `unsafe`.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether this is the default namespace.
    pub fn is_root(&self) -> bool {
        self.0 == b"/"[..]
    }

    /// The name without its query string. Clients of Socket.IO v2 send their credentials in the query string,
    /// later versions in the payload of CONNECT: `0/chat?token=abc`.
    pub fn path(&self) -> &str {
        self.as_str().split_once('?').map_or(self.as_str(), |(path, _)| path)
    }

    /// The query string after the first question mark, still percent-encoded.
    pub fn query(&self) -> Option<&str> {
        self.as_str().split_once('?').map(|(_, query)| query)
    }
}

impl From<String> for Namespace {
    fn from(name: String) -> Self {
        Self(Bytes::from(name))
    }
}

impl From<&str> for Namespace {
    fn from(name: &str) -> Self {
        if name == "/" { Self::root() } else { Self(Bytes::copy_from_slice(name.as_bytes())) }
    }
}

impl AsRef<str> for Namespace {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for Namespace {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Namespace {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
