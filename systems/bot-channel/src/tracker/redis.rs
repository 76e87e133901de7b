//! A tracker in Redis, for conversations that outlive the process.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use socketio_redis::{ClassicAdapter, Health, PublishError, Redis, ScriptReply, SettingsError};

use super::{Entry, Tracker, TrackerConfig, TrackerError, Tracking};

/// Appends an entry, and removes the oldest ones beyond the limits. An entry that is there already was stored by an
/// attempt whose reply was lost.
const APPEND: &str = r"
local function push(key, max)
  redis.call('RPUSH', key, ARGV[1])
  local all = redis.call('LRANGE', key, 0, -1)
  local bytes, kept = 0, 0
  for number = #all, 1, -1 do
    bytes = bytes + #all[number]
    if kept >= tonumber(max) or bytes > tonumber(ARGV[5]) then break end
    kept = kept + 1
  end
  redis.call('LTRIM', key, #all - kept, -1)
  redis.call('PEXPIRE', key, ARGV[6])
  return #all - kept
end
if redis.call('LINDEX', KEYS[1], -1) == ARGV[1] then return 0 end
push(KEYS[1], ARGV[3])
if ARGV[2] == '1' then return 0 end
return push(KEYS[2], ARGV[4])
";
const READ: &str = "return '[' .. table.concat(redis.call('LRANGE', KEYS[1], 0, -1), ',') .. ']'";
const HEARD: &str = "redis.call('LTRIM', KEYS[1], ARGV[1], -1) return 0";
const FORGET: &str = "return redis.call('DEL', KEYS[1], KEYS[2])";

/// Keeps conversations in Redis, in two lists of JSON each: all entries, and those that wait for a client.
///
/// If Redis is not reached, entries wait in memory for it; see [`Redis::max_queued_bytes`].
#[derive(Debug)]
pub struct RedisTracker {
    /// It has the connections; no server uses it as its adapter.
    redis: ClassicAdapter,
    prefix: String,
    /// Arguments of [`APPEND`].
    limits: [String; 4],
}

/// Invalid settings of a tracker.
#[derive(Debug, thiserror::Error)]
#[error("tracker.url: {0}")]
pub struct TrackerConfigError(#[from] SettingsError);

/// An entry, with a number that tells it from equal ones.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: u64,
    #[serde(flatten)]
    entry: Entry,
}

impl RedisTracker {
    /// A tracker at this URL, with the limits of these settings. It must be called within a runtime of tokio.
    pub fn new(url: &str, config: &TrackerConfig) -> Result<Self, TrackerConfigError> {
        let redis = ClassicAdapter::new(&Redis::open(url)?.client_name("bot-channel"));
        let limits = [
            config.max_messages as u64,
            config.max_unheard as u64,
            config.max_conversation_bytes as u64,
            config.idle_seconds.saturating_mul(1000),
        ];
        Ok(Self { redis, prefix: config.prefix.clone(), limits: limits.map(|limit| limit.to_string()) })
    }

    /// The braces keep both lists in one slot of a Redis Cluster. A brace in the id, which clients choose, would end them.
    fn key(&self, list: &str, conversation: &str) -> String {
        let id = conversation.replace('%', "%25").replace('}', "%7D");
        format!("{}:{list}:{{{id}}}", self.prefix)
    }

    async fn run(
        &self,
        script: &'static str,
        keys: Vec<String>,
        args: Vec<Vec<u8>>,
    ) -> Result<ScriptReply, TrackerError> {
        self.redis.connections().run_script(script, keys, args).await.map_err(unavailable)
    }

    async fn read(&self, key: String) -> Result<Vec<Entry>, TrackerError> {
        let ScriptReply::Text(json) = self.run(READ, vec![key], Vec::new()).await? else {
            return Ok(Vec::new());
        };
        let stored: Vec<Stored> = serde_json::from_str(&json)?;
        Ok(stored.into_iter().map(|stored| stored.entry).collect())
    }
}

impl Tracker for RedisTracker {
    fn append<'a>(&'a self, conversation: &'a str, entry: Entry, is_heard: bool) -> Tracking<'a, usize> {
        Box::pin(async move {
            let keys = vec![self.key("history", conversation), self.key("unheard", conversation)];
            let stored = Stored { id: getrandom::u64().unwrap_or_default(), entry };
            let is_heard: &[u8] = if is_heard { b"1" } else { b"0" };
            let mut args = vec![serde_json::to_vec(&stored)?, is_heard.to_vec()];
            args.extend(self.limits.iter().map(|limit| limit.clone().into_bytes()));
            let connections = self.redis.connections();
            match connections.run_script(APPEND, keys.clone(), args.clone()).await {
                Ok(ScriptReply::Number(dropped)) => Ok(usize::try_from(dropped).unwrap_or(usize::MAX)),
                Ok(_) => Ok(0),
                // The script runs when Redis is reached, and does nothing if it has run.
                Err(PublishError::Down) => {
                    connections.queue_script(APPEND, keys, args).map_err(unavailable)?;
                    Ok(0)
                }
                Err(error) => Err(unavailable(error)),
            }
        })
    }

    fn history<'a>(&'a self, conversation: &'a str) -> Tracking<'a, Vec<Entry>> {
        Box::pin(self.read(self.key("history", conversation)))
    }

    fn unheard<'a>(&'a self, conversation: &'a str) -> Tracking<'a, Vec<Value>> {
        Box::pin(async move {
            let entries = self.read(self.key("unheard", conversation)).await?;
            Ok(entries.into_iter().map(|entry| entry.payload).collect())
        })
    }

    fn heard<'a>(&'a self, conversation: &'a str, count: usize) -> Tracking<'a, ()> {
        Box::pin(async move {
            let key = self.key("unheard", conversation);
            self.run(HEARD, vec![key], vec![count.to_string().into_bytes()]).await.map(drop)
        })
    }

    fn forget<'a>(&'a self, conversation: &'a str) -> Tracking<'a, ()> {
        Box::pin(async move {
            let keys = vec![self.key("history", conversation), self.key("unheard", conversation)];
            self.run(FORGET, keys, Vec::new()).await.map(drop)
        })
    }

    fn is_ready(&self) -> bool {
        *self.redis.connections().health().borrow() == Health::Connected
    }
}

fn unavailable(error: PublishError) -> TrackerError {
    TrackerError::Unavailable(error.into())
}
