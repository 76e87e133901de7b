//! States and errors of a connector.

use http::StatusCode;
use socketio_client::AckError;

use crate::fallback::FallbackError;

/// State of the link to the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// A connection.
    Socket,
    /// The HTTP API: events can be sent, but not received. Connection attempts continue.
    Http,
    /// None: the bus has refused the service, most likely because of its key. Another attempt would be
    /// refused too, so none is made until [`initialize`](crate::ServiceConnector::initialize) is called again.
    Refused,
}

/// Errors while a connector is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectorError {
    /// The URL is invalid.
    #[error("{0} is not the URL of a bus: http://HOST:PORT, or https")]
    Url(String),
    /// The key is not a valid header value.
    #[error("the key cannot stand in a header")]
    Key,
    /// The certificates of the system cannot be used.
    #[error("the certificates of the system cannot be used")]
    Tls(#[source] std::io::Error),
}

/// Errors of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The bus refused the command.
    #[error("the bus refused: {0}")]
    Refused(String),
    /// The bus refuses this service, most likely because of its key. See [`LinkState::Refused`].
    #[error("the bus does not take this service: {0}")]
    Denied(String),
    /// The connection was lost, or the ack did not arrive in time, also for the command that was sent again: it may have
    /// been executed.
    #[error("the bus did not answer")]
    Unanswered(#[source] AckError),
    /// There is no connection, and the request to the API failed.
    #[error(transparent)]
    Http(FallbackError),
    /// As many commands wait for an ack as [`ConnectorOptions::max_unanswered`](crate::ConnectorOptions::max_unanswered)
    /// permits. The command was not sent.
    #[error("too many commands wait for an answer")]
    TooMany,
    /// Rooms require a connection. The room is joined as soon as there is one.
    #[error("there is no connection")]
    NotConnected,
}

impl From<FallbackError> for BusError {
    fn from(error: FallbackError) -> Self {
        match error {
            FallbackError::Refused(StatusCode::UNAUTHORIZED, why) => Self::Denied(why),
            error => Self::Http(error),
        }
    }
}

impl BusError {
    /// Whether another attempt may succeed.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unanswered(_) => true,
            Self::Http(error) => error.may_pass(),
            _ => false,
        }
    }
}

/// Errors of a request to another service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The service is not connected.
    #[error("there is no such service")]
    NoService,
    /// The service did not answer in time: it may have carried out the request.
    #[error("the service did not answer in time")]
    Timeout,
    /// The service left before it answered: it may have carried out the request.
    #[error("the service left before it answered")]
    Left,
    /// The service refused the request, or the bus did, for the reason given.
    #[error("refused: {0}")]
    Refused(String),
    /// Too many requests of this service wait for an answer.
    #[error("too many requests wait for an answer")]
    TooMany,
    /// The bus did not answer, or does not accept this service.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl RequestError {
    /// The error with this code of the bus.
    pub(super) fn of(code: &str, message: String) -> Self {
        match code {
            "no_service" => Self::NoService,
            "timeout" => Self::Timeout,
            "left" => Self::Left,
            "too_many" => Self::TooMany,
            _ => Self::Refused(message),
        }
    }
}
