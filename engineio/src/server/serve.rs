//! Listening without a framework.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::{Server, connection};
use crate::net::Io;

/// How long accepting pauses when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// Serves the connections of a listener until [`close`](Self::close) or [`drain`](Self::drain). Requests to
    /// other paths are answered as [`outside_path`](crate::ServerBuilder::outside_path) says.
    ///
    /// Returns when the clients have been told, for which the slowest have five seconds.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.accept(listener).await;
        self.0.last_words().await;
        Ok(())
    }

    async fn accept(&self, listener: TcpListener) {
        loop {
            let closed = self.0.closed.notified();
            if self.0.is_closed() {
                return;
            }
            tokio::select! {
                () = closed => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.connect(stream, peer),
                    // One connection's failure, or too many open files: the listener itself is still good.
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
    }

    /// Serves one connection in a task of its own: HTTP/1.1, over TCP, or over what lies on top of it, as TLS does.
    pub fn connect<S>(&self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::clone(&self.0);
        let counted = shared.connections.enter();
        tokio::spawn(async move {
            connection::run(shared, Io::new(stream), peer).await;
            drop(counted);
        });
    }
}
