//! One namespace: its entries, requests and answers.

use bytes::Bytes;
use socketio_cluster::DecodeError;
use socketio_cluster::cluster::decode_if;
use socketio_cluster::streams::decode_entry_if;
use socketio_server::cluster::EchoId;

use super::node::{ECHO, StreamsNode};
use super::reader::offset;
use crate::link::Receiver;
use crate::medium::Arrival;

impl StreamsNode {
    /// The number of an operation of this node, if the entry is one that this node applies now.
    fn echo(&self, fields: &[(Bytes, Bytes)]) -> Option<EchoId> {
        let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
        field("uid").filter(|uid| **uid == self.member.id.as_str())?;
        Some(EchoId::from(std::str::from_utf8(field(ECHO)?).ok()?.parse::<u64>().ok()?))
    }

    async fn handle_entry(&self, id: &[u8], fields: Vec<(Bytes, Bytes)>) -> Result<(), DecodeError> {
        let offset = offset(id);
        if let Some((echo, offset)) = self.echo(&fields).zip(offset.as_ref()) {
            self.member.inbox.receive_echo(echo, offset);
            return Ok(());
        }
        let decoded = decode_entry_if(fields, &self.member.limits, |head| self.member.is_wanted(head));
        match (decoded, offset) {
            (Ok(Some(envelope)), offset) => {
                self.member.receive(envelope, offset).await;
                Ok(())
            }
            (skipped, offset) => {
                if let Some(offset) = offset {
                    self.member.inbox.advance(&offset);
                }
                skipped.map(drop)
            }
        }
    }
}

impl Receiver for StreamsNode {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        if arrival.kind.is_none() {
            return self.handle_entry(&arrival.channel, arrival.fields).await;
        }
        let decoded = decode_if(arrival.payload, &self.member.limits, |head| self.member.is_wanted(head))?;
        if let Some(envelope) = decoded {
            self.member.receive(envelope, None).await;
        }
        Ok(())
    }
}
