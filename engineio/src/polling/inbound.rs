//! The packets of a POST.

use bytes::Bytes;

use crate::protocol::packet::{Packet, ParseError, Protocol};
use crate::protocol::payload::{self, v3};
use crate::protocol::text::Text;

/// The encoding of packets in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadForm {
    /// Text, in the form of the protocol revision.
    Text(Protocol),
    /// Revision 3 with `application/octet-stream`.
    BinaryV3,
}

/// The packets of a body, decoded one by one.
pub(crate) type Packets = Box<dyn Iterator<Item = Result<Packet, ParseError>> + Send>;

/// The packets of a body. Invalid UTF-8 is an error: a replacement character would change the client's data.
pub(crate) fn packets(body: Bytes, form: PayloadForm, max_packets: usize) -> Packets {
    let text = |body| Text::from_utf8(body).map_err(|_| ParseError::Utf8);
    match form {
        PayloadForm::BinaryV3 => Box::new(v3::decode_binary_payload(body, max_packets)),
        PayloadForm::Text(protocol) => match (text(body), protocol) {
            (Ok(text), Protocol::V4) => Box::new(payload::decode(text, max_packets)),
            (Ok(text), Protocol::V3) => Box::new(v3::decode_text_payload(text, max_packets)),
            (Err(error), _) => Box::new(std::iter::once(Err(error))),
        },
    }
}
