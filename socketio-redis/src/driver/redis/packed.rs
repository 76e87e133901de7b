//! Commands that go out together.

use std::ops::Range;

use redis::{Cmd, Pipeline, Value};

use super::wire::to_redis;
use socketio_broker::driver::Command;

/// Commands as one pipeline.
///
/// Consecutive entries of a stream are appended in a transaction. Redis answers a waiting XREAD after each command, but
/// after a transaction only once, so the readers receive the entries together, and the clients of each server receive
/// them in one write.
pub(crate) struct Packed {
    pub(crate) pipeline: Pipeline,
    /// The commands of each transaction, in their order.
    transactions: Vec<Range<usize>>,
}

impl Packed {
    pub(crate) fn new(commands: &[&Command]) -> Self {
        let mut pipeline = Pipeline::with_capacity(commands.len() + 2);
        let mut transactions = Vec::new();
        let mut start = 0;
        for run in
            commands.chunk_by(|one, next| appends_to(one).is_some() && appends_to(one) == appends_to(next))
        {
            if run.len() > 1 {
                transactions.push(start..start + run.len());
                pipeline.add_command(bare("MULTI"));
            }
            for command in run {
                pipeline.add_command(to_redis(command));
            }
            if run.len() > 1 {
                pipeline.add_command(bare("EXEC"));
            }
            start += run.len();
        }
        Self { pipeline, transactions }
    }

    /// The value of each command. `None` if their number is wrong.
    pub(crate) fn unpack(&self, values: Vec<Value>) -> Option<Vec<Value>> {
        let mut values = values.into_iter();
        let mut unpacked = Vec::with_capacity(values.len());
        for transaction in &self.transactions {
            unpacked.extend(values.by_ref().take(transaction.start - unpacked.len()));
            let _multi = values.next()?;
            let queued: Vec<Value> = values.by_ref().take(transaction.len()).collect();
            let executed = values.next()?;
            unpacked.extend(in_transaction(queued, executed));
        }
        unpacked.extend(values);
        Some(unpacked)
    }
}

fn bare(name: &str) -> Cmd {
    let mut cmd = Cmd::new();
    cmd.arg(name);
    cmd
}

/// The stream to which a command appends.
fn appends_to(command: &Command) -> Option<&str> {
    match command {
        Command::Append { stream, .. } => Some(stream),
        _ => None,
    }
}

/// The values of commands from what Redis said when it queued them, and when it executed them.
fn in_transaction(queued: Vec<Value>, executed: Value) -> Vec<Value> {
    match executed {
        Value::Array(values) if values.len() == queued.len() => values,
        // Nothing was executed: a command was refused, or its slot has moved. Or the user may not use transactions, and
        // each command was executed by itself.
        reason => {
            let is_queued = |value: &Value| matches!(value, Value::SimpleString(text) if text == "QUEUED");
            let value = |value| if is_queued(&value) { reason.clone() } else { value };
            queued.into_iter().map(value).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn append(stream: &str) -> Command {
        let fields = vec![("nsp", Bytes::from_static(b"/"))];
        Command::Append { stream: stream.to_owned(), max_len: 10, fields }
    }

    fn publish() -> Command {
        Command::Publish { channel: "c".to_owned(), payload: Bytes::from_static(b"m"), sharded: false }
    }

    fn packed(commands: &[Command]) -> Packed {
        Packed::new(&commands.iter().collect::<Vec<_>>())
    }

    fn names(packed: &Packed) -> Vec<String> {
        let name = |cmd: &Cmd| match cmd.args_iter().next() {
            Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
            _ => String::new(),
        };
        packed.pipeline.cmd_iter().map(name).collect()
    }

    fn text(text: &str) -> Value {
        Value::SimpleString(text.to_owned())
    }

    fn id(number: i64) -> Value {
        Value::BulkString(format!("{number}-0").into_bytes())
    }

    fn error(text: &str) -> Value {
        match redis::parse_redis_value(format!("-{text}\r\n").as_bytes()) {
            Ok(value @ Value::ServerError(_)) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn consecutive_entries_of_a_stream_are_one_transaction() {
        let commands = [
            publish(),
            append("a"),
            append("a"),
            append("b"),
            publish(),
            append("b"),
            append("b"),
            append("b"),
        ];
        let packed = packed(&commands);
        let expected = [
            "PUBLISH", "MULTI", "XADD", "XADD", "EXEC", "XADD", "PUBLISH", "MULTI", "XADD", "XADD", "XADD",
            "EXEC",
        ];
        assert_eq!(names(&packed), expected);

        let queued = || text("QUEUED");
        let values = vec![
            Value::Int(2),
            Value::Okay,
            queued(),
            queued(),
            Value::Array(vec![id(1), id(2)]),
            id(3),
            Value::Int(2),
            Value::Okay,
            queued(),
            queued(),
            queued(),
            Value::Array(vec![id(4), id(5), id(6)]),
        ];
        let expected = vec![Value::Int(2), id(1), id(2), id(3), Value::Int(2), id(4), id(5), id(6)];
        assert_eq!(packed.unpack(values), Some(expected));
    }

    #[test]
    fn commands_alone_are_no_transaction() {
        let packed = packed(&[append("a"), append("b"), publish(), publish()]);
        assert_eq!(names(&packed), ["XADD", "XADD", "PUBLISH", "PUBLISH"]);
        let values = vec![id(1), id(2), Value::Int(0), Value::Int(0)];
        assert_eq!(packed.unpack(values.clone()), Some(values));
    }

    #[test]
    fn each_command_of_a_refused_transaction_has_the_reason() {
        let packed = packed(&[append("a"), append("a")]);
        let moved = error("MOVED 1 127.0.0.1:7001");
        let aborted = error("EXECABORT Transaction discarded because of previous errors.");
        let values = vec![Value::Okay, moved.clone(), text("QUEUED"), aborted.clone()];
        assert_eq!(packed.unpack(values), Some(vec![moved.clone(), aborted]), "when it was queued");
        let values = vec![Value::Okay, text("QUEUED"), text("QUEUED"), moved.clone()];
        assert_eq!(packed.unpack(values), Some(vec![moved.clone(), moved]), "when it was executed");
    }

    #[test]
    fn without_transactions_each_command_keeps_its_value() {
        let packed = packed(&[append("a"), append("a")]);
        let refused = error("NOPERM this user has no permissions to run the 'multi' command");
        let values = vec![refused, id(1), id(2), error("ERR EXEC without MULTI")];
        assert_eq!(packed.unpack(values), Some(vec![id(1), id(2)]));
    }

    #[test]
    fn a_short_answer_is_noticed() {
        let packed = packed(&[append("a"), append("a")]);
        assert_eq!(packed.unpack(vec![Value::Okay, text("QUEUED")]), None);
    }
}
