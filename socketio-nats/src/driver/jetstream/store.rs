//! Streams and key-value buckets, which are streams too: their names, and their configuration.

use serde_json::{Value, json};
#[cfg(feature = "adapter")]
use socketio_broker::driver::Bucket;

use super::API;
use super::answer::{Failure, milliseconds};
use crate::settings::{JetStream, Storage};
use crate::subject;

/// Minimum of ages for JetStream.
#[cfg(feature = "adapter")]
const MIN_AGE: u64 = 100_000_000;
/// The time in which JetStream recognizes messages that were sent twice, if they have ids, which ours have not.
const DUPLICATES: u64 = 120_000_000_000;

/// A stream as it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    /// The name of the stream.
    pub(crate) name: String,
    /// The subjects of its messages.
    pub(crate) subjects: String,
    max_msgs: u64,
    /// In nanoseconds; zero for ever.
    max_age: u64,
    is_bucket: bool,
}

impl Store {
    /// A stream of entries.
    pub(crate) fn entries(stream: &str, max_len: u64) -> Self {
        let name = subject::stream(stream);
        // The name of a namespace begins with a slash, so that no subject of a namespace is the same.
        let subjects = format!("{name}.entries");
        Self { name, subjects, max_msgs: max_len.clamp(1, i64::MAX as u64), max_age: 0, is_bucket: false }
    }

    /// A bucket. `None` if its name is not legal.
    #[cfg(feature = "adapter")]
    pub(crate) fn bucket(bucket: &Bucket) -> Option<Self> {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if bucket.name.is_empty() || bucket.name.len() > 200 || !bucket.name.bytes().all(is_legal) {
            return None;
        }
        let nanoseconds = u64::try_from(bucket.max_age.as_nanos()).unwrap_or(u64::MAX);
        Some(Self {
            name: format!("KV_{}", bucket.name),
            subjects: format!("{}>", super::keys::prefix(&bucket.name)),
            max_msgs: bucket.max_values.clamp(1, i64::MAX as u64),
            max_age: nanoseconds.clamp(MIN_AGE, i64::MAX as u64),
            is_bucket: true,
        })
    }

    /// The subject of a request about the stream.
    pub(crate) fn api(&self, request: &str) -> String {
        format!("{API}.{request}.{}", self.name)
    }

    /// The configuration of a new stream.
    pub(crate) fn configuration(&self, settings: &JetStream) -> Value {
        let mut json = json!({
            "name": self.name,
            "subjects": [self.subjects],
            "retention": "limits",
            "max_consumers": -1,
            "max_msgs": self.max_msgs,
            "max_bytes": -1,
            "max_age": self.max_age,
            "max_msgs_per_subject": -1,
            "max_msg_size": -1,
            "discard": "old",
            "storage": match settings.storage {
                Storage::File => "file",
                Storage::Memory => "memory",
            },
            "num_replicas": settings.replicas,
            "allow_direct": true,
            "duplicate_window": self.duplicates(DUPLICATES),
        });
        if self.is_bucket {
            json["max_msgs_per_subject"] = 1.into();
            json["discard"] = "new".into();
            json["allow_rollup_hdrs"] = true.into();
        }
        json
    }

    /// Change of the configuration of a stream that exists. `None`: it is right.
    pub(crate) fn update(&self, current: &Value) -> Result<Option<Value>, Failure> {
        let has_subjects = current["subjects"]
            .as_array()
            .is_some_and(|subjects| subjects.contains(&self.subjects.as_str().into()));
        let is_kept = !self.is_bucket || current["max_msgs_per_subject"] == 1 && current["discard"] == "new";
        if !has_subjects || !is_kept {
            let name = &self.name;
            return Err(Failure::new(format!("the stream {name} of JetStream was made for another purpose")));
        }
        let age = current["max_age"].as_u64().unwrap_or_default();
        // The age of entries is not ours.
        let is_age = !self.is_bucket || age == self.max_age;
        if is_age && current["max_msgs"].as_u64() == Some(self.max_msgs) {
            return Ok(None);
        }
        let mut json = current.clone();
        json["max_msgs"] = self.max_msgs.into();
        if self.is_bucket {
            json["max_age"] = self.max_age.into();
            let window = current["duplicate_window"].as_u64().unwrap_or(DUPLICATES);
            json["duplicate_window"] = self.duplicates(window).into();
        }
        Ok(Some(json))
    }

