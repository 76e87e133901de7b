//! `sio emit`: one event, and perhaps its answer.

use std::error::Error;
use std::process::ExitCode;

use socketio_client::Args;

use crate::arguments::{Emit, argument};
use crate::print;

pub(crate) async fn run(arguments: &Emit) -> Result<ExitCode, Box<dyn Error>> {
    let socket = arguments.server.socket()?;
    let timeout = arguments.server.timeout;
    tokio::time::timeout(timeout, socket.connect().connected())
        .await
        .map_err(|_| "not connected in time")??;
    let args = Args(arguments.arguments.iter().map(|text| argument(text)).collect::<Vec<_>>());
    if arguments.ack {
        let answer = socket.timeout(timeout).emit_with_ack_args(&arguments.event, &args).await?;
        print::answer(&answer)?;
    } else {
        socket.emit(&arguments.event, &args)?;
    }
    // The event leaves before the connection ends.
    tokio::time::timeout(timeout, socket.close()).await.map_err(|_| "not sent in time")?;
    Ok(ExitCode::SUCCESS)
}
