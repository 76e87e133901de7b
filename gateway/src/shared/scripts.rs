//! Operations on the shared state, and their scripts for Redis. Each has one key, so that it runs on any kind of Redis.

/// Operation on the shared state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Reserve,
    Renew,
    Complete,
    Release,
    SaveClient,
    FindClient,
    RemoveClient,
    Revoke,
    Revocations,
    /// Deletes what has expired, which Redis does by itself.
    Clean,
}

/// The script of an operation.
pub(super) fn script(operation: Operation) -> &'static str {
    match operation {
        Operation::Reserve => RESERVE,
        Operation::Renew => RENEW,
        Operation::Complete => COMPLETE,
        Operation::Release => RELEASE,
        Operation::SaveClient => SAVE_CLIENT,
        Operation::FindClient => FIND_CLIENT,
        Operation::RemoveClient => REMOVE_CLIENT,
        Operation::Revoke => REVOKE,
        Operation::Revocations => REVOCATIONS,
        Operation::Clean => "return 0",
    }
}

/// Reserves an idempotency key. Arguments: the digest of the call, the owner, the milliseconds of the reservation, the
/// longest response that is returned.
const RESERVE: &str = "
local call = redis.call('HMGET', KEYS[1], 'request', 'response')
if not call[1] then
  redis.call('HSET', KEYS[1], 'request', ARGV[1], 'owner', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 'new'
end
if call[1] ~= ARGV[1] then return 'other' end
if not call[2] then return 'running' end
if call[2] == '' or #call[2] > tonumber(ARGV[4]) then return 'large' end
return 'done' .. call[2]";

/// Extends the reservation of a call that still runs. Arguments: the owner, milliseconds.
const RENEW: &str = "
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// Stores the response of a call; an empty one stands for one that is too large. Arguments: the owner, the response,
/// milliseconds.
const COMPLETE: &str = "
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'response', ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])";

/// Frees the key of a call that has failed. Argument: the owner.
const RELEASE: &str = "
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
if redis.call('HEXISTS', KEYS[1], 'response') == 1 then return 0 end
return redis.call('DEL', KEYS[1])";

/// Saves a client: its number, 16 digits, and its state. Arguments: both together, milliseconds.
const SAVE_CLIENT: &str = "
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1";

/// Reads a client. Argument: the longest value that is returned.
const FIND_CLIENT: &str = "
if redis.call('STRLEN', KEYS[1]) > tonumber(ARGV[1]) then return false end
return redis.call('GET', KEYS[1])";

/// Removes a client with this number.
const REMOVE_CLIENT: &str = "
if redis.call('GETRANGE', KEYS[1], 0, 15) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// Revokes the tokens of a user. Arguments: the user, the time, the seconds for which it is remembered, the limit of
/// users. The reply is 0 if the limit is reached.
const REVOKE: &str = "
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', ARGV[2] - ARGV[3]))
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not known and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
if not known or tonumber(known) < tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
end
redis.call('EXPIRE', KEYS[1], string.format('%.0f', ARGV[3] + 60))
return 1";

/// Reads revocations, newest first, so that those that are added meanwhile hide none. Arguments: the oldest time, how
/// many to skip, how many to read, the longest name. The reply is a list of users and times in JSON.
const REVOCATIONS: &str = "
local found = redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', ARGV[1], 'WITHSCORES', 'LIMIT', ARGV[2], ARGV[3])
local list = {}
for i = 1, #found, 2 do
  if #found[i] <= tonumber(ARGV[4]) then
    list[#list + 1] = found[i]
    list[#list + 1] = found[i + 1]
  end
end
return #found / 2 .. ' ' .. (#list > 0 and cjson.encode(list) or '[]')";
