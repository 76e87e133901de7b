//! Scripts that change sessions in Redis.
//!
//! The session of a disconnected client is a value under the key of the official adapter, with which official servers
//! recover it too. That of a connected client is a hash under a key of its own: `owner`, the server and the lease that
//! hold it, and `session`. Without `session` the owner has taken it over and has not written it yet. A server whose session
//! was taken over changes nothing any more.

/// Keeps the session of a client that has disconnected. Keys: the session, the live session. Arguments: the owner, the
/// session, milliseconds.
pub(super) const PERSIST: &str = "
local owner = redis.call('HGET', KEYS[2], 'owner')
if owner and owner ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

/// Writes the session of a connected client. Key: the live session. Arguments as above.
pub(super) const WRITE_AHEAD: &str = "
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'session', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1";

/// Removes the session of a client that will not be recovered. Key: the live session. Argument: the owner.
pub(super) const FORGET: &str = "
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// In front of a session that was written ahead. A session is base64.
pub(super) const LIVE: char = '!';

/// Takes a session: that of a disconnected client, or that of a connected one, marked by [`LIVE`]. Keys: the session, the
/// live session. Arguments: the new owner, milliseconds.
pub(super) const TAKE: &str = "
local session = redis.call('GET', KEYS[1])
if session then
  redis.call('DEL', KEYS[1], KEYS[2])
  return session
end
session = redis.call('HGET', KEYS[2], 'session')
if not session then return false end
redis.call('HDEL', KEYS[2], 'session')
redis.call('HSET', KEYS[2], 'owner', ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return '!' .. session";
