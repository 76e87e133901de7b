//! Sessions in the key-value store of a broker. A value is the state and the owner, a line end, and the session.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Instant;

use super::{SessionKeys, Taken};
use crate::backoff::Backoff;
use crate::driver::BoxFuture;
use crate::error::PublishError;
use crate::values::{Change, Values};

/// Sessions in a bucket.
#[derive(Clone, Debug)]
pub struct StoredKeys(Values);

/// Lifetime of the record that a session was taken over. The former server reads it and stops writing the session.
const TAKEN: Duration = Duration::from_secs(600);

/// Maximum wait for a session that its owner has not written yet: its client has returned a moment ago, and returns again.
const UNWRITTEN: Duration = Duration::from_secs(1);

/// State of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The client counts as connected.
    Live,
    /// The client has disconnected.
    Kept,
    /// The session was taken over, and its owner has not written it yet.
    Taken,
}

const STATES: [(State, &[u8]); 3] =
    [(State::Live, b"live "), (State::Kept, b"kept "), (State::Taken, b"taken ")];

/// A value that was read.
struct Stored<'a> {
    state: State,
    owner: &'a [u8],
    session: Bytes,
}

impl StoredKeys {
    /// Sessions in this bucket. Its values must live for [`min_age`](Self::min_age) at least.
    pub fn new(values: Values) -> Self {
        Self(values)
    }

    /// Lifetime of the values that sessions need which are kept for this time.
    pub fn min_age(keep_for: Duration) -> Duration {
        keep_for.max(TAKEN)
    }

    fn write(
        &self,
        pid: &str,
        state: State,
        owner: Bytes,
        session: &Bytes,
        keep_for: Duration,
    ) -> Result<(), PublishError> {
        let value = encode(state, &owner, session);
        self.0.queue(pid.to_owned(), value.len() + owner.len(), move |current| {
            match current.and_then(decode) {
                Some(stored) if stored.owner != &owner[..] => Change::Keep(()),
                _ => Change::Put { value: value.clone(), keep_for, result: () },
            }
        })
    }
}

impl SessionKeys for StoredKeys {
    fn persist(
        &self,
        pid: &str,
        owner: Bytes,
        session: Bytes,
        keep_for: Duration,
    ) -> Result<(), PublishError> {
        self.write(pid, State::Kept, owner, &session, keep_for)
    }

    fn write_ahead(
        &self,
        pid: &str,
        owner: Bytes,
        session: Bytes,
        keep_for: Duration,
    ) -> Result<(), PublishError> {
        self.write(pid, State::Live, owner, &session, keep_for)
    }

    fn forget(&self, pid: &str, owner: Bytes) {
        // The value ends in any case.
        let _ = self.0.queue(pid.to_owned(), owner.len(), move |current| match current.and_then(decode) {
            Some(stored) if stored.owner == &owner[..] => Change::Remove(()),
            _ => Change::Keep(()),
        });
    }

    fn take<'a>(&'a self, pid: &'a str, owner: Bytes) -> BoxFuture<'a, Result<Option<Taken>, PublishError>> {
        Box::pin(async move {
            let deadline = Instant::now() + UNWRITTEN;
            let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(100));
            loop {
                match self.0.update(pid, |current| taken_by(&owner, current)).await? {
                    Attempt::Unwritten if Instant::now() < deadline => {
                        tokio::time::sleep(backoff.next_delay()).await;
                    }
                    Attempt::Taken(taken) => return Ok(Some(taken)),
                    Attempt::Unwritten | Attempt::Unknown => return Ok(None),
                }
            }
        })
    }
}

/// Result of an attempt to take a session.
enum Attempt {
    Taken(Taken),
    /// It was taken over before, and its owner has not written it yet.
    Unwritten,
    Unknown,
}

fn taken_by(owner: &[u8], current: Option<&Bytes>) -> Change<Attempt> {
    match current.and_then(decode) {
        None => Change::Keep(Attempt::Unknown),
        Some(Stored { state: State::Taken, .. }) => Change::Keep(Attempt::Unwritten),
        Some(Stored { state, session, .. }) => {
            let taken = Taken { session, is_live: state == State::Live };
            Change::Put {
                value: encode(State::Taken, owner, b""),
                keep_for: TAKEN,
                result: Attempt::Taken(taken),
            }
        }
    }
}

fn encode(state: State, owner: &[u8], session: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(owner.len() + session.len() + 8);
    if let Some((_, name)) = STATES.iter().find(|(named, _)| *named == state) {
        out.put_slice(name);
    }
    out.put_slice(owner);
    out.put_u8(b'\n');
    out.put_slice(session);
    out.freeze()
}

/// Reads a value. `None` if it has another form.
fn decode(value: &Bytes) -> Option<Stored<'_>> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let (state, name) = STATES.iter().find(|(_, name)| value.starts_with(name))?;
    Some(Stored { state: *state, owner: value.get(name.len()..end)?, session: value.slice(end + 1..) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_sessions() {
        for (state, _) in STATES {
            let value = encode(state, b"node:1", b"a\nb");
            let stored = decode(&value).unwrap();
            assert_eq!(
                (stored.state, stored.owner, &stored.session[..]),
                (state, &b"node:1"[..], &b"a\nb"[..])
            );
        }
        for other in ["", "live", "live node", "other node\nsession", "live\n"] {
            assert!(decode(&Bytes::from_static(other.as_bytes())).is_none(), "{other}");
        }
    }
}
