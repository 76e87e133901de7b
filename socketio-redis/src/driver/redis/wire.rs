//! Commands and replies in the form of the crate redis.

#[cfg(feature = "adapter")]
use bytes::Bytes;
use redis::{Cmd, Value};

use socketio_broker::driver::{Command, Reply};
#[cfg(feature = "adapter")]
use socketio_broker::driver::{Entry, Request};

/// A command in the form of the crate redis.
pub(crate) fn to_redis(command: &Command) -> Cmd {
    let mut cmd = Cmd::new();
    match command {
        Command::Publish { channel, payload, sharded } => {
            cmd.arg(if *sharded { "SPUBLISH" } else { "PUBLISH" }).arg(channel).arg(&payload[..]);
        }
        // No adapter for Redis sends it. Redis does not know the command, and says so.
        Command::Store { .. } => {
            cmd.arg("STORE");
        }
        Command::Append { stream, max_len, fields } => {
            cmd.arg("XADD").arg(stream).arg("MAXLEN").arg("~").arg(*max_len).arg("*");
            for (name, value) in fields {
                cmd.arg(*name).arg(&value[..]);
            }
        }
        #[cfg(feature = "adapter")]
        Command::Request(request) => add_request(&mut cmd, request),
    }
    cmd
}

#[cfg(feature = "adapter")]
fn add_request(cmd: &mut Cmd, request: &Request) {
    match request {
        Request::Probe { channel, sharded } => {
            cmd.arg(if *sharded { "SPUBLISH" } else { "PUBLISH" }).arg(channel).arg("");
        }
        Request::Subscribers { channel, sharded } => {
            cmd.arg("PUBSUB").arg(if *sharded { "SHARDNUMSUB" } else { "NUMSUB" }).arg(channel);
        }
        Request::Range { stream, from, count } => {
            cmd.arg("XRANGE").arg(stream).arg(from).arg("+").arg("COUNT").arg(*count);
        }
        Request::Script { script, keys, args } => {
            cmd.arg("EVAL").arg(&**script).arg(keys.len());
            for key in keys {
                cmd.arg(key);
            }
            for arg in args {
                cmd.arg(&arg[..]);
            }
        }
        // Values are under keys of scripts. The server refuses this one.
        Request::Get { .. } | Request::Put { .. } | Request::Delete { .. } | Request::List { .. } => {
            cmd.arg("VALUE");
        }
    }
}

/// The reply to this command.
pub(crate) fn reply_to(command: &Command, value: Value) -> Reply {
    match (command, value) {
        #[cfg(feature = "adapter")]
        (Command::Request(Request::Range { .. }), value @ Value::Array(_)) => {
            Reply::Entries(to_entries(value))
        }
        (_, value) => reply(value),
    }
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nothing,
        Value::Int(number) => Reply::Number(number.try_into().unwrap_or(0)),
        Value::BulkString(text) => Reply::Text(String::from_utf8_lossy(&text).into_owned()),
        Value::SimpleString(text) => Reply::Text(text),
        // The counts of PUBSUB: each channel with its number.
        Value::Array(mut list) => reply(list.pop().unwrap_or(Value::Int(0))),
        Value::Map(mut map) => reply(map.pop().map_or(Value::Int(0), |(_, count)| count)),
        Value::ServerError(error) => Reply::Refused(error.to_string()),
        _ => Reply::Text(String::new()),
    }
}

/// The entries of a range: their ids, and their fields in a list.
#[cfg(feature = "adapter")]
pub(super) fn to_entries(value: Value) -> Vec<Entry> {
    let Value::Array(list) = value else { return Vec::new() };
    let entry = |value: Value| {
        let Value::Array(parts) = value else { return None };
        let mut parts = parts.into_iter();
        let Some(Value::BulkString(id)) = parts.next() else { return None };
        let fields = match parts.next() {
            Some(Value::Array(fields)) => fields,
            _ => Vec::new(),
        };
        let mut fields = fields.into_iter().map(|field| match field {
            Value::BulkString(field) => Bytes::from(field),
            _ => Bytes::new(),
        });
        let mut pairs = Vec::new();
        while let Some(pair) = fields.next().zip(fields.next()) {
            pairs.push(pair);
        }
        Some(Entry { id: String::from_utf8_lossy(&id).into_owned(), fields: pairs })
    };
    list.into_iter().filter_map(entry).collect()
}
