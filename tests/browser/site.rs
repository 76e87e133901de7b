//! A server for pages: Socket.IO, the real client bundle, and the test page.

use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use engineio::Body;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use socketio_server::{Server, ServerBuilder};
use tests::raw::LONG;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Directory of the bundle that npm installed.
pub(crate) fn dist() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("browser/node_modules/socket.io-client/dist")
}

/// A server on a runtime of its own, so that it can end abruptly like a process.
pub(crate) struct Site {
    pub(crate) addr: SocketAddr,
    pub(crate) io: Server,
    serving: JoinHandle<std::io::Result<()>>,
    runtime: Option<Runtime>,
}

/// Server settings for pages. The heartbeat is too slow to interfere.
pub(crate) fn builder() -> ServerBuilder {
    Server::builder()
        .ping_interval(Duration::from_secs(60))
        .serve_client(dist())
        .unwrap_or_else(|error| {
            panic!("{error}: run `npm ci` in tests/browser, or `cargo xtask test`, which does")
        })
        .engine(|engine| {
            engine.resource(|below, _| match below {
                "page" => Some(ready(file("text/html; charset=utf-8", include_str!("page.html")))),
                "page.js" => Some(ready(file("text/javascript; charset=utf-8", include_str!("page.js")))),
                _ => None,
            })
        })
}

fn file(content_type: &'static str, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl Site {
    /// Starts a server on a free port.
    pub(crate) fn start(builder: ServerBuilder, set_up: impl FnOnce(&Server)) -> Self {
        Self::start_on(0, builder, set_up)
    }

    /// Starts a server on a port.
    pub(crate) fn start_on(port: u16, builder: ServerBuilder, set_up: impl FnOnce(&Server)) -> Self {
        let io = builder.build().unwrap();
        set_up(&io);
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let serving = io.clone();
        let serving = runtime.spawn(async move { serving.serve(TcpListener::from_std(listener)?).await });
        Self { addr, io, serving, runtime: Some(runtime) }
    }

    /// Closes all sessions and releases the port.
    pub(crate) async fn close(mut self) {
        self.io.drain(LONG, Duration::ZERO).await;
        (&mut self.serving).await.unwrap().unwrap();
    }

    /// Ends the server abruptly, with all connections and the port.
    pub(crate) async fn crash(mut self) {
        let runtime = self.runtime.take().unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LONG)).await.unwrap();
        assert!((&mut self.serving).await.unwrap_err().is_cancelled());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Does not wait, since a test that drops the site must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
