//! Public ids: of sockets, of the sessions that recover, of nodes and their requests.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// One server of a cluster, as far as one namespace is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

/// A request that others answer. It means something only to the node that made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Arc<str>);

/// 15 random bytes as 20 characters, as long as the official server's ids.
pub(crate) fn random_id() -> Arc<str> {
    let mut bits = [0; 15];
    fill(&mut bits);
    URL_SAFE_NO_PAD.encode(bits).into()
}

/// 8 random bytes as 16 hexadecimal digits, as the official cluster adapter names its nodes and requests.
fn random_hex() -> Arc<str> {
    let mut bits = [0; 8];
    fill(&mut bits);
    format!("{:016x}", u64::from_be_bytes(bits)).into()
}

fn fill(bits: &mut [u8]) {
    // A system without randomness costs uniqueness here; the session's id, which is a secret and comes first, would
    // have failed.
    let _ = getrandom::fill(bits);
}

impl NodeId {
    /// A new one that no other node has.
    pub(crate) fn random() -> Self {
        Self(random_hex())
    }

    /// As it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RequestId {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(random_hex())
    }

    /// As it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<&str> for RequestId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
