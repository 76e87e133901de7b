//! The wait for the connection of a request that was answered with 101.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::stream::Io;

/// The connection of a request that is being upgraded.
#[derive(Debug)]
pub(crate) enum Upgrading {
    /// From hyper.
    Hyper(OnUpgrade),
    /// From the crate's own HTTP server.
    Own(oneshot::Receiver<Handover>),
}

/// The stream, and the bytes behind the request's head.
pub(crate) type Handover = (Io, Bytes);

/// The connection ended before the response of 101 was sent.
#[derive(Debug, Clone, Copy, Error)]
#[error("the connection ended before it was upgraded")]
pub(crate) struct NotUpgraded;

impl Upgrading {
    /// The pending upgrade of a request. `None` if the HTTP server does not support upgrades.
    pub(crate) fn take(extensions: &mut http::Extensions) -> Option<Self> {
        extensions.remove::<OnUpgrade>().map(Self::Hyper)
    }
}

impl Future for Upgrading {
    type Output = Result<Handover, NotUpgraded>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.get_mut() {
            Self::Hyper(upgrade) => ready!(Pin::new(upgrade).poll(cx)).map(unwrap).map_err(|_| NotUpgraded),
            Self::Own(handover) => ready!(Pin::new(handover).poll(cx)).map_err(|_| NotUpgraded),
        })
    }
}

/// Takes the TCP stream out of hyper's wrappers: that of `hyper::server`, and with the feature `axum` also
/// that of `hyper_util::server::conn::auto`.
fn unwrap(upgraded: Upgraded) -> Handover {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return tcp(parts.io.into_inner(), &parts.read_buf),
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "axum")]
    let upgraded = match hyper_util::server::conn::auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => return tcp(parts.io.into_inner(), &parts.read_buf),
        Err(upgraded) => upgraded,
    };
    (Io::new(TokioIo::new(upgraded)), Bytes::new())
}

fn tcp(stream: TcpStream, read: &[u8]) -> Handover {
    // The bytes are copied, because the original is a slice of hyper's whole read buffer.
    (Io::new(stream), Bytes::copy_from_slice(read))
}
