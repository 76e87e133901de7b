//! The commands of a batch that go through their steps together. JetStream stores messages some time after it has received them, so
//! that a read behind a write would not see it: such a command waits for the replies of those before it.

use std::collections::HashSet;
use std::ops::Range;

use socketio_broker::driver::Command;
#[cfg(feature = "adapter")]
use socketio_broker::driver::Request;

/// Keys and streams that the commands of a part of a batch use.
#[derive(Default)]
struct Used<'a> {
    appended: HashSet<&'a str>,
    #[cfg(feature = "adapter")]
    ranges: HashSet<&'a str>,
    /// Keys with their buckets.
    #[cfg(feature = "adapter")]
    keys: HashSet<(&'a str, &'a str)>,
    /// Buckets of these keys.
    #[cfg(feature = "adapter")]
    buckets: HashSet<&'a str>,
    #[cfg(feature = "adapter")]
    lists: HashSet<&'a str>,
}

impl<'a> Used<'a> {
    /// Adds a command. `false` if it has to wait for one of the others.
    fn add(&mut self, command: &'a Command) -> bool {
        match command {
            Command::Append { stream, .. } => {
                self.appended.insert(stream);
                #[cfg(feature = "adapter")]
                return !self.ranges.contains(stream.as_str());
                #[cfg(not(feature = "adapter"))]
                true
            }
            #[cfg(feature = "adapter")]
            Command::Request(Request::Range { stream, .. }) => {
                self.ranges.insert(stream);
                !self.appended.contains(stream.as_str())
            }
            #[cfg(feature = "adapter")]
            Command::Request(
                Request::Get { bucket, key }
                | Request::Put { bucket, key, .. }
                | Request::Delete { bucket, key, .. },
            ) => {
                self.buckets.insert(&bucket.name);
                self.keys.insert((&bucket.name, key)) && !self.lists.contains(bucket.name.as_str())
            }
            #[cfg(feature = "adapter")]
            Command::Request(Request::List { bucket, .. }) => {
                self.lists.insert(&bucket.name);
                !self.buckets.contains(bucket.name.as_str())
            }
            _ => true,
        }
    }
}

/// The parts of a batch, one after the other. Nearly always there is one.
pub(super) fn parts(batch: &[&Command]) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut used) = (Vec::new(), 0, Used::default());
    for (place, command) in batch.iter().enumerate() {
        if !used.add(command) {
            parts.push(start..place);
            (start, used) = (place, Used::default());
            used.add(command);
        }
    }
    parts.push(start..batch.len());
    parts
}

#[cfg(all(test, feature = "adapter"))]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use socketio_broker::driver::Bucket;

    use super::*;

    #[test]
    fn a_command_waits_for_those_that_it_depends_on() {
        let bucket = |name: &str| {
            Arc::new(Bucket { name: name.to_owned(), max_age: Duration::from_secs(1), max_values: 1 })
        };
        let get = |name: &str, key: &str| {
            Command::Request(Request::Get { bucket: bucket(name), key: key.to_owned() })
        };
        let list = |name: &str| Command::Request(Request::List { bucket: bucket(name), after: 0, count: 1 });
        let append =
            |stream: &str| Command::Append { stream: stream.to_owned(), max_len: 1, fields: Vec::new() };
        let range = |stream: &str| {
            Command::Request(Request::Range { stream: stream.to_owned(), from: "0-0".to_owned(), count: 1 })
        };
        let publish = || Command::Publish { channel: "a".to_owned(), payload: Bytes::new(), sharded: false };
        for (batch, expected) in [
            (
                vec![
                    publish(),
                    append("s"),
                    append("s"),
                    get("b", "k"),
                    get("b", "l"),
                    get("c", "k"),
                    range("t"),
                    publish(),
                ],
                vec![8],
            ),
            (vec![get("b", "k"), get("b", "k"), get("b", "l")], vec![1, 2]),
            (vec![get("b", "k"), list("c"), list("b"), get("b", "k"), list("b")], vec![2, 1, 1, 1]),
            (vec![append("s"), range("t"), range("s"), append("s")], vec![2, 1, 1]),
        ] {
            let parts = parts(&batch.iter().collect::<Vec<_>>());
            assert_eq!(parts.iter().map(ExactSizeIterator::len).collect::<Vec<_>>(), expected);
        }
    }
}
