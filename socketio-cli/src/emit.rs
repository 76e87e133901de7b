//! `sio emit`: sends one event and optionally prints its acknowledgement.

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
        .map_err(|_| format!("not connected within {timeout:?}"))??;
    let args = Args(arguments.arguments.iter().map(|text| argument(text)).collect::<Vec<_>>());
    if arguments.ack {
        let response = socket.timeout(timeout).emit_with_ack_args(&arguments.event, &args).await?;
        print::ack(&response)?;
    } else {
        socket.emit(&arguments.event, &args)?;
    }
    // Closing waits until the event is sent.
    tokio::time::timeout(timeout, socket.close()).await.map_err(|_| {
        format!("the connection was not closed within {timeout:?}; the event may not have been sent")
    })?;
    Ok(ExitCode::SUCCESS)
}
