//! HTTP long-polling: the payloads of POSTs and of responses to GETs. HTTP itself is handled by the server.

mod inbound;
mod outbound;

pub(crate) use self::inbound::{Packets, PayloadForm, packets};
pub(crate) use self::outbound::{PollAnswer, answer};
