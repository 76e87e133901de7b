//! File descriptors that are kept back, so that somebody is still answered when the process has no others left.

use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// How long accepting pauses when the process is out of file descriptors.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Whether the process can open what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Descriptors {
    /// It has as many files and sockets open as it may.
    RanOut,
    /// There are some again.
    Back,
}

/// The descriptors that the port of a listener keeps back.
pub(super) struct Reserve<'a> {
    listener: &'a TcpListener,
    kept: Vec<Kept>,
    size: usize,
    ran_out: bool,
}

impl<'a> Reserve<'a> {
    pub(super) fn new(listener: &'a TcpListener, size: usize) -> Self {
        let mut reserve = Self { listener, kept: Vec::with_capacity(size), size, ran_out: false };
        reserve.fill();
        reserve
    }

    /// There is no other descriptor left. Returns whether this is news.
    pub(super) fn note_ran_out(&mut self) -> bool {
        !std::mem::replace(&mut self.ran_out, true)
    }

    /// Puts back what was used, first of all when there are descriptors again. Returns whether that is news.
    pub(super) fn recover(&mut self) -> bool {
        // One more than what is kept: others need some too.
        let recovered = self.ran_out && self.fill() && keep(self.listener).is_ok();
        if recovered {
            self.ran_out = false;
        }
        recovered
    }

    /// Returns when it is time to [`recover`](Self::recover); never, if nothing has run out.
    pub(super) async fn pause(&self) {
        if self.ran_out {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        } else {
            pending::<()>().await;
        }
    }

    /// Accepts a connection with one of the descriptors that are kept.
    pub(super) async fn accept(&mut self) -> Option<(TcpStream, SocketAddr)> {
        drop(self.kept.pop()?);
        let accepted = poll_fn(|cx| Poll::Ready(self.listener.poll_accept(cx))).await;
        match accepted {
            Poll::Ready(Ok(accepted)) => Some(accepted),
            // The client is gone, or another thread was faster.
            Poll::Ready(Err(_)) | Poll::Pending => {
                self.fill();
                None
            }
        }
    }

    /// Whether everything is there that is to be kept.
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
/// Elsewhere a process has as many as memory allows.
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

/// Whether the process, or the system, has as many open as it may (`EMFILE`, `ENFILE`).
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}
