//! The server behind layers of an application, and in front of other services.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use engineio::{Body, Server, Session, handler_fn};
use http::header::{CONNECTION, HeaderValue, SET_COOKIE, UPGRADE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tests::raw::{Request as RawRequest, WebSocket, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_layer::Layer;
use tower_service::Service;

const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";

fn server() -> Server {
    Server::builder().build(|_: &Session| handler_fn(|_, _| ())).unwrap()
}

/// Serves a function on hyper.
async fn serve<F, B>(answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> std::net::SocketAddr
where
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(answer.clone());
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        }
    });
    addr
}

/// EIO-SRV-019, EIO-SRV-020, EIO-SRV-021, EIO-SRV-022: the security headers and the session cookie of a layer are on
/// the responses to polls and on those that open WebSockets.
#[tokio::test]
async fn headers_of_an_outer_layer_are_on_all_responses() {
    let server = server();
    let addr = serve(move |request| {
        let server = server.clone();
        async move {
            let mut response = server.handle(request).await;
            let headers = response.headers_mut();
            headers.insert("x-download-options", HeaderValue::from_static("noopen"));
            headers.append(SET_COOKIE, HeaderValue::from_static("connect.sid=1; Path=/; HttpOnly"));
            Ok(response)
        }
    })
    .await;
    let polled = RawRequest::new("GET", POLLING).send(addr).await;
    assert_eq!((polled.status, polled.header("x-download-options")), (200, Some("noopen")));
    assert_eq!(polled.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(polled.all("set-cookie"), ["connect.sid=1; Path=/; HttpOnly"]);
    let mut ws = WebSocket::open(addr, WEBSOCKET).await.unwrap();
    assert_eq!(ws.headers["x-download-options"], "noopen");
    assert_eq!(ws.headers["set-cookie"], "connect.sid=1; Path=/; HttpOnly");
    assert!(ws.text().await.starts_with("0{"));
}

/// A protocol of the application, which returns all bytes.
#[derive(Clone)]
struct Echo;

impl Service<Request<Incoming>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let upgrading = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut reading, mut writing) = tokio::io::split(TokioIo::new(upgrading.await.unwrap()));
            tokio::io::copy(&mut reading, &mut writing).await
        });
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("echo"));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        ready(Ok(response))
    }
}

/// EIO-SRV-010, EIO-SRV-012: an upgrade outside of the path reaches the next service, which keeps the connection.
#[tokio::test]
async fn upgrades_outside_the_path_belong_to_the_next_service() {
    let server = server();
    let both = server.layer().layer(Echo);
    let addr = serve(move |request| both.clone().call(request)).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream
        .write_all(b"GET /other HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
    for text in [b"ping", b"pong"] {
        stream.write_all(text).await.unwrap();
        let mut read = [0; 4];
        soon(stream.read_exact(&mut read)).await.unwrap();
        assert_eq!(&read, text);
        // The server beside it is not affected.
        assert_eq!(RawRequest::new("GET", POLLING).send(addr).await.status, 200);
    }
    assert_eq!(server.stats().sessions, 2);
}
