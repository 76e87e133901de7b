//! Messages as commands.

use socketio_broker::PublishError;
use socketio_broker::driver::Command;
use socketio_cluster::postgres::{Payload, encode, encode_reference};
use socketio_cluster::{Limits, Message, Sender};

/// The longest notification that PostgreSQL takes, which is one byte less than the official default of `payloadThreshold`.
const MAX_NOTIFICATION: usize = 7999;

/// The parts that all messages of a node or an emitter in one namespace have in common.
#[derive(Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub(crate) sender: Sender<'a>,
    pub(crate) namespace: &'a str,
    pub(crate) channel: &'a str,
    /// The longest notification; a longer message is a row.
    pub(crate) threshold: usize,
    pub(crate) limits: &'a Limits,
}

impl Envelope<'_> {
    /// The command that sends a message.
    pub(crate) fn command(self, message: &Message) -> Result<Command, PublishError> {
        let Self { sender, namespace, channel, threshold, limits } = self;
        let threshold = threshold.min(MAX_NOTIFICATION);
        Ok(match encode(sender, namespace, message, threshold, limits)? {
            Payload::Notification(text) => {
                Command::Publish { channel: channel.to_owned(), payload: text.into(), sharded: false }
            }
            Payload::Row(payload) => {
                let text = String::from_utf8_lossy(&encode_reference(sender, message, ID)).into_owned();
                let (before, after) = text.rsplit_once(ID).unwrap_or((&text, ""));
                Command::Store {
                    channel: channel.to_owned(),
                    payload: payload.into(),
                    before: before.to_owned(),
                    after: after.to_owned(),
                }
            }
        })
    }
}

/// Stands for the id of the row, which only the database knows.
const ID: &str = "$";

#[cfg(test)]
mod tests {
    use super::*;
    use socketio_cluster::{NodeId, Target};

    #[test]
    fn the_reference_has_the_id_of_the_row() {
        let node = NodeId::from("$");
        let rooms = vec!["a".repeat(8000).as_str().into()];
        let message = Message::SocketsJoin { target: Target::default(), rooms };
        let envelope = Envelope {
            sender: Sender::Node(&node),
            namespace: "/",
            channel: "socket.io#/",
            threshold: usize::MAX,
            limits: &Limits::default(),
        };
        let Ok(Command::Store { before, after, .. }) = envelope.command(&message) else { panic!("a row") };
        assert_eq!(format!("{before}42{after}"), r#"{"uid":"$","type":4,"attachmentId":"42"}"#);
        let rooms = vec!["a".into()];
        let message = Message::SocketsJoin { target: Target::default(), rooms };
        assert!(matches!(envelope.command(&message), Ok(Command::Publish { .. })));
        assert!(matches!(
            Envelope { threshold: 10, ..envelope }.command(&message),
            Ok(Command::Store { .. })
        ));
    }
}
