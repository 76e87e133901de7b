//! Carries messages between a native client and its inner side, until one of them goes.
//!
//! Heartbeats are those of the server: its ping becomes one of WebSocket, and only the client's pong answers it. So a
//! client that vanished is noticed as any other is. The two directions do not wait for each other; each is held back
//! by whoever reads it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::json;
use socketio_parser::{Decoder, Packet, Payload};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::inside::Inside;
use super::message::{self, Fault, Outgoing};

/// So many messages in a row that mean nothing end the connection.
const MAX_FAULTS: usize = 10;
/// So many messages are written before what was written is flushed.
const BATCH: usize = 64;
/// How long a client may take to hear why it is closed, and to close its end.
const GOODBYE: Duration = Duration::from_secs(2);

/// A native client and its inner side.
pub(super) struct Bridge {
    inside: Inside,
    /// How long a client may take to take what was written.
    patience: Duration,
}

/// Why the two part.
enum End {
    /// The client went.
    Client,
    /// The server ended it, and the client should know why.
    Closed(CloseCode, Utf8Bytes),
    /// The client takes nothing any more.
    Stuck,
}

impl Bridge {
    pub(super) fn new(inside: Inside, patience: Duration) -> Self {
        Self { inside, patience }
    }

    pub(super) async fn run<S>(self, mut outside: WebSocketStream<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Inside { line, decoder, namespace, id } = self.inside;
        let welcome = json!({"event": "connect", "data": {"id": id, "namespace": namespace}});
        if outside.send(Message::text(welcome.to_string())).await.is_err() {
            return;
        }
        let (mut to_client, mut from_client) = outside.split();
        let (mut to_server, from_server) = line.split();
        let pinged = AtomicBool::new(false);
        // One fault is told before the next message is read.
        let (faults, told) = mpsc::channel(1);
        let mut down = Down { from_server, to_client: &mut to_client, decoder, told, pinged: &pinged };
        let mut up = Up {
            from_client: &mut from_client,
            to_server: &mut to_server,
            namespace,
            faults,
            pinged: &pinged,
            expected: 0,
        };
        let end = tokio::select! {
            end = down.run(self.patience) => end,
            end = up.run() => end,
        };
        if let End::Closed(code, reason) = end {
            let goodbye = to_client.send(Message::Close(Some(CloseFrame { code, reason })));
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
        let _ = tokio::time::timeout(GOODBYE, to_server.close()).await;
        // Reading sends the answer to the client's goodbye. And what is left unread when a connection is dropped may
        // take our own goodbye along.
        let rest = async { while let Some(Ok(_)) = from_client.next().await {} };
        let _ = tokio::time::timeout(GOODBYE, rest).await;
    }
}

/// From the server to the client.
struct Down<'a, S> {
    from_server: SplitStream<WebSocketStream<DuplexStream>>,
    to_client: &'a mut SplitSink<WebSocketStream<S>, Message>,
    decoder: Decoder,
    told: mpsc::Receiver<Fault>,
    pinged: &'a AtomicBool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Down<'_, S> {
    async fn run(&mut self, patience: Duration) -> End {
        loop {
            let first = tokio::select! {
                message = self.from_server.next() => message,
                Some(fault) = self.told.recv() => {
                    let error = json!({"event": "error", "data": {"message": fault.to_string()}});
                    match tokio::time::timeout(patience, self.to_client.send(Message::text(error.to_string()))).await {
                        Ok(Ok(())) => continue,
                        _ => return End::Stuck,
                    }
                }
            };
            match tokio::time::timeout(patience, self.batch(first)).await {
                Ok(Ok(())) => {}
                Ok(Err(end)) => return end,
                Err(_) => return End::Stuck,
            }
        }
    }

    /// Hands on a message and what else is there already.
    async fn batch(&mut self, first: Option<Result<Message, Error>>) -> Result<(), End> {
        let mut next = first;
        for _ in 0..BATCH {
            let handed = self.hand_on(next).await;
            if let Err(end) = handed {
                // What came before the end is the client's.
                let _ = self.to_client.flush().await;
                return Err(end);
            }
            match self.from_server.next().now_or_never() {
                Some(message) => next = message,
                None => return self.to_client.flush().await.map_err(|_| End::Client),
            }
        }
        self.hand_on(next).await?;
        self.to_client.flush().await.map_err(|_| End::Client)
    }

    async fn hand_on(&mut self, message: Option<Result<Message, Error>>) -> Result<(), End> {
        match message {
            Some(Ok(Message::Text(text))) => self.text(text).await,
            Some(Ok(Message::Binary(data))) => match self.decoder.binary(data) {
                Ok(Some(packet)) => self.packet(packet).await,
                Ok(None) => Ok(()),
                Err(_) => Err(End::Closed(CloseCode::Error, Utf8Bytes::from_static("internal error"))),
            },
            Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) if code.is_allowed() => {
                Err(End::Closed(code, reason))
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => {
                Err(End::Closed(CloseCode::Away, Utf8Bytes::from_static("transport close")))
            }
        }
    }

    async fn text(&mut self, text: Utf8Bytes) -> Result<(), End> {
        match text.as_bytes().first() {
            Some(b'2') => {
                self.pinged.store(true, Ordering::Relaxed);
                self.to_client.feed(Message::Ping(Bytes::new())).await.map_err(|_| End::Client)
            }
            Some(b'4') => match self.decoder.text(Bytes::from(text).slice(1..)) {
                Ok(Some(packet)) => self.packet(packet).await,
                Ok(None) => Ok(()),
                Err(_) => Err(End::Closed(CloseCode::Error, Utf8Bytes::from_static("internal error"))),
            },
            _ => Ok(()),
        }
    }

    async fn packet(&mut self, packet: Packet) -> Result<(), End> {
        let (outgoing, arguments) = match &packet.payload {
            Payload::Event(event) => {
                (Outgoing::new(Some(event.name()), packet.ack_id, event.args()), event.args())
            }
            Payload::Ack(arguments) => (Outgoing::new(None, packet.ack_id, arguments), arguments),
            Payload::Disconnect => {
                let reason = Utf8Bytes::from_static("server namespace disconnect");
                return Err(End::Closed(CloseCode::Policy, reason));
            }
            _ => return Ok(()),
        };
        let attachments = arguments.attachments().iter().cloned();
        if !outgoing.is_binary_alone() {
            self.to_client.feed(Message::text(outgoing.to_text())).await.map_err(|_| End::Client)?;
        }
        for attachment in attachments {
            self.to_client.feed(Message::Binary(attachment)).await.map_err(|_| End::Client)?;
        }
        Ok(())
    }
}

/// From the client to the server.
struct Up<'a, S> {
    from_client: &'a mut SplitStream<WebSocketStream<S>>,
    to_server: &'a mut SplitSink<WebSocketStream<DuplexStream>, Message>,
    namespace: String,
    faults: mpsc::Sender<Fault>,
    pinged: &'a AtomicBool,
    /// How many binary messages were announced and have not come.
    expected: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Up<'_, S> {
    async fn run(&mut self) -> End {
        let mut faults = 0;
        loop {
            let handed = match self.from_client.next().await {
                Some(Ok(Message::Text(text))) => self.text(&text).await,
                Some(Ok(Message::Binary(data))) => self.binary(data).await,
                Some(Ok(Message::Pong(_))) if self.pinged.swap(false, Ordering::Relaxed) => {
                    self.send(Message::text("3")).await
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => {
                    return End::Closed(CloseCode::Size, Utf8Bytes::from_static("too big"));
                }
                Some(Err(Error::Utf8(_))) => return End::Closed(CloseCode::Invalid, Utf8Bytes::default()),
                Some(Err(Error::Protocol(_))) => {
                    return End::Closed(CloseCode::Protocol, Utf8Bytes::default());
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Client,
            };
            match handed {
                Ok(()) => faults = 0,
                Err(Some(fault)) => {
                    faults += 1;
                    if faults == MAX_FAULTS || self.faults.send(fault).await.is_err() {
                        return End::Closed(
                            CloseCode::Policy,
                            Utf8Bytes::from_static("too many bad messages"),
                        );
                    }
                }
                // The server ended it; the other direction says why.
                Err(None) => std::future::pending().await,
            }
        }
    }

    async fn text(&mut self, text: &str) -> Result<(), Option<Fault>> {
        if self.expected > 0 {
            return Err(Some(Fault::Expected));
        }
        let (packet, attachments) = message::to_packet(text, &self.namespace).map_err(Some)?;
        self.expected = attachments;
        self.send(Message::text(packet)).await
    }

    async fn binary(&mut self, data: Bytes) -> Result<(), Option<Fault>> {
        if self.expected == 0 {
            self.send(Message::text(message::binary_packet(&self.namespace))).await?;
        } else {
            self.expected -= 1;
        }
        self.send(Message::Binary(data)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Option<Fault>> {
        self.to_server.send(message).await.map_err(|_| None)
    }
}
