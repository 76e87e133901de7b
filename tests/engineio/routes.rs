//! Routes of an application on connections of the server.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use engineio::{
    AddressLimit, Body, ConnectionFailure, HttpServer, PeerAddr, RequestBody, Routes, Server, Session,
};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tests::raw::{soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Serves these routes and returns a client.
async fn connect(body_timeout: Duration, routes: impl FnOnce(Server) -> Routes) -> TcpStream {
    let server = Server::builder().build(|_: &Session| engineio::handler_fn(|_, _| {})).unwrap();
    let http = HttpServer::new(routes(server)).body_timeout(body_timeout);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    tokio::spawn(async move { http.serve(&listener, std::future::pending()).await });
    client
}

async fn ask(client: &mut TcpStream, request: &str, end: &str) -> String {
    client.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut buffer = [0; 1024];
    soon(async {
        while !text.ends_with(end) {
            let read = client.read(&mut buffer).await.unwrap();
            assert!(read > 0, "{text}");
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    })
    .await;
    text
}

#[tokio::test]
async fn routes_work_beside_the_server() {
    let mut client = connect(Duration::from_secs(30), |server| {
        Routes::new(move |request: Request<RequestBody>| {
            let server = server.clone();
            async move {
                if server.matches(request.uri().path()) {
                    return server.handle(request).await;
                }
                let peer: SocketAddr = request.extensions().get::<PeerAddr>().unwrap().0;
                assert!(peer.ip().is_loopback());
                let body = request.into_body().collect().await.unwrap().to_bytes();
                Response::new(Body::from(body))
            }
        })
    })
    .await;
    let echo = ask(&mut client, "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi", "hi").await;
    assert!(echo.starts_with("HTTP/1.1 200 OK\r\n") && echo.contains("content-length: 2\r\n"), "{echo}");
    let open =
        ask(&mut client, "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: a\r\n\r\n", "}").await;
    assert!(open.contains("\r\n\r\n0{\"sid\":"), "{open}");
}

/// A body whose chunks come from a channel.
fn stream(pieces: mpsc::Receiver<&'static str>) -> impl http_body::Body<Data = Bytes, Error = Infallible> {
    let stream = futures_util::stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((Ok(Frame::data(Bytes::from(piece))), pieces))
    });
    StreamBody::new(stream)
}

#[tokio::test]
async fn a_streamed_body_is_sent_chunk_by_chunk() {
    let (sender, receiver) = mpsc::channel(1);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let mut client = connect(Duration::from_secs(30), |_| {
        Routes::new(move |_| {
            let receiver = receiver.lock().unwrap().take();
            async move { Response::new(stream(receiver.unwrap_or_else(|| mpsc::channel(1).1))) }
        })
    })
    .await;
    let head = ask(&mut client, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "\r\n\r\n").await;
    assert!(head.contains("transfer-encoding: chunked\r\n") && !head.contains("content-length"), "{head}");
    sender.send("one").await.unwrap();
    assert_eq!(ask(&mut client, "", "one\r\n").await, "3\r\none\r\n");
    sender.send("and two").await.unwrap();
    assert_eq!(ask(&mut client, "", "two\r\n").await, "7\r\nand two\r\n");
    drop(sender);
    assert_eq!(ask(&mut client, "", "0\r\n\r\n").await, "0\r\n\r\n");
    // The connection stays open; with HTTP/1.0 the end of the body is the end of the connection.
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut rest = String::new();
    soon(client.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.contains("connection: close\r\n") && rest.ends_with("\r\n\r\n"), "{rest}");
}

/// Without this check, an application would stream forever after its client has disconnected.
#[tokio::test]
async fn a_streamed_body_ends_when_its_client_disconnects() {
    let (sender, receiver) = mpsc::channel(1);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let mut client = connect(Duration::from_secs(30), |_| {
        Routes::new(move |_| {
            let receiver = receiver.lock().unwrap().take().unwrap();
            async move { Response::new(stream(receiver)) }
        })
    })
    .await;
    ask(&mut client, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "\r\n\r\n").await;
    drop(client);
    soon(sender.closed()).await;
}

#[tokio::test]
async fn an_incomplete_body_times_out() {
    let (told, mut tells) = mpsc::unbounded_channel();
    let mut client = connect(Duration::from_millis(50), |_| {
        Routes::new(move |request: Request<RequestBody>| {
            let told = told.clone();
            async move {
                let body = request.into_body().collect().await;
                told.send(body.map_err(|error| error.to_string()).map(|_| ())).unwrap();
                let mut response = Response::new(Body::default());
                *response.status_mut() = StatusCode::BAD_REQUEST;
                response
            }
        })
    })
    .await;
    client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    let told = soon(tells.recv()).await.unwrap();
    assert_eq!(told, Err("the request body did not come whole".to_owned()));
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("connection: close\r\n"), "{answer}");
}

/// A service that must be polled for readiness before a call, as some require.
#[derive(Clone)]
struct Hello(bool);

impl tower_service::Service<Request<RequestBody>> for Hello {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0 = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
        assert!(std::mem::take(&mut self.0));
        std::future::ready(Ok(Response::new("hello".to_owned())))
    }
}

#[tokio::test]
async fn tower_services_are_routes() {
    let mut client = connect(Duration::from_secs(30), |server| {
        Routes::service(tower_layer::Layer::layer(&server.layer(), Hello(false)))
    })
    .await;
    let hello = ask(&mut client, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "hello").await;
    assert!(hello.contains("content-length: 5\r\n"), "{hello}");
    let open =
        ask(&mut client, "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: a\r\n\r\n", "}").await;
    assert!(open.contains("\r\n\r\n0{\"sid\":"), "{open}");
}

