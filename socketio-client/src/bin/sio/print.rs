//! Events as people and programs read them.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use socketio_client::{RawArgs, SocketEvent};

/// Arguments as JSON. Binary data is left out where it stands, and follows in base64 as `attachments`.
fn arguments(args: &RawArgs) -> (Vec<Value>, Vec<String>) {
    let values = args.parse_all().unwrap_or_default();
    (values, args.attachments().iter().map(|data| STANDARD.encode(data)).collect())
}

/// Prints what happened.
pub(crate) fn event(event: &SocketEvent, as_json: bool) -> io::Result<()> {
    let mut line = match event {
        SocketEvent::Connect { recovered } => json!({ "type": "connect", "recovered": recovered }),
        SocketEvent::ConnectError(error) => json!({ "type": "connect_error", "message": error.to_string() }),
        SocketEvent::Disconnect(reason) => json!({ "type": "disconnect", "reason": reason.as_str() }),
        SocketEvent::Event { event, .. } => {
            let (args, attachments) = arguments(event.args());
            let mut line = json!({ "type": "event", "event": event.name(), "args": args });
            if !attachments.is_empty() {
                line["attachments"] = attachments.into();
            }
            line
        }
        _ => return Ok(()),
    };
    let text = if as_json {
        line.to_string()
    } else {
        let kind = line["type"].take();
        let mut text = kind.as_str().unwrap_or_default().to_owned();
        for key in ["event", "message", "reason", "recovered"] {
            match &line[key] {
                Value::Null => {}
                Value::String(word) => text = format!("{text} {word}"),
                other => text = format!("{text} {key}={other}"),
            }
        }
        for value in line["args"].as_array().into_iter().flatten() {
            text = format!("{text} {value}");
        }
        text
    };
    line_out(&text)
}

/// Prints the arguments of an answer.
pub(crate) fn answer(args: &RawArgs) -> io::Result<()> {
    let (values, _) = arguments(args);
    line_out(&Value::Array(values).to_string())
}

/// Prints a line. A reader that has gone is an error, not a panic.
pub(crate) fn line_out(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
