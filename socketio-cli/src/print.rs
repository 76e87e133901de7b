//! Output: events as text or as JSON lines.

use std::error::Error;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use socketio_client::{RawArgs, SocketEvent};

/// Arguments as JSON, and their attachments in base64. The JSON has placeholders where the attachments were.
fn arguments(args: &RawArgs) -> (Vec<Value>, Vec<String>) {
    let values = args.parse_all().unwrap_or_default();
    (values, args.attachments().iter().map(|data| STANDARD.encode(data)).collect())
}

/// Prints an event of a socket.
pub(crate) fn event(event: &SocketEvent, as_json: bool) -> io::Result<()> {
    let mut line = match event {
        SocketEvent::Connect { recovered } => json!({ "type": "connect", "recovered": recovered }),
        SocketEvent::ConnectError(error) => json!({ "type": "connect_error", "message": with_causes(error) }),
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

/// Prints the arguments of an acknowledgement.
pub(crate) fn ack(args: &RawArgs) -> io::Result<()> {
    let (values, _) = arguments(args);
    line_out(&Value::Array(values).to_string())
}

/// Prints a line. A closed standard output is an error, not a panic as with `println!`.
pub(crate) fn line_out(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Prints an error to the standard error.
pub(crate) fn error(error: &str) {
    eprintln!("sio: {error}");
}

/// An error and its causes in one line. Causes that the error itself names are left out.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}
