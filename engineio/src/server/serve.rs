//! Listening without a framework.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::{Routes, Server, connection};
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
        let server = self.clone();
        let counted = self.0.connections.enter();
        tokio::spawn(async move {
            let end = server.closed();
            connection::run(Arc::clone(&server.0), Io::new(stream), peer, None, end).await;
            drop(counted);
        });
    }

    /// Serves one connection whose requests are all answered by `routes`: HTTP/1.1 with the same limits and deadlines as
    /// those of [`serve`](Self::serve). For applications with routes of their own on the port.
    ///
    /// Resolves at the end of the connection. When `end` resolves, the request that is being answered is the last one.
    /// Whoever polls this also waits for the last answers at the end: [`Server::drain`] does not.
    pub fn connect_with<S, E>(
        &self,
        stream: S,
        peer: SocketAddr,
        routes: Routes,
        end: E,
    ) -> impl Future<Output = ()> + Send + use<S, E>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        E: Future<Output = ()> + Send + 'static,
    {
        connection::run(Arc::clone(&self.0), Io::new(stream), peer, Some(routes), end)
    }

    async fn closed(&self) {
        let closed = self.0.closed.notified();
        if !self.0.is_closed() {
            closed.await;
        }
    }
}
