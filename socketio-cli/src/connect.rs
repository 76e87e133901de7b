//! `sio connect`: prints incoming events and sends the lines of standard input.

use std::error::Error;
use std::process::ExitCode;

use serde_json::Value;
use socketio_client::{Args, Socket, SocketEvent};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::arguments::Connect;
use crate::print;

pub(crate) async fn run(arguments: &Connect) -> Result<ExitCode, Box<dyn Error>> {
    let socket = arguments.server.socket()?;
    let mut events = socket.events();
    socket.connect();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut input_open = true;
    let mut refused = false;
    let mut number = 0;
    let mut unsent = false;
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { break };
                refused = matches!(event, SocketEvent::ConnectError(_));
                print::event(&event, arguments.json)?;
            }
            line = lines.next_line(), if input_open => match line? {
                Some(line) => {
                    number += 1;
                    if let Err(error) = send(&socket, &line) {
                        unsent = true;
                        print::error(&format!("line {number}: {error}"));
                    }
                }
                None => input_open = false,
            },
        }
    }
    Ok(if refused || unsent { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Sends a line as an event: a name, then JSON values.
fn send(socket: &Socket, line: &str) -> Result<(), Box<dyn Error>> {
    let line = line.trim();
    let (event, rest) = line.split_once(' ').unwrap_or((line, ""));
    if event.is_empty() {
        return Ok(());
    }
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(rest).into_iter().collect();
    let values = values.map_err(|error| {
        let text = Value::from(rest);
        format!("JSON is expected after the name of the event ({error}); for a text: {event} {text}")
    })?;
    Ok(socket.emit(event, &Args(values))?)
}
