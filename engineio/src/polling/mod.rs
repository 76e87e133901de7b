//! HTTP long-polling: what a POST brings in and what a GET takes out. Payloads only; HTTP itself is the server's.

mod inbound;
mod outbound;

pub(crate) use self::inbound::{Packets, PayloadForm, packets};
pub(crate) use self::outbound::{PollAnswer, answer};
