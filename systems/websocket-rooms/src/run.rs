//! The task of a client: attempts, connections, delays, and the end.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tracing::debug;

use crate::backoff::{Backoff, chance};
use crate::client::{Client, ClientEvent, ConnectError};
use crate::endpoint::{Endpoint, raised};
use crate::message::{Message, MessageType};
use crate::state::CloseReason;
use crate::wire::{self, Sent};

impl Client {
    /// Runs until the client is closed or gives up. `opened` receives the result of the first connect.
    pub(crate) async fn run(
        self,
        mut stopped: watch::Receiver<bool>,
        opened: oneshot::Sender<Result<(), ConnectError>>,
    ) {
        let running = Running(self.clone());
        let mut opened = Some(opened);
        let options = self.options();
        let mut backoff = Backoff::new(options.reconnect_interval, options.reconnect_interval_max);
        let failed = loop {
            let attempt = tokio::select! {
                attempt = self.attempt() => attempt,
                () = raised(&mut stopped) => break ConnectError::Closed,
            };
            let error = match attempt {
                Ok(ws) => {
                    let (endpoint, outgoing) = Endpoint::new(&options.connection, Arc::default());
                    if !self.up(&endpoint) {
                        break ConnectError::Closed;
                    }
                    debug!(url = %self.url(), "open");
                    let (inbox, messages) = mpsc::channel(options.connection.max_unhandled.max(1));
                    let handlers = tokio::spawn(handle(self.clone(), messages, opened.take()));
                    let reason = wire::drive(
                        ws,
                        &endpoint,
                        outgoing,
                        inbox,
                        &options.connection,
                        Some(self.tell_sent()),
                    )
                    .await;
                    endpoint.closed(reason.clone());
                    debug!(url = %self.url(), %reason, "closed");
                    let again =
                        options.auto_reconnect && !matches!(reason, CloseReason::Local(_)) && self.down();
                    // A panic of a handler has already been reported by the panic hook.
                    let _ = handlers.await;
                    self.events().emit(ClientEvent::Close(self.clone(), reason)).await;
                    if !again {
                        return;
                    }
                    backoff = Backoff::new(options.reconnect_interval, options.reconnect_interval_max);
                    None
                }
                Err(error) => {
                    debug!(url = %self.url(), %error, attempts = backoff.tried(), "not connected");
                    self.events().emit(ClientEvent::Error(self.clone(), error.clone())).await;
                    Some(error)
                }
            };
            if let Some(error) = error {
                let spent = options.max_reconnect_attempts.is_some_and(|max| backoff.tried() >= max);
                if !options.auto_reconnect || spent {
                    break error;
                }
            }
            tokio::select! {
                () = sleep(backoff.next(chance())) => {}
                () = raised(&mut stopped) => break ConnectError::Closed,
            }
        };
        drop(running);
        if let Some(opened) = opened {
            let _ = opened.send(Err(failed));
        }
    }

    fn tell_sent(&self) -> Sent {
        let client = self.clone();
        Box::new(move |message| {
            let client = client.clone();
            Box::pin(async move { client.events().emit(ClientEvent::Sent(client.clone(), message)).await })
        })
    }
}

/// Guard of a running client. When the task ends, even by a panic of a handler, the client can be connected
/// again.
struct Running(Client);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.idle();
    }
}

/// Calls the handlers for the events of one connection, in order. `opened` tells the caller of `connect` when those of
/// `open` have returned.
async fn handle(
    client: Client,
    mut messages: mpsc::Receiver<Message>,
    opened: Option<oneshot::Sender<Result<(), ConnectError>>>,
) {
    client.events().emit(ClientEvent::Open(client.clone())).await;
    if let Some(opened) = opened {
        // The caller may have stopped waiting.
        let _ = opened.send(Ok(()));
    }
    while let Some(message) = messages.recv().await {
        if matches!(message.kind(), MessageType::Text | MessageType::Binary) {
            client.events().emit(ClientEvent::Message(client.clone(), message)).await;
        }
    }
}
