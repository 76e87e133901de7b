//! Messages of a stream, as the API of JetStream answers them and as consumers deliver them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use super::answer::{Failure, number};
use crate::protocol::{Headers, Message};

/// The header of a message that stands for a removed value. Only other programs write them.
const OPERATION: &str = "KV-Operation";

/// A message of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    /// Whether it stands for a removed value.
    pub(crate) is_removal: bool,
    pub(crate) data: Bytes,
}

impl Stored {
    /// Reads the answer to `STREAM.MSG.GET`.
    pub(crate) fn decode(answer: &Value) -> Result<Self, Failure> {
        let message = &answer["message"];
        let bytes = |name: &str| {
            let text = message[name].as_str().unwrap_or_default();
            STANDARD
                .decode(text)
                .map_err(|_| Failure::new(format!("the {name} of a message of JetStream cannot be read")))
        };
        let headers = bytes("hdrs")?;
        Ok(Self {
            subject: message["subject"].as_str().unwrap_or_default().to_owned(),
            sequence: number(message, "seq")?,
            is_removal: is_removal(&headers),
            data: bytes("data")?.into(),
        })
    }
}

/// Whether a message with these headers stands for a removed value.
pub(crate) fn is_removal(headers: &[u8]) -> bool {
    let operation = Headers::decode(headers).and_then(|headers| headers.value(OPERATION));
    matches!(operation, Some("DEL" | "PURGE"))
}

/// Message of a consumer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// A message with this sequence number.
    Message(u64),
    /// The request for messages has ended: its time is over, or there are none.
    End,
    /// The consumer is there.
    Heartbeat,
    /// The consumer cannot be used any more.
    Failed(String),
}

impl Delivered {
    /// Reads a message.
    pub(crate) fn decode(message: &Message) -> Self {
        // A message of a user has a subject for its acknowledgement, and a status has none.
        if let Some(sequence) = sequence(&message.reply) {
            return Self::Message(sequence);
        }
        match Headers::decode(&message.headers) {
            Some(Headers { status: Some(404 | 408), .. }) => Self::End,
            Some(Headers { status: Some(100), .. }) => Self::Heartbeat,
            Some(Headers { status: Some(status), description, .. }) => {
                let shown: String = description.chars().flat_map(char::escape_debug).take(100).collect();
                Self::Failed(format!("a consumer of JetStream has ended: {status} {shown}"))
            }
            _ => Self::Failed("a consumer of JetStream sends what is no message of a stream".to_owned()),
        }
    }
}

/// The sequence number in the subject of an acknowledgement:
/// `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<sequence>.…`
fn sequence(reply: &[u8]) -> Option<u64> {
    let rest = std::str::from_utf8(reply).ok()?.strip_prefix("$JS.ACK.")?;
    let tokens: Vec<&str> = rest.split('.').take(16).collect();
    let place = if tokens.len() >= 9 { 5 } else { 3 };
    tokens.get(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_have_the_message_in_base64() {
        let headers = STANDARD.encode(Headers::encode(&[("KV-Operation", "DEL")]));
        let answer = json!({"message": {"subject": "a", "seq": 3, "data": "eHl6", "hdrs": headers}});
        let (subject, data) = ("a".to_owned(), "xyz".into());
        assert_eq!(Stored::decode(&answer), Ok(Stored { subject, sequence: 3, is_removal: true, data }));
        let plain = Stored::decode(&json!({"message": {"subject": "a", "seq": 3}})).unwrap();
        assert_eq!((plain.is_removal, plain.data.len()), (false, 0));
        for bad in [
            json!({}),
            json!({"message": {"seq": 3, "data": "*"}}),
            json!({"message": {"seq": 3, "hdrs": "x"}}),
        ] {
            assert!(Stored::decode(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn deliveries_are_told_from_statuses() {
        let read = |reply: &'static str, headers: &'static str| {
            let (reply, headers) = (reply.into(), headers.into());
            Delivered::decode(&Message { reply, headers, ..Message::default() })
        };
        assert_eq!(read("$JS.ACK.S.c.1.102.100.1796065720344041948.98", ""), Delivered::Message(102));
        assert_eq!(read("$JS.ACK.domain.hash.S.c.1.102.100.1796.98.token", ""), Delivered::Message(102));
        assert_eq!(
            read("$JS.ACK.S.c.1.7.1.1.0", "NATS/1.0 408\r\n\r\n"),
            Delivered::Message(7),
            "headers of a user"
        );
        assert_eq!(read("", "NATS/1.0 408 Request Timeout\r\n\r\n"), Delivered::End);
        assert_eq!(read("", "NATS/1.0 404 No Messages\r\n\r\n"), Delivered::End);
        assert_eq!(read("", "NATS/1.0 100 Idle Heartbeat\r\n\r\n"), Delivered::Heartbeat);
        for (reply, headers) in [
            ("", "NATS/1.0 409 Consumer Deleted\r\n\r\n"),
            ("", ""),
            ("a.b", ""),
            ("$JS.ACK.S.c.1", ""),
            ("$JS.ACK.S.c.1.x.1.1.1", ""),
        ] {
            assert!(matches!(read(reply, headers), Delivered::Failed(_)), "{reply} {headers}");
        }
    }
}