    /// It may not be longer than the age.
    fn duplicates(&self, wanted: u64) -> u64 {
        if self.max_age == 0 { wanted } else { wanted.min(self.max_age) }
    }
}

/// A stream as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// When it was made, in milliseconds since 1970. A stream that was made anew has another time, although it has the same
    /// sequence numbers.
    pub(crate) created: u64,
    /// The sequence number of the first message, or of the next one in an empty stream, which may be 1 or 0 if there was none.
    pub(crate) first: u64,
    /// The sequence number of the last message that was stored, which may be gone.
    pub(crate) last: u64,
}

impl Found {
    /// Reads the answer to `STREAM.INFO`, `STREAM.CREATE` or `STREAM.UPDATE`.
    pub(crate) fn decode(answer: &Value) -> Result<Self, Failure> {
        let number = |name| super::answer::number(&answer["state"], name);
        Ok(Self {
            created: milliseconds(&answer["created"])?,
            first: number("first_seq")?,
            last: number("last_seq")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_of_entries_has_a_length() {
        let store = Store::entries("socket.io", 10);
        assert_eq!((store.name.as_str(), store.subjects.as_str()), ("socket=2Eio", "socket=2Eio.entries"));
        assert_eq!(store.api("STREAM.INFO"), "$JS.API.STREAM.INFO.socket=2Eio");
        let settings = JetStream::default().storage(Storage::Memory).replicas(3);
        let configuration = store.configuration(&settings);
        for (name, value) in [
            ("max_msgs", Value::from(10)),
            ("discard", "old".into()),
            ("storage", "memory".into()),
            ("num_replicas", 3.into()),
            ("max_age", 0.into()),
        ] {
            assert_eq!(configuration[name], value, "{name}");
        }
        assert_eq!(store.update(&configuration), Ok(None));
        // Settings of the owner of the stream stay.
        let mut current = configuration.clone();
        (current["max_age"], current["max_msgs"]) = (5.into(), 9.into());
        let update = store.update(&current).unwrap().unwrap();
        assert_eq!((&update["max_age"], &update["max_msgs"]), (&5.into(), &10.into()));
        current["subjects"] = json!(["a"]);
        assert!(store.update(&current).unwrap_err().text.contains("another purpose"));
    }

    #[cfg(feature = "adapter")]
    #[test]
    fn a_bucket_is_one_of_the_key_value_store_of_nats() {
        use std::time::Duration;

        let bucket = |name: &str, seconds| Bucket {
            name: name.to_owned(),
            max_age: Duration::from_secs(seconds),
            max_values: 7,
        };
        let store = Store::bucket(&bucket("sessions", 10)).unwrap();
        assert_eq!((store.name.as_str(), store.subjects.as_str()), ("KV_sessions", "$KV.sessions.>"));
        let configuration = store.configuration(&JetStream::default());
        for (name, value) in [
            ("max_msgs", Value::from(7)),
            ("max_msgs_per_subject", 1.into()),
            ("discard", "new".into()),
            ("storage", "file".into()),
            ("max_age", 10_000_000_000_u64.into()),
            ("duplicate_window", 10_000_000_000_u64.into()),
        ] {
            assert_eq!(configuration[name], value, "{name}");
        }
        assert_eq!(store.update(&configuration), Ok(None));
        let update = Store::bucket(&bucket("sessions", 5)).unwrap().update(&configuration).unwrap().unwrap();
        assert_eq!(update["max_age"], 5_000_000_000_u64);
        assert_eq!(update["duplicate_window"], 5_000_000_000_u64);
        let update =
            Store::bucket(&bucket("sessions", 1000)).unwrap().update(&configuration).unwrap().unwrap();
        assert_eq!(update["duplicate_window"], 10_000_000_000_u64);
        let mut other = configuration.clone();
        other["discard"] = "old".into();
        assert!(store.update(&other).is_err());
        for name in ["", "a.b", "a b", "é", &"a".repeat(201)] {
            assert_eq!(Store::bucket(&bucket(name, 1)), None, "{name}");
        }
    }

    #[test]
    fn the_state_of_a_stream_is_read() {
        let answer = json!({"created": "1970-01-01T00:00:01Z", "state": {"first_seq": 3, "last_seq": 7}});
        assert_eq!(Found::decode(&answer), Ok(Found { created: 1000, first: 3, last: 7 }));
        assert!(Found::decode(&json!({"created": "1970-01-01T00:00:01Z"})).is_err());
        assert!(Found::decode(&json!({"state": {"first_seq": 3, "last_seq": 7}})).is_err());
    }
}