#[tokio::test]
async fn a_server_limits_its_connections_and_shuts_down() {
    let (told, mut tells) = mpsc::unbounded_channel();
    let routes = Routes::new(|_| async { Response::new(Body::from("hi")) });
    let http = HttpServer::new(routes).max_connections(1).on_failure(move |failure| {
        told.send(matches!(failure, ConnectionFailure::TooMany)).unwrap();
    });
    let connections = http.connections();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(async move {
        http.serve(&listener, async { drop(stopped.await) }).await;
    });
    let mut first = TcpStream::connect(addr).await.unwrap();
    ask(&mut first, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "hi").await;
    let mut second = TcpStream::connect(addr).await.unwrap();
    assert_eq!(soon(second.read(&mut [0])).await.unwrap_or(0), 0);
    assert_eq!((soon(tells.recv()).await, connections.now()), (Some(true), 1));
    stop.send(()).unwrap();
    soon(served).await.unwrap();
    assert_eq!((soon(first.read(&mut [0])).await.unwrap_or(0), connections.now()), (0, 0));
}

/// Connections without a TLS handshake, and idle HTTP connections.
#[tokio::test]
async fn connections_of_an_address_are_counted_from_accept_on() {
    let (told, mut tells) = mpsc::unbounded_channel();
    let routes = Routes::new(|_| async { Response::new(Body::from("hi")) });
    let limit = AddressLimit::new(2).exempt(|_| false);
    let http =
        HttpServer::new(routes).max_connections_per_address(limit.clone()).on_failure(move |failure| {
            if let ConnectionFailure::TooManyOfAddress(address) = failure {
                told.send(*address).unwrap();
            }
        });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (begun, mut handshakes) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let handshake = move |stream: TcpStream, _| {
            let (go, gone) = tokio::sync::oneshot::channel::<()>();
            begun.send(go).unwrap();
            async {
                let _ = gone.await;
                Ok(stream)
            }
        };
        http.serve_with(&listener, handshake, std::future::pending()).await;
    });
    let mut idle = TcpStream::connect(addr).await.unwrap();
    soon(handshakes.recv()).await.unwrap().send(()).unwrap();
    ask(&mut idle, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "hi").await;
    let _handshaking = TcpStream::connect(addr).await.unwrap();
    let _go = soon(handshakes.recv()).await.unwrap();
    let mut third = TcpStream::connect(addr).await.unwrap();
    assert_eq!(soon(third.read(&mut [0])).await.unwrap_or(0), 0, "closed at once");
    assert_eq!(soon(tells.recv()).await, Some(addr.ip()));
    assert_eq!(limit.now(addr.ip()), 2);
    // The capacity is free again when the connection has ended.
    drop(idle);
    until(async || limit.now(addr.ip()) <= 1).await;
    let mut fourth = TcpStream::connect(addr).await.unwrap();
    soon(handshakes.recv()).await.unwrap().send(()).unwrap();
    ask(&mut fourth, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "hi").await;
}

/// A proxy on the same machine has one address for many clients.
#[tokio::test]
async fn connections_of_loopback_addresses_are_not_counted() {
    let routes = Routes::new(|_| async { Response::new(Body::from("hi")) });
    let http = HttpServer::new(routes).max_connections_per_address(1);
    let connections = http.connections();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { http.serve(&listener, std::future::pending()).await });
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = TcpStream::connect(addr).await.unwrap();
        ask(&mut client, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "hi").await;
        clients.push(client);
    }
    assert_eq!(connections.now(), 3);
}

#[tokio::test]
async fn a_handshake_has_a_deadline() {
    let (told, mut tells) = mpsc::unbounded_channel();
    let routes = Routes::new(|_| async { Response::new(Body::from("hi")) });
    let http =
        HttpServer::new(routes).handshake_timeout(Duration::from_millis(50)).on_failure(move |failure| {
            told.send(matches!(failure, ConnectionFailure::HandshakeTimeout)).unwrap();
        });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    tokio::spawn(async move {
        // The TLS handshake never begins.
        let handshake = |stream: TcpStream, _| async {
            std::future::pending::<()>().await;
            Ok(stream)
        };
        http.serve_with(&listener, handshake, std::future::pending()).await;
    });
    assert_eq!(soon(tells.recv()).await, Some(true));
    assert_eq!(soon(client.read(&mut [0])).await.unwrap_or(0), 0);
}

/// Two servers have one listener, as two processes may: one goes on when the other stops.
#[tokio::test]
async fn a_server_that_stops_accepting_leaves_connections_to_another() {
    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let server = |name: &'static str| {
        HttpServer::new(Routes::new(
            move |_: Request<RequestBody>| async move { Response::new(Body::from(name)) },
        ))
    };
    let serve = |server: HttpServer, listener: &std::net::TcpListener| {
        let listener = TcpListener::from_std(listener.try_clone().unwrap()).unwrap();
        tokio::spawn(async move { server.serve(&listener, std::future::pending()).await });
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let connect = async || TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let first = server("first");
    let accepting = first.accepting();
    serve(first, &listener);
    let mut open = connect().await;
    ask(&mut open, GET, "first").await;
    assert!(accepting.now());
    accepting.stop();
    assert!(!accepting.now());
    ask(&mut open, GET, "first").await;
    let mut waiting = connect().await;
    ask(&mut open, GET, "first").await;
    serve(server("second"), &listener);
    ask(&mut waiting, GET, "second").await;
    ask(&mut open, GET, "first").await;
}
