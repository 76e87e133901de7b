//! Addresses, listeners and streams: over TCP or a Unix socket, with or without TLS.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use super::Settings;

/// A listener for the connections of other nodes.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a Unix socket, for nodes on one host.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => Stream::tcp(listener.accept().await?.0),
            #[cfg(unix)]
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

/// The address of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Address {
    /// With the name that was resolved, which a certificate has to be for.
    Tcp(SocketAddr, String),
    Unix(PathBuf),
}

impl Address {
    pub(super) async fn connect(&self, settings: &Settings) -> io::Result<Stream> {
        match self {
            Self::Tcp(address, name) => {
                Stream::tcp(TcpStream::connect(address).await?)?.connect_tls(settings, name).await
            }
            #[cfg(unix)]
            Self::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
            #[cfg(not(unix))]
            Self::Unix(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets"))
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address, _) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The addresses of a name.
pub(super) async fn resolve(name: &str) -> io::Result<Vec<Address>> {
    if let Some(path) = name.strip_prefix("unix:") {
        return Ok(vec![Address::Unix(path.into())]);
    }
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    let addresses = tokio::net::lookup_host(name).await?;
    Ok(addresses.map(|address| Address::Tcp(address, host.to_owned())).collect())
}

/// A connection to or from another node.
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(feature = "peers-tls")]
    Tls(Box<tokio_rustls::TlsStream<TcpStream>>),
}

impl Stream {
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Encrypts an accepted connection, if the settings say so.
    #[cfg(feature = "peers-tls")]
    pub(super) async fn accept_tls(self, settings: &Settings) -> io::Result<Self> {
        match (self, &settings.tls) {
            (Self::Tcp(stream), Some(tls)) => Ok(Self::Tls(Box::new(tls.accept(stream).await?))),
            (stream, _) => Ok(stream),
        }
    }

    /// Encrypts an open connection, if the settings say so.
    #[cfg(feature = "peers-tls")]
    async fn connect_tls(self, settings: &Settings, name: &str) -> io::Result<Self> {
        match (self, &settings.tls) {
            (Self::Tcp(stream), Some(tls)) => Ok(Self::Tls(Box::new(tls.connect(stream, name).await?))),
            (stream, _) => Ok(stream),
        }
    }

    #[cfg(not(feature = "peers-tls"))]
    pub(super) async fn accept_tls(self, _: &Settings) -> io::Result<Self> {
        Ok(self)
    }

    #[cfg(not(feature = "peers-tls"))]
    async fn connect_tls(self, _: &Settings, _: &str) -> io::Result<Self> {
        Ok(self)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "peers-tls")]
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "peers-tls")]
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "peers-tls")]
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "peers-tls")]
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
