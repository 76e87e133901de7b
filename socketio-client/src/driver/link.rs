//! The connection, from being opened to being closed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use engineio::client::{Client, ClientBuilder, Closed, Event, Sender};
use tokio::time::Sleep;

use crate::error::ConnectError;

type Opening = Pin<Box<dyn Future<Output = Result<Client, ConnectError>> + Send>>;

/// Where the connection stands.
pub(super) enum Link {
    /// There is none.
    Closed,
    /// The next attempt has to wait.
    Waiting(Pin<Box<Sleep>>),
    Opening(Opening),
    Open(Box<Client>),
    /// Nobody needs it any more; what was sent is on its way.
    Closing(Box<Client>),
}

/// What the connection did.
pub(super) enum LinkEvent {
    /// The next attempt may begin.
    Due,
    Opened(Result<Box<Client>, ConnectError>),
    Engine(Event),
    Ended(Closed),
}

impl Link {
    pub(super) fn open(engine: ClientBuilder, timeout: Duration) -> Self {
        Self::Opening(Box::pin(async move {
            match tokio::time::timeout(timeout, engine.connect()).await {
                Ok(opened) => Ok(opened?),
                Err(_) => Err(ConnectError::Timeout),
            }
        }))
    }

    pub(super) fn wait(delay: Duration) -> Self {
        Self::Waiting(Box::pin(tokio::time::sleep(delay)))
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// The sending half, while sockets may use the connection.
    pub(super) fn sender(&self) -> Option<Sender> {
        match self {
            Self::Open(client) => Some(client.sender()),
            _ => None,
        }
    }

    /// Closes the connection when everything that was sent has left; gives up what is not open yet.
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

    /// What happens next. Without `reading` nothing of what the server sends is taken.
    pub(super) fn poll(&mut self, reading: bool, cx: &mut Context<'_>) -> Poll<LinkEvent> {
        match self {
            Self::Closed => Poll::Pending,
            Self::Waiting(sleep) => sleep.as_mut().poll(cx).map(|()| LinkEvent::Due),
            Self::Opening(opening) => {
                opening.as_mut().poll(cx).map(|opened| LinkEvent::Opened(opened.map(Box::new)))
            }
            Self::Open(client) => {
                client.set_reading(reading);
                client.poll_recv(cx).map(LinkEvent::from)
            }
            Self::Closing(client) => client.poll_recv(cx).map(LinkEvent::from),
        }
    }
}

impl From<Result<Event, Closed>> for LinkEvent {
    fn from(received: Result<Event, Closed>) -> Self {
        received.map_or_else(Self::Ended, Self::Engine)
    }
}
