//! A client of Engine.IO over WebSocket.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Error as WsError, Message as WsMessage};

use super::soon;

/// A WebSocket client that returns every message unchanged.
pub struct WebSocket {
    stream: WebSocketStream<TcpStream>,
    /// The headers of the 101.
    pub headers: http::HeaderMap,
}

impl WebSocket {
    /// Connects; the error is the status of the refusal.
    pub async fn open(addr: SocketAddr, target: &str) -> Result<Self, u16> {
        Self::open_with(addr, target, &[]).await
    }

    /// Connects with further headers.
    pub async fn open_with(addr: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        use tungstenite::client::IntoClientRequest;
        let stream = TcpStream::connect(addr).await.expect("the server listens");
        let mut request = format!("ws://{addr}{target}").into_client_request().expect("a valid URL");
        for (name, value) in headers {
            let name = http::HeaderName::try_from(*name).expect("a valid name");
            request.headers_mut().append(name, value.parse().expect("a valid value"));
        }
        match soon(tokio_tungstenite::client_async(request, stream)).await {
            Ok((stream, response)) => Ok(Self { stream, headers: response.headers().clone() }),
            Err(WsError::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a text message.
    pub async fn send(&mut self, text: &str) {
        self.stream.send(WsMessage::text(text)).await.expect("the server reads");
    }

    /// Sends text messages with as few writes as possible.
    pub async fn send_together(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.stream.feed(WsMessage::text(text)).await.expect("the server reads");
        }
        self.stream.flush().await.expect("the server reads");
    }

    /// Sends a binary message.
    pub async fn send_binary(&mut self, data: &[u8]) {
        self.stream.send(WsMessage::binary(data.to_vec())).await.expect("the server reads");
    }

    /// Sends a binary message in as many frames as it has parts.
    pub async fn send_fragments(&mut self, parts: impl ExactSizeIterator<Item = Vec<u8>>) {
        for frame in fragments(parts) {
            self.stream.feed(frame).await.expect("the server reads");
        }
        self.stream.flush().await.expect("the server reads");
    }

    /// Sends the first frame of a binary message, whose rest does not follow.
    pub async fn send_incomplete(&mut self, data: Vec<u8>) {
        let frame = fragments([data, Vec::new()].into_iter()).next().expect("there are two frames");
        self.stream.send(frame).await.expect("the server reads");
    }

    /// Closes the connection.
    pub async fn close(&mut self) {
        let _ = self.stream.close(None).await;
    }

    /// Cuts the connection.
    pub fn cut(self) {
        drop(self.stream);
    }

    /// The next message of any type; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<WsMessage> {
        soon(self.stream.next()).await.and_then(Result::ok)
    }

    /// The next message, which must be text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Some(WsMessage::Text(text)) => text.to_string(),
            other => panic!("expected text, found {other:?}"),
        }
    }

    /// The next message, which must be binary.
    pub async fn binary(&mut self) -> Vec<u8> {
        match self.next().await {
            Some(WsMessage::Binary(data)) => data.to_vec(),
            other => panic!("expected binary, found {other:?}"),
        }
    }

    /// Skips messages until the server closes. Returns the close code, if it sent one.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Some(WsMessage::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Some(_) => {}
                None => return None,
            }
        }
    }
}

/// The frames of a binary message in parts.
pub fn fragments(parts: impl ExactSizeIterator<Item = Vec<u8>>) -> impl Iterator<Item = WsMessage> {
    let last = parts.len().saturating_sub(1);
    parts.enumerate().map(move |(number, part)| {
        let data = if number == 0 { Data::Binary } else { Data::Continue };
        WsMessage::Frame(Frame::message(part, OpCode::Data(data), number == last))
    })
}
