//! Consumers, which live as long as messages are asked for.

use serde_json::{Value, json};

use super::store::Store;

/// Time in seconds after which a consumer that is not asked for messages is removed.
pub(crate) const UNUSED: u64 = 60;

/// The configuration of a consumer of the messages behind this sequence number.
pub(crate) fn configuration(store: &Store, after: u64) -> Value {
    json!({
        "stream_name": store.name,
        "config": {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after.saturating_add(1),
            "ack_policy": "none",
            "inactive_threshold": UNUSED * 1_000_000_000,
            "mem_storage": true,
            "num_replicas": 1,
        },
    })
}

/// The name that JetStream has given to a consumer. One that cannot be part of a subject is none.
pub(crate) fn name(created: &Value) -> Option<&str> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let name = created["name"].as_str()?;
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(is_legal);
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_has_a_plain_name() {
        assert_eq!(name(&json!({"name": "2YzYel6X"})), Some("2YzYel6X"));
        for bad in [
            json!({}),
            json!({"name": ""}),
            json!({"name": "a b"}),
            json!({"name": "a\r\n"}),
            json!({"name": "a".repeat(65)}),
        ] {
            assert_eq!(name(&bad), None, "{bad}");
        }
    }
}
