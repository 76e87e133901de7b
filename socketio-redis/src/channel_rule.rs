//! Which channel of sharded pub/sub a message is published on.

use socketio_cluster::Message;
use socketio_cluster::cluster::Channels;

/// How many channels there are: option `subscriptionMode` of the official sharded adapter. All servers and
/// emitters of a cluster need the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubscriptionMode {
    /// One channel for each namespace, and one for each server. For namespaces that come and go.
    Static,
    /// And one for each room that is not the id of a socket: a server receives only what is for its rooms.
    #[default]
    Dynamic,
    /// And one for each socket. For servers whose events are mostly for single sockets.
    DynamicPrivate,
}

impl SubscriptionMode {
    /// Whether a broadcast to this one room has the channel of the room.
    pub(crate) fn has_channel(self, room: &str) -> bool {
        match self {
            Self::Static => false,
            Self::Dynamic => !looks_like_an_id(room),
            Self::DynamicPrivate => true,
        }
    }

    /// The channel of a message. Requests go to all servers, since each has to answer.
    pub(crate) fn channel(self, channels: &Channels, message: &Message) -> String {
        match message {
            Message::Broadcast { target, request: None, .. } => match &target.rooms[..] {
                [room] if self.has_channel(room) => channels.room(room),
                _ => channels.public().to_owned(),
            },
            _ => channels.public().to_owned(),
        }
    }
}

/// As the official adapter says it: 20 characters of JavaScript.
pub(crate) fn looks_like_an_id(room: &str) -> bool {
    room.encode_utf16().count() == 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_have_channels_by_mode() {
        use SubscriptionMode::{Dynamic, DynamicPrivate, Static};
        let id = "abcdefghij0123456789";
        for (mode, public, private) in
            [(Static, false, false), (Dynamic, true, false), (DynamicPrivate, true, true)]
        {
            assert_eq!((mode.has_channel("room"), mode.has_channel(id)), (public, private), "{mode:?}");
        }
        assert!(looks_like_an_id(&"\u{1f600}".repeat(10)) && !looks_like_an_id("é"));
    }
}
