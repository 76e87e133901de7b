//! The end of a program.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::process::ExitCode;

/// Why a program ends before its time.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a program's `main` returns; what went wrong is printed.
pub fn exit_code<E: Display>(done: Result<(), E>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Done when the process is told to stop, from the keyboard or by a service manager. It listens from the call on, not
/// from the first poll: whoever prints that it is ready afterwards can be told to stop at once.
pub fn told_to_stop() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // Where nobody can tell it, the process is ended from outside.
            std::future::pending::<()>().await;
        }
    })
}
