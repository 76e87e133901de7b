//! Clients for tests, and peers with scripted responses.

use std::net::SocketAddr;

use engineio::client::{Client, ClientBuilder, Closed, Event};
use engineio::{Message, Transport};
use tests::raw::soon;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) fn builder(addr: SocketAddr) -> ClientBuilder {
    Client::builder(&format!("http://{addr}")).unwrap()
}

pub(crate) async fn connect(addr: SocketAddr) -> Client {
    soon(builder(addr).connect()).await.unwrap()
}

pub(crate) async fn connect_on(addr: SocketAddr, transport: Transport) -> Client {
    soon(builder(addr).transports([transport]).connect()).await.unwrap()
}

/// The next message.
pub(crate) async fn message(client: &mut Client) -> Message {
    loop {
        if let Event::Message(message) = soon(client.recv()).await.unwrap() {
            return message;
        }
    }
}

/// Waits until the session has moved to WebSocket.
pub(crate) async fn upgraded(client: &mut Client) {
    while !matches!(soon(client.recv()).await.unwrap(), Event::Upgraded) {}
}

/// The reason for the end of the session.
pub(crate) async fn closed(client: &mut Client) -> Closed {
    loop {
        if let Err(closed) = soon(client.recv()).await {
            return closed;
        }
    }
}

/// A peer that answers the first request of each connection with the result of `answer`, and then does
/// nothing.
pub(crate) async fn peer(answer: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = head(&mut stream).await;
            stream.write_all(answer(&head).as_bytes()).await.unwrap();
            open.push(stream);
        }
    });
    addr
}

/// An HTTP response with this body.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The head of a request, without a body.
pub(crate) async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// A proxy without WebSocket support: it answers upgrade requests itself and forwards all others.
pub(crate) async fn without_websocket(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let head = head(&mut stream).await;
                if head.contains("transport=websocket") {
                    let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
                    return;
                }
                let mut onward = TcpStream::connect(server).await.unwrap();
                onward.write_all(head.as_bytes()).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    addr
}
