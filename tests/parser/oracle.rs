//! The Node program that runs the official parsers.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value as Json;
use socketio_parser::Parser;

use crate::packet::{Message, Packet};

pub(crate) struct Oracle {
    child: Child,
    answers: std::io::Lines<BufReader<ChildStdout>>,
}

/// The input of the oracle; another thread may write while this one reads.
pub(crate) struct Questions(BufWriter<ChildStdin>);

impl Oracle {
    /// Installs the packages if they are missing, and starts the program. Without Node the comparison is
    /// impossible and the test fails.
    pub(crate) fn start() -> (Self, Questions) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !here.join("node_modules/.package-lock.json").exists() {
            let install =
                Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(here).status();
            match install {
                Ok(status) if status.success() => {}
                Ok(status) => panic!("npm ci in {} ended with {status}", here.display()),
                Err(error) => panic!("the official parsers come from npm, which cannot be run: {error}"),
            }
        }
        let spawned = Command::new("node")
            .arg(here.join("oracle.js"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => panic!("the official parsers need Node.js, which cannot be run: {error}"),
        };
        let questions = Questions(BufWriter::with_capacity(1 << 16, child.stdin.take().unwrap()));
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        (Self { child, answers }, questions)
    }

    /// The next response, in the order of the requests.
    pub(crate) fn answer(&mut self) -> Answer {
        let line = self.answers.next().expect("the oracle has ended early").unwrap();
        let answer: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let encoded = answer.get("encoded").and_then(Json::as_array);
        Answer {
            encoded: encoded.map(|parts| parts.iter().map(Message::from_pipe).collect()),
            decoded: answer["decoded"].as_array().unwrap().iter().map(decoded).collect(),
        }
    }
}

fn decoded(answer: &Json) -> Result<Option<Packet>, String> {
    match (answer, answer.get("error")) {
        (Json::Null, _) => Ok(None),
        (_, Some(error)) => Err(error.as_str().unwrap_or_default().to_owned()),
        (packet, None) => Ok(Some(Packet::from_pipe(packet))),
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // The process ends with its input; after a failed test the input may still be open.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The result of the official parser for one request.
pub(crate) struct Answer {
    pub(crate) encoded: Option<Vec<Message>>,
    pub(crate) decoded: Vec<Result<Option<Packet>, String>>,
}

impl Questions {
    /// Sends a request to decode `messages`, and to encode `packet` if there is one.
    pub(crate) fn ask(&mut self, parser: Parser, packet: Option<&Packet>, messages: &[Message]) {
        let name = if parser.is_binary() { "msgpack" } else { "json" };
        let messages: Json = messages.iter().map(Message::to_pipe).collect();
        let mut line = format!("{{\"parser\":\"{name}\",\"messages\":{messages}");
        if let Some(packet) = packet {
            line.push_str(",\"packet\":");
            packet.write_pipe(&mut line);
        }
        line.push_str("}\n");
        // If the oracle has ended, the reader reports it.
        let _ = self.0.write_all(line.as_bytes());
    }
}
