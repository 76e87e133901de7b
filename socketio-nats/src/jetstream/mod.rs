//! An adapter and an emitter that keep messages in a stream of JetStream.

#[cfg(feature = "adapter")]
mod adapter;
mod emitter;

#[cfg(feature = "adapter")]
pub use self::adapter::{JetStreamAdapter, JetStreamBuilder};
pub use self::emitter::JetStreamEmitter;

/// The name of a bucket. Different prefixes have different names: every byte of a prefix other than ASCII letters, digits and `-`
/// is `_` and two hexadecimal digits, as names of buckets have no dots.
#[cfg(feature = "adapter")]
fn bucket_name(prefix: &str, bucket: &str) -> String {
    use std::fmt::Write as _;

    let mut name = String::with_capacity(prefix.len() + bucket.len() + 1);
    for byte in prefix.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(name, "_{byte:02X}");
        }
    }
    name.push('-');
    name.push_str(bucket);
    name
}

#[cfg(all(test, feature = "adapter"))]
mod tests {
    use super::bucket_name;

    #[test]
    fn prefixes_have_buckets_of_their_own() {
        assert_eq!(bucket_name("socket.io", "sessions"), "socket_2Eio-sessions");
        assert_ne!(bucket_name("a.b", "x"), bucket_name("a_b", "x"));
    }
}
