//! Listening without a framework.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::Server;
use super::connection::{self, Answering, Deadlines};
use super::http_server::ACCEPT_PAUSE;
use crate::net::Io;

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
            let options = &server.0.options;
            let deadlines = Deadlines { head: options.head_timeout, body: options.body_timeout };
            let answering = Answering::Server(Arc::clone(&server.0));
            connection::run(answering, deadlines, Io::new(stream), peer, end).await;
            drop(counted);
        });
    }

    async fn closed(&self) {
        let closed = self.0.closed.notified();
        if !self.0.is_closed() {
            closed.await;
        }
    }
}
