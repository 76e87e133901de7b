//! Bodies of the fuzz targets: they panic when an invariant is violated.

use crate::driver::jetstream;
use crate::protocol::{Decoder, Headers, Info, Operation, ProtocolError, missing_permission};

/// Maximum size of a message, which inputs reach.
const MAX_MESSAGE: usize = 100;

/// The bytes of a server: the operations are the same wherever the bytes are cut, and no message is larger than the limit. The
/// first byte says where they are cut.
pub fn stream(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let whole = operations(std::iter::once(bytes));
    assert_eq!(whole, operations(bytes.chunks(usize::from(*cut).max(1))), "cut after {cut}");
    for operation in &whole.0 {
        match operation {
            Operation::Message(message) => {
                assert!(message.headers.len() + message.payload.len() <= MAX_MESSAGE, "a large message");
                if let Some(headers) = Headers::decode(&message.headers) {
                    assert!(headers.status.is_none_or(|status| status < 1000), "a long status");
                    if let Some(value) = headers.value("Nats-Sequence") {
                        assert!(!value.contains("\r\n"), "two lines");
                    }
                }
                jetstream::entry::decode(&message.payload);
                if let Ok(answer) = jetstream::answer::decode(&message.payload) {
                    let _ = jetstream::store::Found::decode(&answer);
                }
            }
            Operation::Skipped(message) => assert!(message.payload.is_empty(), "a message that was kept"),
            Operation::Info(json) => {
                if let Ok(info) = Info::decode(json) {
                    assert!(info.servers.len() <= 64, "many servers");
                }
            }
            Operation::Error(text) => {
                missing_permission(text);
            }
            _ => {}
        }
    }
}

fn operations<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<Operation>, Option<ProtocolError>) {
    let mut decoder = Decoder::new(MAX_MESSAGE);
    let mut operations = Vec::new();
    for part in parts {
        decoder.space().extend_from_slice(part);
        loop {
            match decoder.decode() {
                Ok(Some(operation)) => operations.push(operation),
                Ok(None) => break,
                Err(error) => return (operations, Some(error)),
            }
        }
    }
    (operations, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_pass() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/socketio-nats/seeds/stream");
        let files = std::fs::read_dir(folder).unwrap();
        let mut count = 0;
        for file in files {
            stream(&std::fs::read(file.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0);
    }
}
