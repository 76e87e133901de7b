//! Names of channels.

use crate::id::NodeId;
use crate::target::Target;

/// The channels of one namespace: option `key` of the official adapter, with its default `socket.io`.
#[derive(Clone, Debug)]
pub struct Channels {
    broadcast: String,
    requests: String,
    responses: String,
}

impl Channels {
    /// The channels of a namespace.
    pub fn new(key: &str, namespace: &str) -> Self {
        Self {
            broadcast: format!("{key}#{namespace}#"),
            requests: format!("{key}-request#{namespace}#"),
            responses: format!("{key}-response#{namespace}#"),
        }
    }

    /// The channel of a broadcast: that of the room if the target names exactly one.
    pub fn broadcast(&self, target: &Target) -> String {
        match &target.rooms[..] {
            [room] => format!("{}{room}#", self.broadcast),
            _ => self.broadcast.clone(),
        }
    }

    /// The pattern for PSUBSCRIBE that matches the channels of all broadcasts. Characters of the key and the
    /// namespace that have a meaning in patterns are escaped.
    pub fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.broadcast.len() + 8);
        for character in self.broadcast.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }

    /// The room that the channel of a broadcast names: `Some(None)` for a broadcast that names none or
    /// several, `None` for a channel of something else.
    pub fn room_of<'a>(&self, channel: &'a str) -> Option<Option<&'a str>> {
        let rest = channel.strip_prefix(&self.broadcast)?;
        if rest.is_empty() { Some(None) } else { rest.strip_suffix('#').map(Some) }
    }

    /// The channel of requests. The number of its subscribers is the number of nodes.
    pub fn requests(&self) -> &str {
        &self.requests
    }

    /// The channel of answers.
    pub fn responses(&self) -> &str {
        &self.responses
    }

    /// The channel of answers to one node, which the official option `publishOnSpecificResponseChannel` uses.
    /// All nodes listen on their own.
    pub fn responses_of(&self, node: &NodeId) -> String {
        format!("{}{node}#", self.responses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_patterns() {
        let channels = Channels::new("key", "/a[b]*?^\\");
        let channel = |rooms: &[&str]| {
            let rooms = rooms.iter().map(|room| (*room).into()).collect();
            channels.broadcast(&Target { rooms, except: Vec::new() })
        };
        assert_eq!(channels.pattern(), r"key#/a\[b\]\*\?\^\\#*");
        assert_eq!(channels.room_of(&channel(&["r#1"])), Some(Some("r#1")));
        assert_eq!(channels.room_of(&channel(&[""])), Some(Some("")));
        assert_eq!(channels.room_of(&channel(&["a", "b"])), Some(None));
        assert_eq!(
            (channels.room_of("key#/"), channels.room_of(&format!("{}x", channel(&[])))),
            (None, None)
        );
        assert_eq!(channels.responses_of(&"n".into()), "key-response#/a[b]*?^\\#n#");
    }
}
