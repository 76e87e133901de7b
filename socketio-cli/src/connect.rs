//! `sio connect`: prints incoming events and sends the lines of standard input.

use std::error::Error;
use std::process::ExitCode;

use serde_json::Value;
use socketio_client::{Args, EmitError, Socket, SocketEvent};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::arguments::{Connect, argument};
use crate::print;

pub(crate) async fn run(arguments: &Connect) -> Result<ExitCode, Box<dyn Error>> {
    let socket = arguments.server.socket()?;
    let mut events = socket.events();
    socket.connect();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut input_open = true;
    let mut refused = false;
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { break };
                refused = matches!(event, SocketEvent::ConnectError(_));
                print::event(&event, arguments.json)?;
            }
            line = lines.next_line(), if input_open => match line? {
                Some(line) => send(&socket, &line)?,
                None => input_open = false,
            },
        }
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Sends a line as an event: a name, then JSON values. Arguments that are not valid JSON are sent as one
/// string.
fn send(socket: &Socket, line: &str) -> Result<(), EmitError> {
    let line = line.trim();
    let (event, rest) = line.split_once(' ').unwrap_or((line, ""));
    if event.is_empty() {
        return Ok(());
    }
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(rest).into_iter().collect();
    socket.emit(event, &Args(values.unwrap_or_else(|_| vec![argument(rest)])))
}
