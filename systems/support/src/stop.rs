//! The shutdown of a program.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::process::ExitCode;

/// Error that ends a program.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The exit code of a program's `main`; the error is printed.
pub fn exit_code<E: Display>(done: Result<(), E>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Completes when the process receives a stop signal, from the keyboard or from a service manager. Signals
/// are received from this call on, not from the first poll, so a program that afterwards prints that it is
/// ready can be stopped at once.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
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
            // Without signals the process can only be killed.
            std::future::pending::<()>().await;
        }
    })
}
