//! Waiting for hyper to hand over the connection of a request that was answered with 101.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::io::Io;

/// The connection of a request that is being upgraded.
#[derive(Debug)]
pub(crate) struct Upgrading(OnUpgrade);

impl Upgrading {
    /// The pending upgrade of a request. Without an HTTP server that can hand its connection over there is none.
    pub(crate) fn take(extensions: &mut http::Extensions) -> Option<Self> {
        extensions.remove::<OnUpgrade>().map(Self)
    }
}

impl Future for Upgrading {
    /// The stream, and the bytes that came behind the request's head.
    type Output = Result<(Io, Bytes), hyper::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let upgraded = ready!(Pin::new(&mut self.0).poll(cx))?;
        Poll::Ready(Ok(unwrap(upgraded)))
    }
}

/// Takes the TCP stream out of hyper's wrappers: the one of `hyper::server`, and with the feature `axum` the one that
/// `hyper_util::server::conn::auto` adds.
fn unwrap(upgraded: Upgraded) -> (Io, Bytes) {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return tcp(parts.io.into_inner(), &parts.read_buf),
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "axum")]
    let upgraded = match hyper_util::server::conn::auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => return tcp(parts.io.into_inner(), &parts.read_buf),
        Err(upgraded) => upgraded,
    };
    (Io::Other(TokioIo::new(upgraded)), Bytes::new())
}

fn tcp(stream: TcpStream, read: &[u8]) -> (Io, Bytes) {
    // Heartbeats and single messages must not wait for an acknowledgement. A socket that refuses still works.
    let _ = stream.set_nodelay(true);
    // Copied, because the original is a slice of hyper's whole read buffer.
    (Io::Tcp(stream), Bytes::copy_from_slice(read))
}
