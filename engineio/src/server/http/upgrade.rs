//! Connections that leave HTTP, for applications with a protocol of their own.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Extensions;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::io::{Io, NotUpgraded, Upgrading};
use crate::sync::Mutex;

/// The pending upgrade of a request on a connection of an [`HttpServer`](crate::HttpServer).
///
/// Resolves to the connection when a response of 101 has been sent. Resolves to an error after any other
/// response, or when the connection ends before.
#[derive(Debug)]
pub struct PendingUpgrade(Upgrading);

/// A connection that left HTTP.
#[derive(Debug)]
pub struct Upgraded {
    io: Io,
    /// Bytes that the client sent behind its request.
    read: Bytes,
}

/// A pending upgrade in the extensions of a request, which have to be `Clone`.
#[derive(Clone)]
pub(crate) struct Slot(Arc<Mutex<Option<Upgrading>>>);

impl Slot {
    pub(crate) fn new(upgrading: Upgrading) -> Self {
        Self(Arc::new(Mutex::new(Some(upgrading))))
    }
}

impl PendingUpgrade {
    /// Takes the pending upgrade of a request. `None` if the request is no upgrade, or if the upgrade was
    /// already taken.
    pub fn take(extensions: &mut Extensions) -> Option<Self> {
        take(extensions).map(Self)
    }
}

/// The pending upgrade of a request, from the crate's own HTTP server or from hyper.
pub(crate) fn take(extensions: &mut Extensions) -> Option<Upgrading> {
    match extensions.remove::<Slot>() {
        Some(Slot(slot)) => slot.lock().take(),
        None => Upgrading::take(extensions),
    }
}

impl Future for PendingUpgrade {
    type Output = io::Result<Upgraded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Upgraded>> {
        let upgraded = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(match upgraded {
            Ok((io, read)) => Ok(Upgraded { io, read }),
            Err(error @ NotUpgraded) => Err(io::Error::new(io::ErrorKind::NotConnected, error)),
        })
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let len = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..len]);
        self.read.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
