//! Reserved file descriptors, so that some requests are answered when the process has no others left.

use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// The pause of accepting when the process is out of file descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The state of the process's file descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Descriptors {
    /// The process has reached its limit of open files and sockets.
    RanOut,
    /// Some descriptors are free again.
    Back,
}

/// The reserved descriptors of one listener.
pub(crate) struct Reserve<'a> {
    listener: &'a TcpListener,
    kept: Vec<Kept>,
    size: usize,
    ran_out: bool,
}

impl<'a> Reserve<'a> {
    pub(crate) fn new(listener: &'a TcpListener, size: usize) -> Self {
        let mut reserve = Self { listener, kept: Vec::with_capacity(size), size, ran_out: false };
        reserve.fill();
        reserve
    }

    /// Notes that no other descriptor is left. Returns whether this is a change.
    pub(crate) fn note_ran_out(&mut self) -> bool {
        !std::mem::replace(&mut self.ran_out, true)
    }

    /// Refills the reserve first, once descriptors are free again. Returns whether this is a change.
    pub(crate) fn recover(&mut self) -> bool {
        // One more than the reserve, as other code needs descriptors too.
        let recovered = self.ran_out && self.fill() && keep(self.listener).is_ok();
        if recovered {
            self.ran_out = false;
        }
        recovered
    }

    /// Waits until [`recover`](Self::recover) is due; forever, if nothing has run out.
    pub(crate) async fn pause(&self) {
        if self.ran_out {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        } else {
            pending::<()>().await;
        }
    }

    /// Accepts a connection with one of the reserved descriptors.
    pub(crate) async fn accept(&mut self) -> Option<(TcpStream, SocketAddr)> {
        drop(self.kept.pop()?);
        let accepted = poll_fn(|cx| Poll::Ready(self.listener.poll_accept(cx))).await;
        match accepted {
            Poll::Ready(Ok(accepted)) => Some(accepted),
            // The client has disconnected, or another thread has accepted it.
            Poll::Ready(Err(_)) | Poll::Pending => {
                self.fill();
                None
            }
        }
    }

    /// Refills the reserve. Returns whether it is complete.
    fn fill(&mut self) -> bool {
        while self.kept.len() < self.size {
            match keep(self.listener) {
                Ok(kept) => self.kept.push(kept),
                Err(_) => return false,
            }
        }
        true
    }
}

#[cfg(unix)]
type Kept = std::os::fd::OwnedFd;
/// Other systems limit descriptors only by memory.
#[cfg(not(unix))]
type Kept = ();

#[cfg(unix)]
fn keep(listener: &TcpListener) -> io::Result<Kept> {
    use std::os::fd::AsFd;
    listener.as_fd().try_clone_to_owned()
}

#[cfg(not(unix))]
fn keep(_: &TcpListener) -> io::Result<Kept> {
    Ok(())
}

/// Whether the process or the system has reached its limit (`EMFILE`, `ENFILE`).
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}
