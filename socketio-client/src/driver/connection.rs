//! Life cycle of the connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use engineio::client::{Client, ClientBuilder, Closed, Event, Sender};
use tokio::time::Sleep;

use crate::error::ConnectError;

type Opening = Pin<Box<dyn Future<Output = Result<Client, ConnectError>> + Send>>;

/// State of the connection.
pub(super) enum Connection {
    Closed,
    /// Waits for the delay before the next attempt.
    Waiting(Pin<Box<Sleep>>),
    Opening(Opening),
    Open(Box<Client>),
    /// Not needed any more; waits until all sent packets have left.
    Closing(Box<Client>),
}

/// Event of the connection.
pub(super) enum ConnectionEvent {
    /// The delay before the next attempt is over.
    AttemptDue,
    Opened(Result<Box<Client>, ConnectError>),
    Engine(Event),
    Ended(Closed),
}

impl Connection {
    /// Starts to open the connection.
    pub(super) fn open(engine: ClientBuilder, timeout: Duration) -> Self {
        Self::Opening(Box::pin(async move {
            match tokio::time::timeout(timeout, engine.connect()).await {
                Ok(opened) => Ok(opened?),
                Err(_) => Err(ConnectError::Timeout),
            }
        }))
    }

    /// Schedules an attempt.
    pub(super) fn wait(delay: Duration) -> Self {
        Self::Waiting(Box::pin(tokio::time::sleep(delay)))
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Sending half, while sockets may use the connection.
    pub(super) fn sender(&self) -> Option<Sender> {
        match self {
            Self::Open(client) => Some(client.sender()),
            _ => None,
        }
    }

    /// Closes the connection after all sent packets have left. Cancels one that is not open yet.
    pub(super) fn close(&mut self) {
        *self = match std::mem::replace(self, Self::Closed) {
            Self::Open(mut client) => {
                client.sender().close();
                client.set_reading(true);
                Self::Closing(client)
            }
            closing @ Self::Closing(_) => closing,
            Self::Closed | Self::Waiting(_) | Self::Opening(_) => Self::Closed,
        };
    }

    /// Next event. Without `reading` no message of the server is received.
    pub(super) fn poll(&mut self, reading: bool, cx: &mut Context<'_>) -> Poll<ConnectionEvent> {
        match self {
            Self::Closed => Poll::Pending,
            Self::Waiting(sleep) => sleep.as_mut().poll(cx).map(|()| ConnectionEvent::AttemptDue),
            Self::Opening(opening) => {
                opening.as_mut().poll(cx).map(|opened| ConnectionEvent::Opened(opened.map(Box::new)))
            }
            Self::Open(client) => {
                client.set_reading(reading);
                client.poll_recv(cx).map(ConnectionEvent::from)
            }
            Self::Closing(client) => client.poll_recv(cx).map(ConnectionEvent::from),
        }
    }
}

impl From<Result<Event, Closed>> for ConnectionEvent {
    fn from(received: Result<Event, Closed>) -> Self {
        received.map_or_else(Self::Ended, Self::Engine)
    }
}
