//! The server's own listener, without a framework.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::Server;
use super::http::address_limit::CountedAddress;
use super::http::answering::{Answering, ResponseBody};
use super::http::connection::{self, Deadlines};
use super::http::incoming::RequestBody;
use super::http::reserve::ACCEPT_PAUSE;
use super::response::status;
use super::shared::Shared;
use super::trace;
use crate::io::Io;
use crate::io::Upgrading;

impl Server {
    /// Serves the connections of a listener until [`close`](Self::close) or [`drain`](Self::drain). The
    /// response to other paths is set by [`outside_path`](crate::ServerBuilder::outside_path).
    ///
    /// Returns when all close packets and close frames are sent, for which the slowest clients have five
    /// seconds.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.accept(listener).await;
        self.0.closes_sent().await;
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
                    Ok((stream, peer)) => {
                        let options = &self.0.options;
                        if self.0.connections.now() < options.max_connections {
                            if let Some(address) = options.connections_per_address.enter(peer.ip()) {
                                self.run(stream, peer, Some(address));
                            }
                        }
                    }
                    // The failure of one connection, or a lack of file descriptors: the listener itself stays
                    // valid.
                    Err(error) => {
                        trace::not_accepted(&error);
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    /// Serves one connection in a task of its own: HTTP/1.1 over TCP, or over a stream on top of it, such as
    /// TLS. The caller accepts the connections and has to limit their number.
    pub fn connect<S>(&self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.run(stream, peer, None);
    }

    fn run<S>(&self, stream: S, peer: SocketAddr, address: Option<CountedAddress>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let server = self.clone();
        let counted = self.0.connections.enter();
        tokio::spawn(async move {
            let end = server.closed();
            let options = &server.0.options;
            let deadlines = Deadlines { head: options.head_timeout, body: options.body_timeout };
            let answering = Arc::clone(&server.0);
            connection::run(answering, deadlines, Io::new(stream), peer, end).await;
            drop((counted, address));
        });
    }

    async fn closed(&self) {
        let closed = self.0.closed.notified();
        if !self.0.is_closed() {
            closed.await;
        }
    }
}

impl Answering for Arc<Shared> {
    /// Engine.IO's requests have a timeout of their own, with another response.
    const LIMITS_BODY: bool = false;

    /// Requests outside the server's path are refused.
    async fn answer(
        &self,
        request: Request<RequestBody>,
        upgrading: Option<Upgrading>,
    ) -> Response<ResponseBody> {
        if self.matches(request.uri().path()) {
            Self::clone(self).respond(request, upgrading).await.map(ResponseBody::Whole)
        } else {
            status(self.options.outside).map(ResponseBody::Whole)
        }
    }

    fn is_closing(&self) -> bool {
        (**self).is_closing()
    }
}
