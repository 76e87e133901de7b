//! HTTP requests and responses.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// An HTTP request.
#[derive(Clone, Debug)]
pub struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    /// A request for a target, on a connection of its own.
    pub fn new(method: &str, target: &str) -> Self {
        Self::with_host(method, target, "localhost")
    }

    /// The same, with another host than `localhost`.
    pub fn with_host(method: &str, target: &str, host: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        Self { head: head.into_bytes(), body: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    /// Adds a header whose value may be any bytes.
    #[must_use]
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        self
    }

    /// Sets the body, with its length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        let len = self.body.len();
        self.header("content-length", &len.to_string())
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        [&self.head[..], b"\r\n", &self.body].concat()
    }

    /// Sends the request and reads the response to its end.
    pub async fn send(&self, addr: SocketAddr) -> Response {
        let mut stream = TcpStream::connect(addr).await.expect("the server listens");
        stream.write_all(&self.bytes()).await.expect("the server reads");
        Response::read(&mut stream).await
    }
}

/// An HTTP response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads until the server closes the connection.
    pub async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A reset after the response counts as a close too.
        let _ = soon(stream.read_to_end(&mut bytes)).await;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let body = bytes.split_off(end + 4);
        Self::new(&bytes, body)
    }

    /// Reads one response from a connection that stays open.
    pub async fn read_one(stream: &mut TcpStream) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.expect("a whole head"));
        }
        let mut response = Self::new(&head, Vec::new());
        let length = response.header("content-length").and_then(|length| length.parse().ok());
        response.body = vec![0; length.unwrap_or(0)];
        soon(stream.read_exact(&mut response.body)).await.expect("a whole body");
        response
    }

    fn new(head: &[u8], body: Vec<u8>) -> Self {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.trim_end().lines();
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Self { status, headers, body }
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// Status and body.
    pub fn both(&self) -> (u16, &str) {
        (self.status, self.text())
    }
}
