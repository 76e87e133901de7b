//! `sio emit`: sends one event and optionally prints its acknowledgement.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use engineio::sync::Mutex;
use socketio_client::{Args, ConnectError};

use crate::arguments::{Emit, argument};
use crate::print;

pub(crate) async fn run(arguments: &Emit) -> Result<ExitCode, Box<dyn Error>> {
    let socket = arguments.server.socket()?;
    let timeout = arguments.server.timeout;
    // The client tries again until the timeout; the error then says why the last attempt failed.
    let last_error = Arc::new(Mutex::new(None));
    let failed = Arc::clone(&last_error);
    socket.on_connect_error(move |error: ConnectError| {
        *failed.lock() = Some(error);
        async {}
    });
    tokio::time::timeout(timeout, socket.connect().connected()).await.map_err(|_| {
        let cause = last_error.lock().as_ref().map(|error| format!(": {}", print::with_causes(error)));
        format!("not connected within {timeout:?}{}", cause.unwrap_or_default())
    })??;
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
