//! Listening without a framework.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::body::Body;
use super::head::PeerAddr;
use super::respond::status;
use super::{Server, Shared};

/// How large the head of a request may be; hyper answers a larger one with 431.
const MAX_HEAD: usize = 16 * 1024;
/// How long accepting pauses when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// Serves the connections of a listener until [`close`](Self::close) or [`drain`](Self::drain). Requests to
    /// other paths are answered as [`outside_path`](crate::ServerBuilder::outside_path) says.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let closed = self.0.closed.notified();
            if self.0.is_closing() {
                return Ok(());
            }
            tokio::select! {
                () = closed => return Ok(()),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.connect(stream, peer),
                    // One connection's failure, or too many open files: the listener itself is still good.
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
    }

    /// Serves one connection in a task of its own.
    pub fn connect(&self, stream: TcpStream, peer: SocketAddr) {
        // Answers are written whole; waiting to fill a segment would only delay them.
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&self.0);
        let counted = shared.connections.enter();
        tokio::spawn(async move {
            let _counted = counted;
            let service = service_fn(|request| respond(&shared, request, peer));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(shared.options.head_timeout)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let mut connection = pin!(connection);
            let closed = shared.closed.notified();
            tokio::select! {
                // What went wrong with one connection is the client's to notice.
                _ = connection.as_mut() => {}
                () = closed => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
}

fn respond(
    shared: &Arc<Shared>,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
    let server = Server(Arc::clone(shared));
    request.extensions_mut().insert(PeerAddr(peer));
    async move {
        if server.matches(request.uri().path()) {
            Ok(server.handle(request).await)
        } else {
            Ok(status(server.0.options.outside))
        }
    }
}
