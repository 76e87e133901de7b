//! Ids of nodes and of their requests.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Id of a cluster node, separate for each namespace. It may begin with a name that the operator of the node
/// chose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

/// Id of a request to other nodes. It has a meaning only for the requesting node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Arc<str>);

/// Sender id of all emitters: processes that send messages, but are no nodes.
pub const EMITTER: &str = "emitter";

impl NodeId {
    /// A new unique id.
    pub fn random() -> Self {
        Self(random_hex())
    }

    /// A new unique id that begins with the name of the node: `name-` and 16 hexadecimal digits.
    ///
    /// The id becomes a part of channel names, so characters of the name other than ASCII letters, digits,
    /// `-`, `_` and `.` are replaced by `_`, and the name ends after 64 characters.
    pub fn named(name: &str) -> Self {
        let is_plain =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
        let plain = name.chars().take(64).map(|character| if is_plain(character) { character } else { '_' });
        let mut id: String = plain.collect();
        id.push('-');
        id.push_str(&random_hex());
        Self(id.into())
    }

    /// The id as it is sent to other nodes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the sender is an emitter, which receives no messages and answers no requests.
    pub fn is_emitter(&self) -> bool {
        &*self.0 == EMITTER
    }
}

impl RequestId {
    /// A new unique id.
    pub fn random() -> Self {
        Self(random_hex())
    }

    /// The id as it is sent to other nodes.
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

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 8 random bytes as 16 hexadecimal digits, the official cluster adapter's form of node and request ids.
/// These ids are not secret, but must be unique even without random numbers.
fn random_hex() -> Arc<str> {
    let mut bits = [0; 8];
    let number = match getrandom::fill(&mut bits) {
        Ok(()) => u64::from_be_bytes(bits),
        Err(_) => unlike_others(),
    };
    format!("{number:016x}").into()
}

/// A number derived from the process id, the time and a counter.
#[cold]
fn unlike_others() -> u64 {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut hasher = DefaultHasher::new();
    std::process::id().hash(&mut hasher);
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().hash(&mut hasher);
    hasher.finish().wrapping_add(MADE.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        let (one, other) = (NodeId::random(), NodeId::random());
        assert_eq!(one.as_str().len(), 16);
        assert_ne!(one, other);
        assert_ne!(unlike_others(), unlike_others());
        let named = NodeId::named("web 1#é");
        assert_eq!((&named.as_str()[..8], named.as_str().len()), ("web_1__-", 24));
        assert_eq!(NodeId::named(&"x".repeat(100)).as_str().len(), 81);
        assert!(NodeId::from(EMITTER).is_emitter() && !one.is_emitter());
    }
}
