//! Bodies of the fuzz targets: they panic when an invariant is violated.

use bytes::{Bytes, BytesMut};

use crate::protocol::{Question, Reply, next_frame, read_fields};

/// A message, read in each form: what can be read is written as the same bytes again.
pub fn message(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(question) = Question::read(bytes.clone()) {
        let mut out = BytesMut::new();
        question.write(&mut out);
        assert_eq!(&out[..], data, "{question:?}");
    }
    if let Ok(reply) = Reply::read(bytes.clone()) {
        let mut out = BytesMut::new();
        reply.write(&mut out);
        assert_eq!(&out[..], data, "{reply:?}");
        if let Reply::Entries(entries) = reply {
            for entry in entries {
                let _ = read_fields(entry.fields);
            }
        }
    }
    let mut received = BytesMut::from(data);
    while let Ok(Some(_)) = next_frame(&mut received) {}
}
