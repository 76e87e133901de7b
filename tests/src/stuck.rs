//! Clients that stop in the middle of a request, or do not read the response.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// The segments and the receive buffer of a client are small, so that the kernel buffers little unread data:
/// about 50 KiB at the server, instead of megabytes.
const SEGMENT: u32 = 536;
const RECEIVED: usize = 4096;
/// Size of the response that is requested and not read.
pub const LARGE: usize = 150_000;
/// Interval between two bytes of clients that send or read byte by byte.
const DRIP: Duration = Duration::from_millis(200);

/// A connection, with or without TLS.
pub type Line = Box<dyn Stream>;

/// A byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Kinds of stuck clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The client connects, and sends nothing.
    Silent,
    /// The client sends half of its first TLS message.
    HalfTlsHandshake,
    /// The client sends half of a request's head.
    HalfHead,
    /// The client sends a head byte by byte.
    HeadByByte,
    /// The client sends a body byte by byte.
    BodyByByte,
    /// The client polls for a large response, and reads nothing of it.
    PollNotRead,
    /// The client reads such a response byte by byte.
    PollByByte,
    /// The client requests a large message over WebSocket, and reads nothing.
    WebSocketNotRead,
    /// The same in the gateway's native protocol.
    NativeNotRead,
    /// The client sends many requests at once, and reads no response.
    Pipelined,
}

/// All kinds.
pub const KINDS: [Kind; 10] = [
    Kind::Silent,
    Kind::HalfTlsHandshake,
    Kind::HalfHead,
    Kind::HeadByByte,
    Kind::BodyByByte,
    Kind::PollNotRead,
    Kind::PollByByte,
    Kind::WebSocketNotRead,
    Kind::NativeNotRead,
    Kind::Pipelined,
];

impl Kind {
    /// Whether a large message waits for the client in a session.
    pub fn is_asking(self) -> bool {
        matches!(self, Self::PollNotRead | Self::PollByByte | Self::WebSocketNotRead | Self::NativeNotRead)
    }
}

/// The port of a gateway with its default paths.
#[derive(Clone)]
pub struct Port {
    /// The address of the port.
    pub addr: SocketAddr,
    /// The TLS connector, if the port uses TLS.
    pub tls: Option<TlsConnector>,
}

impl Port {
    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        #[cfg(unix)]
        socket.set_tcp_mss(SEGMENT)?;
        socket.set_recv_buffer_size(RECEIVED)?;
        socket.set_nonblocking(true)?;
        TcpSocket::from_std_stream(socket.into()).connect(self.addr).await
    }

    async fn line(&self) -> io::Result<Line> {
        let stream = self.connect().await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }

    /// A polling session that has joined the namespace `/`, and the target of its requests.
    pub async fn polling(&self) -> io::Result<(Line, String)> {
        let mut line = self.line().await?;
        let target = "/socket.io/?EIO=4&transport=polling";
        let opened = ask(&mut line, &get(target)).await?;
        let target = format!("{target}&sid={}", opened.split('"').nth(3).unwrap_or_default());
        ask(&mut line, &post(&target, "40")).await?;
        ask(&mut line, &get(&target)).await?;
        Ok((line, target))
    }

    async fn websocket(&self, target: &str) -> io::Result<Line> {
        let mut line = self.line().await?;
        let upgrade = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        ask(&mut line, &format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n{upgrade}")).await?;
        Ok(line)
    }

    /// Runs a client of this kind and returns its connection when it is stuck. A client that works byte by
    /// byte runs while `going_on` is true, and returns no connection. An error means that the client did not
    /// reach this state.
    pub async fn begin(&self, kind: Kind, going_on: &AtomicBool) -> io::Result<Option<Line>> {
        let large = || "x".repeat(LARGE);
        let mut line: Line = match kind {
            Kind::Silent => Box::new(self.connect().await?),
            Kind::HalfTlsHandshake => {
                let mut stream = self.connect().await?;
                // The head of a record with a ClientHello of 512 bytes.
                stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await?;
                Box::new(stream)
            }
            Kind::PollNotRead | Kind::PollByByte => {
                let (mut line, target) = self.polling().await?;
                ask(&mut line, &post(&target, &echo(&large()))).await?;
                write(&mut line, get(&target)).await?;
                line
            }
            Kind::BodyByByte => self.polling().await?.0,
            Kind::WebSocketNotRead => {
                let mut line = self.websocket("/socket.io/?EIO=4&transport=websocket").await?;
                write(&mut line, frame("40")).await?;
                write(&mut line, frame(&echo(&large()))).await?;
                line
            }
            Kind::NativeNotRead => {
                let mut line = self.websocket("/native").await?;
                write(&mut line, frame(&json!({"event": "echo", "data": large()}).to_string())).await?;
                line
            }
            Kind::HalfHead | Kind::HeadByByte | Kind::Pipelined => self.line().await?,
        };
        match kind {
            Kind::HalfHead | Kind::HeadByByte => {
                write(&mut line, "GET /info HTTP/1.1\r\nhost: localhost\r\nx-filling: ").await?;
            }
            Kind::BodyByByte => {
                let head = "POST /api/broadcast HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10000\r\n\r\n";
                write(&mut line, head).await?;
            }
            Kind::Pipelined => {
                // The server stops reading, too. Further writes then wait until the server closes the
                // connection.
                let _ = line.write_all(get("/page.js").repeat(2000).as_bytes()).await;
            }
            _ => {}
        }
        match kind {
            Kind::HeadByByte | Kind::BodyByByte => {
                while going_on.load(Ordering::Relaxed) && write(&mut line, "x").await.is_ok() {
                    tokio::time::sleep(DRIP).await;
                }
                Ok(None)
            }
            Kind::PollByByte => {
                while going_on.load(Ordering::Relaxed) && line.read_u8().await.is_ok() {
                    tokio::time::sleep(DRIP).await;
                }
                Ok(None)
            }
            _ => Ok(Some(line)),
        }
    }
}

/// A request without a body.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn echo(data: &str) -> String {
    format!("42{}", json!(["echo", data]))
}

/// A text message of WebSocket, masked with zeros.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(len @ ..=125) => frame.push(0x80 | len),
        _ => {
            frame.push(0x80 | 127);
            frame.extend((text.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

async fn write(line: &mut Line, what: impl AsRef<[u8]>) -> io::Result<()> {
    line.write_all(what.as_ref()).await?;
    line.flush().await
}

/// Sends a request and reads the response: the head, and a body of the announced length. Refusals are errors.
pub async fn ask(line: &mut Line, request: &str) -> io::Result<String> {
    write(line, request).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(line.read_u8().await?);
    }
    let head = String::from_utf8(answer).map_err(io::Error::other)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
    line.read_exact(&mut body).await?;
    if !head.starts_with("HTTP/1.1 200 ") && !head.starts_with("HTTP/1.1 101 ") {
        return Err(io::Error::other(head));
    }
    Ok(head + &String::from_utf8_lossy(&body))
}
