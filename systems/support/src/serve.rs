//! An axum router on a port, with graceful shutdown.
//!
//! `axum::serve` has no timeouts for clients, and at shutdown waits for all of them. The server of `engineio`
//! has a deadline for each wait on a client, and a limit of connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request as AxumRequest};
use axum::http::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use engineio::{HttpServer, PeerAddr, RequestBody, Routes};
use tokio::net::TcpListener;
use tower_service::Service;

/// Default deadline for requests in flight at shutdown.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until `stop` completes. Requests in flight then have `patience` to finish, and are cut off after
/// that.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    patience: Duration,
) -> io::Result<()> {
    let routes = Routes::new(move |mut request: Request<RequestBody>| {
        let mut router = router.clone();
        async move {
            if let Some(PeerAddr(peer)) = request.extensions().get::<PeerAddr>().copied() {
                request.extensions_mut().insert(ConnectInfo(peer));
            }
            match router.call(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    });
    let server = HttpServer::new(routes)
        .shutdown_timeout(patience)
        .on_failure(|failure| tracing::debug!(%failure, "a connection was not served"));
    server.serve(&listener, stop).await;
    Ok(())
}

/// Passes the peer address from axum to a Socket.IO server in the router. It must be the outermost layer, so
/// it is added last.
pub fn with_peer_addresses(router: Router) -> Router {
    router.layer(from_fn(name_peer))
}

async fn name_peer(mut request: AxumRequest, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        request.extensions_mut().insert(PeerAddr(peer));
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::{Notify, oneshot};

    use super::*;

    struct Running {
        addr: SocketAddr,
        stop: oneshot::Sender<()>,
        served: tokio::task::JoinHandle<io::Result<()>>,
    }

    async fn start(router: Router, patience: Duration) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        Running { addr, stop, served: tokio::spawn(serve(listener, router, stopped, patience)) }
    }

    async fn ends(running: Running) {
        running.stop.send(()).unwrap();
        let served = tokio::time::timeout(Duration::from_secs(20), running.served).await;
        served.expect("it did not end").unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_incomplete_request_does_not_delay_the_shutdown() {
        let running = start(Router::new(), Duration::from_millis(10)).await;
        let mut slow = TcpStream::connect(running.addr).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
        let mut idle = TcpStream::connect(running.addr).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(idle.read(&mut [0; 12]).await.unwrap() > 0);
        ends(running).await;
    }

    #[tokio::test]
    async fn requests_in_flight_are_answered_during_the_shutdown() {
        let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, may) = (Arc::clone(&asked), Arc::clone(&go));
        let answer = move || async move {
            tell.notify_one();
            may.notified().await;
            "done"
        };
        let running = start(Router::new().route("/", get(answer)), Duration::from_secs(20)).await;
        let mut client = TcpStream::connect(running.addr).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        asked.notified().await;
        let ending = tokio::spawn(ends(running));
        go.notify_one();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("done"), "{answer}");
        ending.await.unwrap();
    }
}
