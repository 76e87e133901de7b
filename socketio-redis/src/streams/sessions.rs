//! Sessions under keys, as official servers keep them.

use std::time::Duration;

use bytes::Bytes;
use socketio_broker::PublishError;
use socketio_broker::driver::{BoxFuture, Command, Reply, Request};
use socketio_broker::medium::Medium;
use socketio_broker::streams::{SessionKeys, Taken};

use super::scripts::{FORGET, LIVE, PERSIST, TAKE, WRITE_AHEAD};

/// Lifetime of the record that a session was taken over. The former server reads it and stops writing the session.
const TAKEN: Duration = Duration::from_secs(600);

/// The keys with a prefix.
pub(super) struct RedisKeys {
    pub(super) medium: Medium,
    pub(super) prefix: String,
}

impl RedisKeys {
    /// The keys of a session: that of the official adapter, and that of a connected client, which is in the same slot of a
    /// Redis Cluster.
    fn of(&self, pid: &str) -> [String; 2] {
        let key = format!("{}{pid}", self.prefix);
        let live = format!("{{{key}}}:live");
        [key, live]
    }

    fn queue(&self, script: &'static str, keys: Vec<String>, args: Vec<Bytes>) -> Result<(), PublishError> {
        self.medium.push(Command::Request(Request::Script { script: script.into(), keys, args }))
    }
}

impl SessionKeys for RedisKeys {
    fn persist(
        &self,
        pid: &str,
        owner: Bytes,
        session: Bytes,
        keep_for: Duration,
    ) -> Result<(), PublishError> {
        self.queue(PERSIST, self.of(pid).into(), vec![owner, session, milliseconds(keep_for)])
    }

    fn write_ahead(
        &self,
        pid: &str,
        owner: Bytes,
        session: Bytes,
        keep_for: Duration,
    ) -> Result<(), PublishError> {
        let [_, live] = self.of(pid);
        self.queue(WRITE_AHEAD, vec![live], vec![owner, session, milliseconds(keep_for)])
    }

    fn forget(&self, pid: &str, owner: Bytes) {
        let [_, live] = self.of(pid);
        // The key expires in any case.
        let _ = self.queue(FORGET, vec![live], vec![owner]);
    }

    fn take<'a>(&'a self, pid: &'a str, owner: Bytes) -> BoxFuture<'a, Result<Option<Taken>, PublishError>> {
        Box::pin(async move {
            let args = vec![owner, milliseconds(TAKEN)];
            let take = Request::Script { script: TAKE.into(), keys: self.of(pid).into(), args };
            match self.medium.request(take).await? {
                Reply::Text(value) => Ok(Some(match value.strip_prefix(LIVE) {
                    Some(session) => Taken { session: session.to_owned().into(), is_live: true },
                    None => Taken { session: value.into(), is_live: false },
                })),
                Reply::Nothing => Ok(None),
                Reply::Refused(reason) => Err(PublishError::Refused(reason)),
                _ => Err(PublishError::Down),
            }
        })
    }
}

/// A time as an argument of a command.
fn milliseconds(time: Duration) -> Bytes {
    time.as_millis().clamp(1, i64::MAX as u128).to_string().into()
}
