//! An axum router on a port, until its end.
//!
//! `axum::serve` waits for the head of a request as long as its client likes, and at the end for all of them. Here
//! neither a client that is slow nor one that does nothing keeps a server from its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use engineio::PeerAddr;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_service::Service;

/// How long requests may take that are under way at the end, if nobody says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting pauses when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` is done; until then everything is answered. What is under way then may take as long as
/// `patience`, and is cut off after that.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    patience: Duration,
) -> io::Result<()> {
    let (closing, closed) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(stream, peer, router.clone(), closed.clone()));
                }
                // One connection's failure, or too many open files: the listener itself is still good.
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    closing.send_replace(true);
    let rest = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, rest).await.is_err() {
        tracing::info!("some requests were cut off");
    }
    Ok(())
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, mut closed: watch::Receiver<bool>) {
    // Answers are written whole; waiting to fill a segment would only delay them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let end = async {
        // The sender goes with the server, which is its end too.
        let _ = closed.wait_for(|closed| *closed).await;
    };
    tokio::select! {
        // What went wrong with one connection is the client's to notice.
        _ = connection.as_mut() => {}
        () = end => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Lets a Socket.IO server in the router know from axum who the peer is. The layer stands in front of it, so it is
/// added last.
pub fn name_peers(router: Router) -> Router {
    router.layer(from_fn(name_peer))
}

async fn name_peer(mut request: Request, next: Next) -> Response {
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
    async fn whoever_does_not_finish_a_request_does_not_hold_the_end_up() {
        let running = start(Router::new(), Duration::from_millis(10)).await;
        let mut slow = TcpStream::connect(running.addr).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
        let mut idle = TcpStream::connect(running.addr).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(idle.read(&mut [0; 12]).await.unwrap() > 0);
        ends(running).await;
    }

    #[tokio::test]
    async fn what_is_under_way_is_still_answered() {
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
